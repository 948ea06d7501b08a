/* attention_case.h - random attention problems and their answers in float64. */
#ifndef TESTS_SUPPORT_ATTENTION_CASE_H
#define TESTS_SUPPORT_ATTENTION_CASE_H

#include "core/attention.h"
#include "support/test.h"

/* A problem that owns its arrays, each of exactly the size it needs, so that an
 * address sanitizer sees every step outside. */
struct attention_case {
    struct attention a; /* its inputs and outputs point to the arrays below */
    size_t query_count, key_count, value_count, mask_count, out_count;
    float *query, *key, *value, *bias;
    uint8_t *allowed;
    size_t *map_heads;
    float *alibi, *sinks;
    uint32_t *range_first;
    struct key_range *ranges;
    struct key_pattern pattern;
    float *out, *lse, *mean_map, *maps, *entropy, *top_values, *received;
    int32_t *top_indices;
    struct head_statistics *statistics;
    bool want_statistics, want_received;
    size_t parts; /* of statistics and received, in the last run */

    /* The answer: [H][T][dv], [H][T], [H][T][S], the same at map_stage, [H][T]. */
    double *true_out, *true_lse, *true_weights, *true_map;
    size_t *visible;
};

enum attention_case_layout {
    HEADS_OUTSIDE, /* [H][T][d] */
    HEADS_INSIDE,  /* [T][H d] */
    HEADS_APART    /* [H][T][d] with a gap behind every row */
};

/* Sizes, layouts, mask and results at random; at most `work` multiply-adds. */
struct attention_case *attention_case_random(struct test_random *r, double work);

/* Adds options of attention.h, each by so many percent. */
void attention_case_options(struct attention_case *c, struct test_random *r,
                            size_t percent);

/* No mask, not causal, outputs, lse and maps wanted: H = G heads of width d. */
struct attention_case *attention_case_plain(struct test_random *r, size_t heads,
                                            size_t T, size_t S, size_t d,
                                            enum attention_case_layout layout);

/* Gives the case a mask [H][T][S] that allows everything, of one kind. */
void attention_case_allow_all(struct attention_case *c, bool additive);

void attention_case_delete(struct attention_case *c);

/* Fills the answer by the formulas, in float64; shares nothing with src/. */
void attention_case_solve(struct attention_case *c);

/* Packs and tiles in a random order, each tile with a scratch full of NaN; results
 * start as NaN. False when a tile said so. */
bool attention_case_run(struct attention_case *c, const struct attention_kernel *kernel,
                        struct test_random *order);

/* Fails unless results are near the true ones and nothing else was written. */
void attention_case_check(const struct attention_case *c, const char *what);

/* Solves the case, runs it by each kernel, checks it and deletes it. */
void attention_case_agrees(struct attention_case *c,
                           const struct attention_kernel *const *kernels, size_t count,
                           struct test_random *order);

/* Element (h, i, e) of the output. */
float attention_case_out(const struct attention_case *c, size_t h, size_t i, size_t e);

#endif
