/* attention_input.h - what a caller asks to be computed, as it was received.
 *
 * Every decoder fills this one struct; multi_head_plan() validates it once and
 * cuts it into work. Sizes are those of SEMANTICS: B batches, H query heads, G
 * key/value heads, T queries, S keys, d and dc widths of a token and of a
 * context token, dk and dv widths of one head's key and value. */
#ifndef CORE_ATTENTION_INPUT_H
#define CORE_ATTENTION_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/tensor.h"

/* One sequence or a batch whose lengths may differ, but not the width. */
struct batch {
    size_t count;              /* 0: not given */
    bool single;               /* given as [T][d]: answered without a batch axis */
    const struct tensor *item; /* [count], each of rank 2: [T_b][d] */
};

/* A mask that broadcasts from the right to [B][H][T][S]. */
struct attention_mask {
    enum mask_kind { MASK_NONE, MASK_BOOLEAN, MASK_ADDITIVE } kind;
    const uint8_t *allowed; /* MASK_BOOLEAN: 1 = may attend, 0 = may not */
    const float *bias; /* MASK_ADDITIVE: finite or -INFINITY, added to the scores */
    size_t rank;       /* 1 to 4 */
    size_t extent[TENSOR_MAX_RANK];
};

/* Rows multiply: Q = X wq + bq. Rank 2, the biases rank 1. */
struct attention_weights {
    bool given;
    struct tensor wq, wk, wv;     /* [d][H dk], [dc][G dk], [dc][G dv] */
    struct tensor wo;             /* [H dv][do], optional */
    struct tensor bq, bk, bv, bo; /* [H dk], [G dk], [G dv], [do], each optional */
};

struct attention_input {
    struct batch sequences, context; /* the first form: tokens */
    struct tensor query, key, value; /* the second: projected, rank 2, 3 or 4 */
    struct attention_weights weights;

    size_t heads, kv_heads; /* 0: not given */
    bool scale_given;
    float scale; /* finite */
    bool causal;
    enum align { ALIGN_TOP_LEFT, ALIGN_BOTTOM_RIGHT } align;
    struct attention_mask mask;

    enum map_form { MAPS_HEADS, MAPS_MEAN, MAPS_NONE } maps;
    bool map_heads_given;
    const size_t *map_heads; /* heads to answer, in this order */
    size_t map_head_count;
    bool want_projections, want_lse;
};

/* Ceilings on one request; the settings of the same names. */
struct attention_limits {
    size_t max_batch, max_tokens, max_width, max_heads;
    size_t max_map_numbers; /* in all maps answered, summed over the batch */
    size_t answer_limit;    /* bytes of the answer, predicted */
};

#endif
