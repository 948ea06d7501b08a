/* attention.h - softmax(scale Q K^T + mask) V for one sequence, all heads.
 *
 *     scores[h,i,j]  = scale * sum_c query[h,i,c] key[h/(H/G),j,c]
 *     capped[h,i,j]  = softcap > 0 ? softcap tanh(scores / softcap) : scores
 *     biased[h,i,j]  = capped + mask - alibi[h] |i + offset - j|; -infinity where not
 *                      allowed; 0 where allowed and dropped on scores
 *     lse[h,i]       = log sum_j exp(biased[h,i,j])
 *     weights[h,i,j] = exp(biased[h,i,j]) / (sum_j exp(biased[h,i,j]) + exp(sinks[h]));
 *                      then, where dropped on weights, 0, else divided by 1 - rate
 *     out[h,i,:]     = sum_j weights[h,i,j] value[h/(H/G),j,:]
 *
 * Sizes: H query heads, G key and value heads (H a multiple of G), T queries, S
 * keys, dk and dv the widths of a key and of a value; all at least 1. Key j is
 * allowed for query i of head h when
 *
 *     the mask allows it, and j < key_length,
 *     and, with `causal`, j <= i + offset,
 *     and, with a window, i + offset - left <= j <= i + offset + right,
 *     and, with a pattern, one of the ranges of row i holds j,
 *     and, with `keep`, its biased score is among the `keep` largest of the row (of
 *     equal ones the first keys win).
 *
 * A row with no allowed key gives weights and output of 0 and an lse of -infinity; it
 * is decided from what is allowed, never from the scores, and whatever stands in a
 * key or value that is not allowed does not reach the output. Vaswani et al. 2017,
 * section 3.2.1; softcap after Gemma 2 (2024), ALiBi after Press et al. 2022, sinks
 * after Xiao et al. 2024. */
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

/* Keys besides the own one; the own one of query i is i + offset. */
struct window_view {
    bool left_given, right_given; /* a side that is not given is unlimited */
    size_t left, right;
};

/* Which cells are dropped depends on the seed, `batch` and the cell's h, i and j
 * alone (see dropout.h), so neither on tiles nor on threads. */
struct dropout_view {
    float rate; /* 0 to below 1; 0: none */
    bool on_scores;
    uint64_t seed;
    size_t batch;
};

/* For each query row the keys it may see: row i has ranges[first[i]] to
 * ranges[first[i + 1] - 1], ascending and disjoint. Keys outside cost nothing. */
struct key_range {
    uint32_t from, to; /* to: one beyond */
};
struct key_pattern {
    const uint32_t *first; /* [T + 1] */
    const struct key_range *ranges;
};

/* What the maps show; also of cells that are not allowed: their scores and capped
 * scores as computed, as biased -infinity, as weights 0. */
enum map_stage {
    MAP_STAGE_WEIGHTS,
    MAP_STAGE_SCORES,
    MAP_STAGE_CAPPED,
    MAP_STAGE_BIASED
};

/* Figures about the final weights, for each head: sums over its rows that have an
 * allowed key, so that a mean is a division. */
struct head_statistics {
    double rows;                       /* how many that is */
    double entropy;                    /* -sum p ln p */
    double maximum;                    /* of the largest weights */
    double distance;                   /* sum p |i + offset - j| */
    double first, own, previous, next; /* p of key 0, i + offset, one less, one more */
};

struct attention_method;

struct attention {
    size_t H, G, T, S, dk, dv;
    struct heads_view query; /* H heads, T rows of dk */
    struct heads_view key;   /* G heads, S rows of dk */
    struct heads_view value; /* G heads, S rows of dv */
    float scale;
    float softcap; /* 0: none */
    bool causal;
    ptrdiff_t offset;  /* where query 0 stands among the keys; may be negative */
    size_t key_length; /* keys from here on are padding; S: none are */
    struct window_view window;
    struct mask_view mask;
    const float *alibi; /* [H] slopes, or NULL */
    const float *sinks; /* [H] logits, or NULL */
    struct dropout_view dropout;
    const struct key_pattern *pattern;     /* NULL: all keys */
    size_t keep;                           /* 0: all allowed keys */
    const struct attention_method *method; /* of a kernel that approximates: see
                                            * approximations.h; others ignore it */
    size_t near_bytes; /* of second-level cache for each thread; 0: not known. Decides
                        * where tiles begin and end, but no bit of a result */

    /* Results; row i of head h of the output starts at
     * out[h out_head_stride + i out_row_stride]. NULL: not wanted. */
    float *out;
    size_t out_head_stride, out_row_stride;
    float *lse;               /* [H][T] */
    enum map_stage map_stage; /* of mean_map, maps and top_* */
    float *mean_map;          /* [T][S]: arithmetic mean of the maps of all heads */
    float *maps;              /* [map_head_count][T][S]: the maps of map_heads */
    const size_t *map_heads;  /* each below H, in any order, none twice */
    size_t map_head_count;
    /* The `top` largest cells of each row of the maps of map_heads, the largest
     * first, of equal ones the first key first; [map_head_count][T][top]. Both or
     * neither; with or without `maps`. */
    size_t top; /* 1 to S */
    int32_t *top_indices;
    float *top_values;
    float *entropy; /* [H][T][2]: of the row's weights in nats, and that divided by
                     * ln(allowed keys of the row), or 0 where this is not above 0 */
    /* Sums over a part of the rows each, because no two tiles write to one place:
     * see row_parts, and head_statistics_sum() in figures.h. */
    struct head_statistics *statistics; /* [H][row_parts] */
    float *received; /* [H][row_parts][S]: weight each key received */
};

/* Every kernel computes the same function; they differ in speed. A problem is cut
 * into packs (all before the first tile) and tiles; those of one kind share nothing
 * and may run in any order on any thread. The cuts depend on the problem alone. */
struct attention_kernel {
    const char *name;

    /* Bytes of `packed` that the packs fill and the tiles read; 0: no packs. */
    size_t (*packed_bytes)(const struct attention *a);
    size_t (*packs)(const struct attention *a);
    void (*pack)(const struct attention *a, size_t index, void *packed); /* or NULL */

    size_t (*tiles)(const struct attention *a);
    /* Parts that `statistics` and `received` of one head come in. */
    size_t (*row_parts)(const struct attention *a);
    /* Bytes of `scratch` one running tile needs, aligned to 64. */
    size_t (*scratch_bytes)(const struct attention *a);
    /* False when something left float32's range: without softcap a score of an allowed
     * cell (with it an infinite one is +-softcap, a NaN is refused), a biased one, or
     * any result but the infinities named above, those of empty rows and hidden cells.
     */
    bool (*run)(const struct attention *a, const void *packed, size_t tile,
                void *scratch);
};

/* Of a kernel that has no packs, or no parts of rows. */
static inline size_t attention_nothing(const struct attention *a)
{
    (void)a;
    return 0;
}

extern const struct attention_kernel attention_reference; /* slow and obvious */
extern const struct attention_kernel attention_tiled;     /* the fast one */

#endif
