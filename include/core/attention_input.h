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

#include "core/attention.h"
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

/* Rotary position embedding of Q and K (Su et al. 2021). The angle of pair k at
 * position p is p base^(-2k/dims), or cosines and sines are given as tables, as the
 * ONNX operator has them. */
struct rope_input {
    bool given;
    double base;                  /* above 0 */
    size_t dims;                  /* channels that turn, even, at most dk; 0: all */
    bool interleaved;             /* pairs (2k, 2k + 1), else (k, k + dims/2) */
    struct tensor cosines, sines; /* [positions][dims/2] both, or rank 0 */
    /* Positions of the queries; of the keys, too, where a sequence attends to itself.
     * Keys of a context stand at the past's length + 0, 1, .. */
    int64_t offset; /* of the first query: default the past's length */
    bool offset_given;
    const int64_t
        *positions; /* [T] or, row by row, [B][T]; NULL: offset, offset + 1 .. */
    size_t position_rank, position_extent[2];
};

/* Keys and values of earlier tokens, before those of the request: rank 4
 * [B][G][P][dk], or rank 3 [G][P][dk] for a single sequence. Projected and turned
 * already. */
struct past_input {
    bool given;
    struct tensor key, value;
};

struct dropout_input {
    float rate; /* 0: none */
    uint64_t seed;
    bool on_scores;
};

/* How the operator is approximated; see approximations.h for each. */
struct method_input {
    enum method_name {
        METHOD_EXACT,
        METHOD_LINFORMER,
        METHOD_NYSTROM,
        METHOD_PERFORMER,
        METHOD_LINEAR,
        METHOD_TOP_K,
        METHOD_BLOCK_SPARSE,
        METHOD_LONGFORMER,
        METHOD_BIGBIRD
    } name;
    bool compare;       /* also compute the exact answer, and report the error */
    size_t rank;        /* linformer: rows of e and f when they are drawn */
    uint64_t seed;      /* linformer, performer, bigbird */
    struct tensor e, f; /* linformer: [k][S], or rank 0 */
    size_t landmarks;   /* nystrom */
    size_t features;    /* performer */
    enum linear_rule {
        RULE_ELU,
        RULE_LINEAR,
        RULE_GATED,
        RULE_DELTA,
        RULE_GATED_DELTA
    } rule;                           /* linear */
    struct tensor decay, beta, state; /* linear: gates, rates and the initial state */
    size_t k;                         /* top_k */
    size_t block; /* block_sparse, bigbird: keys and queries a block */
    const size_t *layout_rows, *layout_columns; /* block_sparse: CSR */
    size_t layout_row_count, layout_column_count;
    size_t window;        /* longformer: keys to each side */
    const size_t *global; /* longformer: tokens that see and are seen by all */
    size_t global_count;  /* bigbird: first blocks that are global */
    size_t random;        /* bigbird: random blocks a row */
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
    struct window_view window;
    struct attention_mask mask;
    const size_t *key_lengths; /* [B], each at most its sequence's S; NULL: not given */
    size_t key_length_count;
    float softcap;              /* 0: none */
    bool alibi;                 /* with the standard slopes, unless given: */
    struct tensor alibi_slopes; /* [H], or rank 0 */
    struct rope_input rope;
    struct tensor sinks; /* [H], or rank 0 */
    struct past_input past;
    struct dropout_input dropout;
    struct method_input method;

    enum map_form { MAPS_HEADS, MAPS_MEAN, MAPS_NONE, MAPS_TOP_K } maps;
    size_t top_k; /* with MAPS_TOP_K, at least 1 */
    enum map_stage map_stage;
    bool map_heads_given;
    const size_t *map_heads; /* heads to answer, in this order */
    size_t map_head_count;
    bool want_projections, want_lse, want_present, want_entropy, want_statistics;
};

/* Ceilings on one request; the settings of the same names. */
struct attention_limits {
    size_t max_batch, max_tokens, max_width, max_heads;
    size_t max_map_numbers; /* in all maps answered, summed over the batch */
    size_t answer_limit;    /* bytes of the answer, predicted */
    size_t json_depth;      /* of its text; at most JSON_MOST_DEPTH, 0: JSON_DEPTH */
    size_t near_bytes;      /* no limit, but what there is: see attention.h */
};

#endif
