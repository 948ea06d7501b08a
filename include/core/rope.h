/* rope.h - rotary position embedding: pairs of channels of a query or a key turn by
 * an angle that grows with the token's position (Su et al. 2021).
 *
 *     angle(p, k) = p base^(-2k / dims)                        k < dims / 2
 *     to[x] = from[x] cos angle - from[y] sin angle
 *     to[y] = from[x] sin angle + from[y] cos angle
 *
 * Pair k is (x, y) = (k, k + dims/2) or, interleaved, (2k, 2k + 1). Channels from
 * `dims` on pass as they are. Angles are float64, their cosines and sines float32. */
#ifndef CORE_ROPE_H
#define CORE_ROPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the rows of one sequence turn. The arrays are borrowed. */
struct rope {
    size_t dims; /* even, 2 to the width of a row */
    bool interleaved;
    const double *frequencies;    /* [dims/2]: base^(-2k / dims), or NULL: */
    const float *cosines, *sines; /* [positions][dims/2], as they were given */
    const int64_t *positions;     /* of each row; NULL: first, first + 1 .. */
    int64_t first;
};

/* Fills [dims/2]. `base` above 0. */
void rope_frequencies(double base, size_t dims, double *frequencies);

/* The cosines, [dims/2], and behind them the sines, [dims/2], of row `i`. */
void rope_angles(const struct rope *r, size_t i, float *angles);

/* Turns one row of `width` by these angles; `to` may be `from`. False when a number
 * of it left float32's range. */
bool rope_turn(const struct rope *r, const float *angles, const float *from, float *to,
               size_t width);

#endif
