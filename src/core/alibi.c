#include "core/alibi.h"

#include <math.h>

static float slope(size_t h, size_t H)
{
    return (float)exp2(-8.0 * (double)(h + 1) / (double)H);
}

void alibi_slopes(size_t H, float *slopes)
{
    size_t below = 1; /* the largest power of two up to H */
    while (below <= H / 2)
        below *= 2;

    for (size_t h = 0; h < H; h++)
        slopes[h] = h < below ? slope(h, below) : slope(2 * (h - below), 2 * below);
}
