/* softmax_rows.h - softmax over short rows, without options: what the approximations
 * are made of.
 *
 *     logits[i,j]  = factor sum_c a[i,c] b[j,c] + bias[j]
 *     lse[i]       = log sum_j exp(logits[i,j])
 *     weights[i,j] = exp(logits[i,j] - lse[i])
 *     out[i,:]     = sum_j weights[i,j] v[j,:]
 *
 * By OpenBLAS on the calling thread; the bits depend on the sizes. Needs blas_init()
 * to have been called. */
#ifndef CORE_SOFTMAX_ROWS_H
#define CORE_SOFTMAX_ROWS_H

#include <stdbool.h>
#include <stddef.h>

struct softmax_rows {
    size_t rows, columns, depth, width; /* each at least 1 */
    const float *a;                     /* [rows][depth], rows a_stride apart */
    const float *b;                     /* [columns][depth] */
    const float *v;                     /* [columns][width] */
    size_t a_stride, b_stride, v_stride;
    float factor;
    const float *bias; /* [columns], or NULL */

    float *weights; /* [rows][vector_padded(columns)], aligned to 64; room for the
                     * logits first */
    float *out;     /* [rows][width], rows out_stride apart */
    size_t out_stride;
    float *lse; /* [rows], or NULL */
};

/* Fills `weights` with the logits. */
void softmax_rows_logits(const struct softmax_rows *s);

/* From logits to lse and weights; a, b and bias are not looked at. A row with an
 * infinite or strange logit becomes NaN. */
void softmax_rows_normalise(const struct softmax_rows *s);

/* The same, then out. False when a number of it is not finite. */
bool softmax_rows_finish(const struct softmax_rows *s);

#endif
