/* projection.h - rows times a matrix, plus a bias, split into heads:
 *
 *     out[h,i,c] = sum_k x[i,k] w[k, h width + c] + bias[h width + c]
 *
 * One of Q, K and V of all sequences of a batch or, with a single head, their
 * output. The rows of all sequences are one matrix, so that what is done once for the
 * weights is done once, and short sequences fill register tiles together. It is cut
 * into blocks, rows by columns, that share nothing and may run in any order on any
 * thread. Products are by the register tiles of vector_kernels.h, in which no row
 * depends on another: the bits of a row are the same whatever else is in the batch and
 * however it is cut. */
#ifndef CORE_PROJECTION_H
#define CORE_PROJECTION_H

#include <stdbool.h>
#include <stddef.h>

/* The rows of one sequence. */
struct projection_rows {
    size_t count;   /* at least 1 */
    const float *x; /* [count][in] */
    float *out;     /* [heads][count][width] */
    size_t until;   /* rows of this sequence and of all before it */
};

/* How it is divided into blocks. */
struct projection_cut {
    size_t rows, panels; /* of a block, the last ones may be smaller */
    size_t across;       /* blocks beside one another: the same rows */
    size_t blocks;
};

struct projection {
    size_t in, heads, width; /* each at least 1 */
    const float *w;    /* [in][heads width]; NULL: in = heads width, x is only split */
    const float *bias; /* [heads width], or NULL */
    size_t count;      /* sequences; 0: nothing to do, no blocks */
    struct projection_rows *rows; /* [count] */
    struct projection_cut cut;    /* by projection_add() */
};

/* Adds a sequence behind the others; there is room for it, and sizes and matrices stay
 * as they are from now on. */
void projection_add(struct projection *p, size_t count, const float *x, float *out);

size_t projection_blocks(const struct projection *p);

/* Bytes of scratch one running block needs, aligned to 64; may be 0. */
size_t projection_scratch_bytes(const struct projection *p);

/* Computes one block. False when a number of it left float32's range. */
bool projection_run(const struct projection *p, size_t block, void *scratch);

/* Floating-point operations of all blocks; a multiply-add counts two. */
double projection_flops(const struct projection *p);

/* The whole of it with sums in float64: slow and obvious, what projection_run() is
 * tested against. */
bool projection_reference(const struct projection *p);

#endif
