#include <math.h>

#include "core/feature_attention.h"
#include "core/random.h"

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t c = 0; c < n; c++)
        sum += x[c] * y[c];
    return sum;
}

/* Draws a row; returns its length. */
static double draw(double *row, size_t dk, uint64_t stream)
{
    for (size_t c = 0; c < dk; c++)
        row[c] = random_normal(stream, c);
    return sqrt(dot(row, row, dk));
}

/* Makes row n of `block` orthogonal to the rows before it, and of length 1. Once would
 * leave what rounding makes of nearly parallel rows. */
static void straighten(double *block, size_t n, size_t dk)
{
    double *row = block + n * dk;
    for (int pass = 0; pass < 2; pass++)
        for (size_t r = 0; r < n; r++) {
            double along = dot(row, block + r * dk, dk);
            for (size_t c = 0; c < dk; c++)
                row[c] -= along * block[r * dk + c];
        }
    double length = sqrt(dot(row, row, dk));
    for (size_t c = 0; c < dk; c++)
        row[c] /= length;
}

const float *feature_attention_draw(size_t features, size_t dk, uint64_t seed,
                                    struct arena *arena, struct error *e)
{
    size_t rows = dk < FEATURE_BLOCK ? dk : FEATURE_BLOCK;
    float *feature = arena_alloc(arena, features, dk * sizeof *feature, e);
    double *block = arena_alloc(arena, rows + 1, dk * sizeof *block, e);
    if (!feature || !block)
        return NULL;

    double *other = block + rows * dk;
    for (size_t r = 0; r < features; r++) {
        double *row = block + r % rows * dk;
        draw(row, dk, random_stream(seed, 2 * r));
        straighten(block, r % rows, dk);
        double length = draw(other, dk, random_stream(seed, 2 * r + 1));
        for (size_t c = 0; c < dk; c++)
            feature[r * dk + c] = (float)(length * row[c]);
    }
    return feature;
}
