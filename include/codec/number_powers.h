/* number_powers.h - the powers of ten that reading and writing float32 need. */
#ifndef CODEC_NUMBER_POWERS_H
#define CODEC_NUMBER_POWERS_H

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 uint128; /* gcc and clang, 64-bit machines */

enum {
    POWER_LEAST = -64, /* 2^64 times the power before it rounds to 0 in float32 */
    POWER_MOST = 46    /* nine digits of the smallest normal float32, 1.2e-38 */
};

/* 10^e = number_powers[e - POWER_LEAST] * 2^(floor(log2 10^e) - 63), the
 * significand cut off after its 64th bit:
 *   floor(10^e / 2^(floor(log2 10^e) - 63))
 * Nothing is lost for 0 <= e <= 27, because 5^27 < 2^64. The test computes the
 * table anew with long arithmetic. */
extern const uint64_t number_powers[POWER_MOST - POWER_LEAST + 1];

static inline uint64_t power_significand(int e)
{
    return number_powers[e - POWER_LEAST];
}

static inline bool power_is_exact(int e)
{
    return e >= 0 && e <= 27;
}

/* floor(log2 10^e), for |e| < 1000. */
static inline int power_exponent(int e)
{
    return (e * 217706) >> 16;
}

#endif
