/* clock.h - time that only goes forward; and the date. */
#ifndef SERVICE_CLOCK_H
#define SERVICE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. Modules that wait take the time as a
 * parameter where they can, so that tests pass it in. */
int64_t clock_now_ns(void);

/* Milliseconds of Unix time, for people: it may go back. */
int64_t clock_wall_ms(void);

#define NS_PER_MS ((int64_t)1000000)
#define NS_PER_S  ((int64_t)1000000000)

#endif
