/* drain.h - from "please stop" to the last answer. */
#ifndef HTTP_DRAIN_H
#define HTTP_DRAIN_H

#include "http/server.h"

/* 1. /readyz says 503, while all goes on for drain_delay;
 * 2. no new connections and requests, and what is accepted may finish within
 *    drain_timeout;
 * 3. what is left is answered 503 shutting-down, and connections are cut.
 * Each phase is a log line. When `interrupt_fd` becomes readable, waiting ends at
 * once. True: nothing is with the pool, server_delete() may be called. False: a worker
 * hangs. All others were answered, and so was the client of what it hangs in; nothing
 * can be freed any more, the process can only end. */
MUST_USE bool drain(struct server *s, struct site *site, int interrupt_fd);

#endif
