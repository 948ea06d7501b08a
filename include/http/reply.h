/* reply.h - answers, and the only place that knows status numbers.
 *
 * Each function queues one answer with the headers that all of them carry, on the
 * exchange's HTTP thread, and records status and size in its request. When there is
 * no memory for it, that is said: 503. When even that cannot be sent, request.status
 * stays 0 and the connection has to be closed. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "base/buffer.h"
#include "http/exchange.h"

/* The status of a failure, 400 to 504; 499 for ERROR_CANCELLED, which nobody sees. */
unsigned reply_status(enum error_code code);

/* 200 with a text that lives as long as the process. */
void reply_static(struct exchange *x, const char *content_type, const char *text,
                  size_t length);

/* 200 with what is in `text`, which is taken; out-of-memory when it had failed. */
void reply_buffer(struct exchange *x, const char *content_type, struct buffer *text);

/* The problem document of `error`. */
void reply_problem(struct exchange *x, const struct error *error);

/* 204 and Allow. */
void reply_options(struct exchange *x);

/* What the pool made of the call: 200 with its pieces, which the answer borrows, or
 * the problem. Nothing when the client has left. */
void reply_call(struct exchange *x);

/* The answer is sent and the connection goes on: the library's timer of answers stops.
 * Not for a connection that has ended, which is in none of the library's lists. */
void reply_sent(struct exchange *x);

/* 503 out-of-memory, kept ready: saying it takes no memory. The last answer on its
 * connection, and without a request's id. `n` is zeroed before. */
MUST_USE bool no_memory_init(struct no_memory *n, struct error *e);
void no_memory_free(struct no_memory *n);

#endif
