/* watch.h - looks at all connections twenty times a second, for what libmicrohttpd
 * does not see: heads and bodies that come too slowly, whatever trickles in
 * meanwhile; clients that do not take their answers; and clients that leave while the
 * pool works for them. What rests costs a few nanoseconds a look.
 *
 * Thread-safe. A connection may be used by the watch until watch_remove(), so that
 * must be called before its socket is closed. */
#ifndef HTTP_WATCH_H
#define HTTP_WATCH_H

#include "http/exchange.h"

struct watch;

MUST_USE struct watch *watch_new(struct error *e);
void watch_delete(struct watch *w);

/* False: there is no memory. */
MUST_USE bool watch_add(struct watch *w, struct exchange *x);
void watch_remove(struct watch *w, struct exchange *x);

/* Returns when no look is going on. */
void watch_wait(struct watch *w);

/* Takes a socket that was answered before all was read; see farewell.h. */
void watch_farewell(struct watch *w, int fd);

/* Closes the socket of these that was taken first, as its descriptor is needed. False:
 * there is none. */
bool watch_give_way(struct watch *w);

/* Cuts up to `most` connections, 64 at most, which have been awaiting a request for
 * over a second, those first that have for longest. Returns how many it
 * found; one whose request comes at that moment is left alone. */
size_t watch_make_room(struct watch *w, size_t most);

/* A request has come in part or whole of which nothing was read yet, or a client still
 * sends what was refused. */
MUST_USE bool watch_sees_request(struct watch *w);

/* 503 to all clients whose request has come in part only. They have a second to take
 * it and leave; meanwhile watch_sees_request() is true. */
void watch_cut_unfinished(struct watch *w);

/* Shuts the sockets of all connections: what waits for a client ends. */
void watch_cut_all(struct watch *w);

#endif
