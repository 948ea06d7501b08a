/* attention.h - softmax(scale Q K^T + mask) V for one sequence, all heads.
 *
 *     scores[h,i,j]  = scale * sum_c query[h,i,c] key[h/(H/G),j,c]
 *     biased[h,i,j]  = scores + mask, or -infinity where not allowed
 *     weights[h,i,:] = softmax(biased[h,i,:]), maximum subtracted
 *     out[h,i,:]     = sum_j weights[h,i,j] value[h/(H/G),j,:]
 *     lse[h,i]       = log sum_j exp(biased[h,i,j])
 *
 * Sizes: H query heads, G key and value heads (H a multiple of G), T queries, S
 * keys, dk and dv the widths of a key and of a value; all at least 1. Key j is
 * allowed for query i of head h when the mask allows it and, with `causal`, when
 * j <= i + offset. A row with no allowed key gives weights and output of 0 and an
 * lse of -infinity; it is decided from the mask, never from the scores, and
 * whatever stands in a key or value that is not allowed does not reach the
 * output. Vaswani et al. 2017, section 3.2.1. */
#ifndef CORE_ATTENTION_H
#define CORE_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Rows of several heads: (h, i, c) stands at data[h head_stride + i row_stride + c],
 * so that [T][H d] and [H][T][d] are both views. Borrowed. */
struct heads_view {
    const float *data;
    size_t head_stride, row_stride;
};

/* (h, i, j) stands at h head_stride + i row_stride + j column_stride, where a
 * stride of 0 repeats. Keys from `columns` on are not allowed. At most one of the
 * two arrays is given; neither: everything is allowed. */
struct mask_view {
    const uint8_t *allowed; /* 1: may attend */
    const float *bias;      /* added; -INFINITY: may not attend */
    size_t head_stride, row_stride, column_stride;
    size_t columns;
};

struct attention {
    size_t H, G, T, S, dk, dv;
    struct heads_view query; /* H heads, T rows of dk */
    struct heads_view key;   /* G heads, S rows of dk */
    struct heads_view value; /* G heads, S rows of dv */
    float scale;
    bool causal;
    ptrdiff_t offset; /* where query 0 stands among the keys; may be negative */
    struct mask_view mask;

    /* Results; row i of head h of the output starts at
     * out[h out_head_stride + i out_row_stride]. NULL: not wanted. */
    float *out;
    size_t out_head_stride, out_row_stride;
    float *lse;              /* [H][T] */
    float *mean_map;         /* [T][S]: arithmetic mean of the weights over all heads */
    float *maps;             /* [map_head_count][T][S]: the weights of map_heads */
    const size_t *map_heads; /* each below H, in any order, none twice */
    size_t map_head_count;
};

/* Every kernel computes the same function; they differ in speed. A problem is cut
 * into packs (all before the first tile) and tiles; those of one kind share nothing
 * and may run in any order on any thread. The cuts depend on the problem alone. */
struct attention_kernel {
    const char *name;

    /* Bytes of `packed` that the packs fill and the tiles read; 0: no packs. */
    size_t (*packed_bytes)(const struct attention *a);
    size_t (*packs)(const struct attention *a);
    void (*pack)(const struct attention *a, size_t index, void *packed);

    size_t (*tiles)(const struct attention *a);
    /* Bytes of `scratch` one running tile needs, aligned to 64. */
    size_t (*scratch_bytes)(const struct attention *a);
    /* False when a result of an allowed row is not finite: it left float32's range. */
    bool (*run)(const struct attention *a, const void *packed, size_t tile,
                void *scratch);
};

extern const struct attention_kernel attention_reference; /* slow and obvious */
extern const struct attention_kernel attention_tiled;     /* the fast one */

#endif
