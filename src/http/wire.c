#include "http/wire.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "http/guarded_read.h"
#include "http/socket_state.h"
#include "http/tls_calls.h"

int wire_socket(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
        ->connect_fd;
}

/* NULL: it is plain. */
static gnutls_session_t session_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? info->tls_session : NULL;
}

/* GnuTLS reads with recv(), too: of the socket of a session not the bytes on it are
 * HTTP, but those in its records. */
bool wire_open(struct wire *w, struct MHD_Connection *connection, struct tls *tls,
               struct guard *guard)
{
    w->fd = wire_socket(connection);
    w->session = session_of(connection);
    if (!w->session && !guarded_read_begin(w->fd, guard))
        return false; /* GCOVR_EXCL_LINE a million files */
    w->guard = guard;
    if (!w->session)
        return true;
    w->tls = tls;
    w->identity = tls_take(tls);
    gnutls_session_set_ptr(w->session, w);
    return tls_identity_use(w->identity, w->session);
}

/* GCOVR_EXCL_START there was no memory. The library's pointer would be taken for a
 * wire. */
void wire_forsake(struct MHD_Connection *connection)
{
    gnutls_session_t session = session_of(connection);
    if (session)
        gnutls_session_set_ptr(session, NULL);
    shutdown(wire_socket(connection), SHUT_RDWR);
}
/* GCOVR_EXCL_STOP */

static void forget_words(struct buffer *words)
{
    if (!words)
        return;
    buffer_free(words);
    free(words);
}

void wire_close(struct wire *w)
{
    if (w->guard && !w->session)
        guarded_read_end(w->fd);
    forget_words(atomic_exchange(&w->last_words, NULL));
    if (w->identity)
        tls_identity_release(w->identity);
}

/* As much as goes at once. */
static void say(const struct wire *w, const struct buffer *words)
{
    for (size_t said = 0; said < words->length;) {
        ssize_t n =
            gnutls_record_send(w->session, words->data + said, words->length - said);
        if (n <= 0)
            return;
        said += (size_t)n;
    }
}

void wire_end(struct wire *w)
{
    struct buffer *words = atomic_exchange(&w->last_words, NULL);
    if (words && w->secured)
        say(w, words);
    forget_words(words);
}

/* What the client has sent meanwhile is not read: it would only be late. */
static ssize_t end(struct wire *w)
{
    wire_end(w);
    if (!w->secured)
        tls_failed(w->tls);
    return 0;
}

/* A client whose kernel gathers small pieces (Nagle) keeps the next one until the one
 * before is acknowledged, which ours would put off for 40 ms where it has nothing to
 * say: as after the last words of a handshake in TLS 1.3. */
static void acknowledge(const struct wire *w)
{
    setsockopt(w->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
}

/* GNUTLS_E_AGAIN while it waits for the client. Clients that only leave, as those who
 * look whether a port is open, have not failed. */
static int shake_hands(struct wire *w)
{
    int result, warnings = 0;
    do {
        result = tls_calls_handshake(w->session);
    } while (result < 0 && result != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(result) &&
             ++warnings < 8);
    w->secured = result == GNUTLS_E_SUCCESS;
    if (w->secured || result == GNUTLS_E_AGAIN) {
        acknowledge(w);
        return result;
    }
    if (result != GNUTLS_E_PREMATURE_TERMINATION && result != GNUTLS_E_PULL_ERROR)
        tls_failed(w->tls);
    gnutls_alert_send_appropriate(w->session, result);
    return result;
}

static ssize_t read_record(void *wire, void *to, size_t most)
{
    struct wire *w = wire;
    ssize_t n = tls_calls_recv(w->session, to, most);
    if (n > 0)
        atomic_store_explicit(&w->heard, true, memory_order_relaxed);
    return n;
}

bool wire_has_heard(const struct wire *w)
{
    return w->session ? atomic_load_explicit(&w->heard, memory_order_relaxed)
                      : socket_has_received(w->fd);
}

/* A read that brings fewer bytes than asked for says that a record is at its end, not
 * that there is no other. */
static ssize_t read_guarded(struct wire *w, void *data, size_t size)
{
    ssize_t n;
    do {
        n = guarded_read(w->guard, read_record, w, data, size);
    } while (n == GUARDED_NOTHING && !guard_is_shut(w->guard));
    return n == GUARDED_NOTHING ? GNUTLS_E_AGAIN : n;
}

ssize_t wire_read(struct wire *w, void *data, size_t size)
{
    if (atomic_load(&w->cut))
        return end(w);
    if (!w->secured) {
        int result = shake_hands(w);
        if (result < 0)
            return result;
    }
    return read_guarded(w, data, size);
}

/* On the heap, so that the HTTP thread can have it; NULL: nothing can be said. */
static struct buffer *keep(struct buffer *words)
{
    struct buffer *kept = words && !words->failed ? malloc(sizeof *kept) : NULL;
    if (kept) {
        *kept = *words;
        buffer_init(words, words->limit);
    }
    return kept;
}

void wire_cut(struct wire *w, struct buffer *words)
{
    if (w->session) {
        struct buffer *kept = keep(words);
        atomic_store(&w->last_words, kept);
        atomic_store(&w->cut, true);
        if (!kept)
            shutdown(w->fd, SHUT_RD); /* wakes the thread */
    } else if (words && !words->failed) {
        send(w->fd, words->data, words->length, MSG_DONTWAIT | MSG_NOSIGNAL);
        shutdown(w->fd, SHUT_WR);
    } else {
        shutdown(w->fd, SHUT_RDWR);
    }
    if (words)
        buffer_free(words);
}

void wire_wake(struct wire *w)
{
    if (w->session && atomic_load(&w->last_words))
        shutdown(w->fd, SHUT_RD);
}

/* A record that does not go at once cannot be taken back: what the library sends next
 * would be taken for its rest. With nothing in front of it, it goes. */
bool wire_say(struct wire *w, const char *text, size_t length)
{
    int waiting = 0;
    if (ioctl(w->fd, SIOCOUTQ, &waiting) != 0 || waiting > 0)
        return false;
    if (!w->session)
        send(w->fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (gnutls_record_send(w->session, text, length) != (ssize_t)length)
        shutdown(w->fd, SHUT_RDWR);
    return true;
}
