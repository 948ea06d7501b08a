/* farewell.h - sockets that are closed once their client has stopped sending.
 *
 * An answer given before the body was read is lost when the socket is closed at
 * once: unread bytes make the kernel send a reset, which throws away what the
 * client has not read yet (RFC 9112, 9.6). So such a socket is read on, for a short
 * time. Not thread-safe. */
#ifndef HTTP_FAREWELL_H
#define HTTP_FAREWELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAREWELL_SOCKETS = 256 };

struct farewell {
    struct {
        int fd;
        int64_t until_ns;
    } sockets[FAREWELL_SOCKETS];
    size_t count;
};

/* Takes `fd`, whose sending side is shut already. Closes the oldest when there are too
 * many. */
void farewell_add(struct farewell *f, int fd, int64_t now_ns);

/* Reads what came, and closes what is over. */
void farewell_tick(struct farewell *f, int64_t now_ns);

/* Closes the oldest, as its descriptor is needed. False: there is none. */
bool farewell_give_way(struct farewell *f);

void farewell_close(struct farewell *f);

#endif
