/* pace.h - how fast a client must be: the arithmetic of body_timeout, body_rate and
 * write_timeout, without sockets or clocks. Times are nanoseconds of clock_now_ns(). */
#ifndef HTTP_PACE_H
#define HTTP_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "service/settings.h"

/* When a body that was awaited since `began_ns` and has brought `bytes` is too late,
 * unless more of it comes before: at body_timeout, or as soon as body_rate is missed,
 * which nobody asks for during the first 5 s. */
int64_t pace_body_deadline(const struct settings *s, int64_t began_ns, uint64_t bytes);

/* An answer on its way. Zero when it begins. */
struct sending {
    int64_t began_ns, moved_ns; /* first look; last one that saw it go on */
    uint64_t first, taken;      /* bytes the client's kernel had then, has now */
};

/* How long after one look the next is due. */
int64_t pace_look_ns(const struct settings *s);

/* A look: the client's kernel has `taken` bytes of all that was ever sent on the
 * connection, and `waiting` bytes wait for it. False: cut it, as it took nothing for
 * write_timeout, or, `scarce`, less than body_rate since then. What waits for us is
 * not its fault. */
bool pace_sending(struct sending *sending, const struct settings *s, int64_t now_ns,
                  uint64_t taken, uint64_t waiting, bool scarce);

#endif
