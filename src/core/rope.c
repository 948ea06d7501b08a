#include "core/rope.h"

#include <math.h>
#include <string.h>

enum { LANES = 4 }; /* of the vectors that every processor has */

void rope_frequencies(double base, size_t dims, double *frequencies)
{
    for (size_t k = 0; k < dims / 2; k++)
        frequencies[k] = pow(base, -2.0 * (double)k / (double)dims);
}

void rope_angles(const struct rope *r, size_t i, float *angles)
{
    size_t pairs = r->dims / 2;
    int64_t position = r->positions ? r->positions[i] : r->first + (int64_t)i;
    if (!r->frequencies) {
        size_t at = (size_t)position * pairs;
        memcpy(angles, r->cosines + at, pairs * sizeof *angles);
        memcpy(angles + pairs, r->sines + at, pairs * sizeof *angles);
        return;
    }
    for (size_t k = 0; k < pairs; k++) {
        double angle = (double)position * r->frequencies[k];
        angles[k] = (float)cos(angle);
        angles[pairs + k] = (float)sin(angle);
    }
}

/* Not zero when one of the numbers is not finite: all bits of its exponent are set. */
static inline uint32_t not_finite(const float *x, size_t count)
{
    const uint32_t exponent = 0x7F800000;
    uint32_t bad = 0;
    for (size_t n = 0; n < count; n++) {
        uint32_t bits;
        memcpy(&bits, &x[n], sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return bad;
}

/* `count` pairs, first[n step] with first[n step + apart], from channel to channel.
 * Inlined with constants, this becomes vector instructions. */
static inline uint32_t turn(const float *cosines, const float *sines, const float *from,
                            float *to, size_t step, size_t apart, size_t count)
{
    float x[LANES], y[LANES];
    for (size_t n = 0; n < count; n++) {
        float a = from[n * step], b = from[n * step + apart];
        x[n] = a * cosines[n] - b * sines[n];
        y[n] = a * sines[n] + b * cosines[n];
    }
    for (size_t n = 0; n < count; n++) {
        to[n * step] = x[n];
        to[n * step + apart] = y[n];
    }
    return not_finite(x, count) | not_finite(y, count);
}

bool rope_turn(const struct rope *r, const float *angles, const float *from, float *to,
               size_t width)
{
    size_t pairs = r->dims / 2, k = 0;
    const float *cosines = angles, *sines = angles + pairs;
    uint32_t bad = 0;
    for (; k + LANES <= pairs; k += LANES)
        bad |= r->interleaved
                   ? turn(cosines + k, sines + k, from + 2 * k, to + 2 * k, 2, 1, LANES)
                   : turn(cosines + k, sines + k, from + k, to + k, 1, pairs, LANES);
    for (; k < pairs; k++)
        bad |= r->interleaved
                   ? turn(cosines + k, sines + k, from + 2 * k, to + 2 * k, 2, 1, 1)
                   : turn(cosines + k, sines + k, from + k, to + k, 1, pairs, 1);
    if (to != from)
        memcpy(to + r->dims, from + r->dims, (width - r->dims) * sizeof *to);
    return !bad;
}
