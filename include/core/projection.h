/* projection.h - rows times a matrix, plus a bias, split into heads:
 *
 *     out[h,i,c] = sum_k x[i,k] w[k, h width + c] + bias[h width + c]
 *
 * One of Q, K and V of one sequence or, with a single head, its output. It is cut
 * into blocks of rows that share nothing and may run in any order on any thread.
 * The bits of a row depend on how many rows OpenBLAS multiplies at once, so the
 * cut depends on `rows` alone: the same sequence gives the same bytes whatever
 * else is in the batch. */
#ifndef CORE_PROJECTION_H
#define CORE_PROJECTION_H

#include <stdbool.h>
#include <stddef.h>

struct projection {
    size_t rows, in, heads, width; /* each at least 1 */
    const float *x;                /* [rows][in] */
    const float *w;    /* [in][heads width]; NULL: in = heads width, x is only split */
    const float *bias; /* [heads width], or NULL */
    float *out;        /* [heads][rows][width]; NULL: nothing to do, no blocks */
};

/* A product so small that it is multiplied by plain loops: calling OpenBLAS would cost
 * more, and needs a buffer of its own for each thread that calls at the same time. */
bool projection_is_small(const struct projection *p);

size_t projection_blocks(const struct projection *p);

/* Bytes of scratch one running block needs, aligned to 64; may be 0. */
size_t projection_scratch_bytes(const struct projection *p);

/* Computes one block. False when a number of it left float32's range. Needs
 * blas_init() to have been called. */
bool projection_run(const struct projection *p, size_t block, void *scratch);

/* The whole of it with sums in float64: slow and obvious, what projection_run() is
 * tested against. */
bool projection_reference(const struct projection *p);

#endif
