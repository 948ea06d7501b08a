/* arrivals.h - connections that libmicrohttpd was given and that no thread of it has
 * begun with.
 *
 * The library may end one before, when it has no memory or epoll no room, and says so
 * to nobody. So each is known by its descriptor and by the number the kernel gave to
 * its socket: when the descriptor is closed, or another socket's, it is gone. */
#ifndef HTTP_ARRIVALS_H
#define HTTP_ARRIVALS_H

#include <stddef.h>

#include "base/error.h"

/* Used by the accepting thread alone, but for arrivals_end(). */
struct arrivals {
    struct arrival *list; /* the newest last; some have begun */
    size_t count, room;
    size_t lost; /* ended by the library, and not yet told */
};

/* For at most `most` (1 or more) at a time. False with `e` set. */
MUST_USE bool arrivals_init(struct arrivals *a, size_t most, struct error *e);
void arrivals_free(struct arrivals *a);

/* Before the library has it. */
void arrivals_add(struct arrivals *a, int fd);

/* Its thread has begun with it, or the library did not take it. Any thread. */
void arrivals_end(int fd);

/* Looks which still arrive: a->count. Returns how many have ended unseen since the last
 * time. */
MUST_USE size_t arrivals_settle(struct arrivals *a);

#endif
