/* wire.h - what is read and said on a connection past libmicrohttpd: as it is, or
 * through its TLS session, where bytes of another kind would break the stream.
 *
 * A session is no one's but its HTTP thread's, and while the connection is suspended
 * that of whoever has seen to it that it is not resumed meanwhile. */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "http/guard.h"
#include "http/tls.h"

struct wire {
    int fd;
    struct guard *guard;      /* what is read goes through it; NULL: not yet */
    gnutls_session_t session; /* NULL: plain */
    struct tls *tls;
    struct tls_identity *identity; /* held; NULL: plain */
    bool secured;                  /* the handshake is over */
    _Atomic bool heard;            /* something came after it */

    _Atomic bool cut; /* nothing more is read */
    struct buffer *_Atomic last_words;
};

/* The descriptor that the library has for it. */
int wire_socket(struct MHD_Connection *connection);

/* On the connection's HTTP thread, when it begins; `tls`: what its listener shows,
 * NULL: it is plain. What is read passes `guard`, which is borrowed. False: it cannot
 * be used. wire_close() in any case, when it is over. */
MUST_USE bool wire_open(struct wire *w, struct MHD_Connection *connection,
                        struct tls *tls, struct guard *guard);
void wire_close(struct wire *w);

/* Ends a connection that has no wire, when it begins. */
void wire_forsake(struct MHD_Connection *connection);

/* Reads through the session, as gnutls_record_recv(3) does, after the handshake, what
 * the guard lets pass. Only the HTTP thread; the library, see tls_calls.h. */
ssize_t wire_read(struct wire *w, void *data, size_t size);

/* Whether the client has sent a byte of HTTP, as far as that is known. Any thread. */
bool wire_has_heard(const struct wire *w);

/* Ends the connection. Without `words` (NULL) the library finds it at its end, and
 * closes it. `words`, which are emptied, are said where that can be: a client that does
 * not read is not waited for. Behind them only our side is shut, so that what the
 * client still sends does not take them from it; a TLS session says them on its HTTP
 * thread, with its next byte, or wire_end(). Any thread, once. */
void wire_cut(struct wire *w, struct buffer *words);

/* After wire_cut(): a client that has not sent the byte a session waits for is silent.
 * Any thread. */
void wire_wake(struct wire *w);

/* After wire_cut(): says what was not said yet, as the connection is about to be
 * closed. Only the HTTP thread. */
void wire_end(struct wire *w);

/* Says `text`, an interim answer or a last one, to a client that waits. False: not now,
 * as the client has not yet taken what came before. The connection is suspended, and
 * stays so meanwhile, or it is its HTTP thread that asks. */
MUST_USE bool wire_say(struct wire *w, const char *text, size_t length);

#endif
