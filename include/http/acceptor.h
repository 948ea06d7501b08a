/* acceptor.h - takes connections for libmicrohttpd, no more than may be open.
 *
 * What counts as open is counted here, before the library has it: its threads tell
 * later, and in the meantime the limit would be passed. One thread. */
#ifndef HTTP_ACCEPTOR_H
#define HTTP_ACCEPTOR_H

#include "http/arrivals.h"
#include "http/listener.h"
#include "http/site.h"
#include "http/watch.h"

/* Connections of operators beyond connection_limit. */
enum { ACCEPTOR_RESERVED = 64 };

struct acceptor {
    struct site *site;
    struct watch *watch;
    struct arrivals arrivals;
    int64_t paused_until_ns;  /* out of descriptors: nothing is accepted */
    int64_t crowded_until_ns; /* room was made: the next look is due then */
};

/* Both are borrowed. False with `e` set. */
MUST_USE bool acceptor_init(struct acceptor *a, struct site *site, struct watch *watch,
                            struct error *e);
void acceptor_free(struct acceptor *a);

/* Takes up to `most` connections that wait; those of `callers` within connection_limit,
 * others may use what is reserved. One too many is told 503. */
void acceptor_take(struct acceptor *a, const struct listener *listener,
                   struct MHD_Daemon *daemon, bool callers, size_t most);

/* Cuts what rests when there is hardly room: those that came may rest by now. */
void acceptor_keep_room(struct acceptor *a);

/* How many connections no thread has begun with. */
size_t acceptor_arriving(struct acceptor *a);

#endif
