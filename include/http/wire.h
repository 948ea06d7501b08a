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

/* Ends the connection; the library finds it at its end, and closes it. `words` (NULL:
 * none; emptied) are said before, where that can be: a client that does not read is not
 * waited for, and a TLS session says them on its HTTP thread. Any thread, once. */
void wire_cut(struct wire *w, struct buffer *words);

/* Says `text`, an interim answer or a last one, to a client that waits. False: not now,
 * as the client has not yet taken what came before. The connection is suspended, and
 * stays so meanwhile, or it is its HTTP thread that asks. */
MUST_USE bool wire_say(struct wire *w, const char *text, size_t length);

#endif
