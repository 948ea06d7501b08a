/* vector_kernels.h - the inner loops of the fast attention, once per instruction set.
 *
 * The source is one, src/core/vector_template.h, in GNU C vectors; it is compiled
 * for several register files, because the best register tile differs between them
 * (which is also why target_clones would not do), and the best set that the CPU has
 * is chosen while running. Results differ between sets by rounding, never between
 * two runs of one set.
 *
 * "Padded" numbers are a multiple of VECTOR_PAD floats, aligned to 64 bytes. */
#ifndef CORE_VECTOR_KERNELS_H
#define CORE_VECTOR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TILE_ROWS = 6,   /* rows of one register tile */
    TILE_WIDTH = 64, /* most columns of one register tile */
    VECTOR_PAD = 16
};

static inline size_t vector_padded(size_t n)
{
    return (n + VECTOR_PAD - 1) / VECTOR_PAD * VECTOR_PAD;
}

struct bounds {
    size_t from, to; /* to: one beyond; not below from */
};

/* c[6][width] = factor a[6][depth] b[depth][width], or added to what c holds. */
struct tile_product {
    const float *a; /* row i at a + i a_stride */
    size_t a_stride;
    const float *b; /* row k at b + k b_stride */
    size_t b_stride;
    size_t width; /* a multiple of VECTOR_PAD, at most TILE_WIDTH */
    size_t depth;
    float factor;
    bool add;
    float *c; /* row i at c + i c_stride */
    size_t c_stride;
    const float *next; /* `depth` cache lines from here, which need not exist, are
                        * brought near meanwhile */
};

struct vector_kernels {
    const char *name;

    void (*multiply)(const struct tile_product *p);

    /* to[i][c] = from[i][c], and 0 up to to_stride, which is padded. */
    void (*pack_rows)(float *to, size_t to_stride, const float *from,
                      size_t from_stride, size_t rows, size_t columns);
    /* to[c][i] = from[i][c], and 0 up to to_stride. At least one row. */
    void (*pack_columns)(float *to, size_t to_stride, const float *from,
                         size_t from_stride, size_t rows, size_t columns);

    /* In all of these a score of -INFINITY that counts becomes a NaN: it may be a sum
     * that left float32's range on its way, and must be seen to have done so. */

    /* x[j] += bias[j], or x[j] = -INFINITY where bias[j] is that.
     * Both return whether any x may still count. Any n. */
    bool (*add_bias)(float *x, const float *bias, size_t n);
    /* x[j] = -INFINITY where allowed[j] is 0. */
    bool (*hide)(float *x, const uint8_t *allowed, size_t n);
    /* All count. n padded. */
    void (*expose)(float *x, size_t n);

    /* x[j] -= slope |distance + j|. Any n; distances are whole and below 2^24. */
    void (*add_slope)(float *x, size_t n, float slope, float distance);

    /* x[j] = softcap tanh(x[j] / softcap), with a relative error of at most 2^-21;
     * infinities become +-softcap, a NaN stays one. n padded. */
    void (*cap)(float *x, size_t n, float softcap);

    /* Largest of n padded numbers; -INFINITY for none. NaNs are passed over. */
    float (*maximum)(const float *x, size_t n);

    /* x[j] = exp(x[j] - max); returns their sum. n padded; max finite and no x above
     * it. The relative error of one is at most 2^-22 + (max - x[j]) 2^-23; what would
     * be below 2^-125 is 0, and so is exp(-INFINITY). A NaN stays one. Meanwhile the n
     * numbers from `next` on, which need not exist, are brought near. */
    float (*exponentials)(float *x, size_t n, float max, const float *next);

    /* Up to TILE_ROWS rows at once, row i of n padded numbers at x + i stride. The
     * largest and the least of those of row i in [kept[i].from, kept[i].to), which end
     * at n; the others become -INFINITY. -INFINITY and INFINITY for none; NaNs are
     * passed over. */
    void (*bound_rows)(float *x, size_t stride, size_t rows, size_t n,
                       const struct bounds *kept, float *largest, float *least);
    /* As exponentials(), with a maximum and a sum for each row. */
    void (*exponential_rows)(float *x, size_t stride, size_t rows, size_t n,
                             const float *max, float *sum);

    /* to[j] = factor from[j]; returns whether all are finite. Any n. */
    bool (*scale)(float *to, const float *from, size_t n, float factor);
    /* The same for rows of n numbers, row i by factor[i]; where that is 0, row i
     * becomes 0, whatever `from` is. */
    bool (*scale_rows)(float *to, size_t to_stride, const float *from,
                       size_t from_stride, size_t rows, size_t n, const float *factor);
    /* to[j] += factor from[j]. Any n. */
    void (*add_scaled)(float *to, const float *from, size_t n, float factor);
};

/* The sets this CPU can run, best first; NULL from the last on. */
const struct vector_kernels *vector_kernels_choice(size_t n);

extern const struct vector_kernels vector_kernels_avx512; /* x86-64 only, these two */
extern const struct vector_kernels vector_kernels_avx2;
extern const struct vector_kernels vector_kernels_plain;

#endif
