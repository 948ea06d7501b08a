/* stream.h - sends an answer whose end is still being written.
 *
 * The pool writes it a window at a time (service/answer_windows.h): while one is being
 * sent the next is written. The connection is suspended when the next is not there
 * yet; when the client is slow the pool waits for nobody, and two windows are all that
 * is held. What goes wrong from here on cannot be told in a status any more: the
 * chunked coding is then left without its end, and the connection closed (which
 * HTTP/1.0, without that coding, cannot tell from the end of the answer). */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>

struct exchange;

enum stream_state {
    STREAM_READY,   /* the HTTP thread has the call */
    STREAM_WRITING, /* the pool has it */
    STREAM_AWAITED, /* as before, and the connection is suspended until it comes back */
    STREAM_LEFT,    /* as before, but the client has left, and nobody awaits it */
};

/* Part of a request; all but `state` is the HTTP thread's. */
struct stream {
    _Atomic int state;
    const struct iovec *pieces; /* being sent */
    size_t count, piece, offset;
    bool more; /* there is a window after this one */
};

/* The response to a call that came back with more to write, not yet queued; NULL:
 * there is no memory. */
struct MHD_Response *stream_response(struct exchange *x);

/* Once it is queued: has the next window written. */
void stream_begin(struct exchange *x);

/* The request is over. True: the pool still has the call, and gives up what it holds
 * of the exchange later. */
bool stream_end(struct exchange *x);

#endif
