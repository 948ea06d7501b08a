#include "core/transpose.h"

#include <string.h>

enum { SIDE = 4 }; /* every machine has vectors of 4 floats */

typedef float quad __attribute__((vector_size(16)));

static inline quad load(const float *at)
{
    quad x;
    memcpy(&x, at, sizeof x);
    return x;
}

static inline void transpose_block(float *to, size_t to_stride, const float *from,
                                   size_t from_stride)
{
    quad a = load(from), b = load(from + from_stride);
    quad c = load(from + 2 * from_stride), d = load(from + 3 * from_stride);
    quad ac_low = __builtin_shufflevector(a, c, 0, 4, 1, 5);
    quad ac_high = __builtin_shufflevector(a, c, 2, 6, 3, 7);
    quad bd_low = __builtin_shufflevector(b, d, 0, 4, 1, 5);
    quad bd_high = __builtin_shufflevector(b, d, 2, 6, 3, 7);
    const quad rows[SIDE] = {__builtin_shufflevector(ac_low, bd_low, 0, 4, 1, 5),
                             __builtin_shufflevector(ac_low, bd_low, 2, 6, 3, 7),
                             __builtin_shufflevector(ac_high, bd_high, 0, 4, 1, 5),
                             __builtin_shufflevector(ac_high, bd_high, 2, 6, 3, 7)};
    for (size_t r = 0; r < SIDE; r++)
        memcpy(to + r * to_stride, &rows[r], sizeof rows[r]);
}

void transpose(float *to, size_t to_stride, const float *from, size_t from_stride,
               size_t rows, size_t columns)
{
    size_t whole_rows = rows / SIDE * SIDE, whole_columns = columns / SIDE * SIDE;
    for (size_t c = 0; c < whole_columns; c += SIDE)
        for (size_t r = 0; r < whole_rows; r += SIDE)
            transpose_block(to + c * to_stride + r, to_stride,
                            from + r * from_stride + c, from_stride);

    for (size_t c = 0; c < columns; c++)
        for (size_t r = c < whole_columns ? whole_rows : 0; r < rows; r++)
            to[c * to_stride + r] = from[r * from_stride + c];
}
