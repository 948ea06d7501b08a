#include "core/rope.h"

#include <math.h>
#include <string.h>

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

bool rope_turn(const struct rope *r, const float *angles, const float *from, float *to,
               size_t width)
{
    size_t pairs = r->dims / 2;
    size_t step = r->interleaved ? 2 : 1, apart = r->interleaved ? 1 : pairs;
    const float *cosines = angles, *sines = angles + pairs;
    bool finite = true;
    for (size_t k = 0; k < pairs; k++) {
        size_t x = k * step, y = x + apart;
        float a = from[x] * cosines[k] - from[y] * sines[k];
        float b = from[x] * sines[k] + from[y] * cosines[k];
        finite = finite && isfinite(a) && isfinite(b);
        to[x] = a;
        to[y] = b;
    }
    if (to != from)
        memcpy(to + r->dims, from + r->dims, (width - r->dims) * sizeof *to);
    return finite;
}
