/* approximations.h - `method`: the operator with part of its work left out.
 *
 * Some methods are the exact kernels looking at fewer keys, and honour every other
 * option; the others are kernels of their own and honour little else.
 *
 *     top_k         attention.h     the `keep` largest scores of a row
 *     block_sparse  key_patterns.h  named blocks only       Child et al. 2019
 *     longformer    key_patterns.h  window, global tokens   Beltagy et al. 2020
 *     bigbird       key_patterns.h  window, global, random  Zaheer et al. 2020
 *     linformer     linformer.h     softmax(Q (E K)^T) F V  Wang et al. 2020
 *     nystrom       nystrom.h       landmarks               Xiong et al. 2021
 *     performer     feature_attention.h  random features    Choromanski et al. 2021
 *     linear        feature_attention.h  rule elu           Katharopoulos et al. 2020
 *                   linear_attention.h   the other rules    ONNX LinearAttention
 *
 * A planner calls check once for the request, then prepare, then plan for each
 * sequence. */
#ifndef CORE_APPROXIMATIONS_H
#define CORE_APPROXIMATIONS_H

#include "base/arena.h"
#include "core/attention.h"
#include "core/attention_input.h"
#include "core/attention_shape.h"

/* What a kernel of its own needs to know besides the problem. Borrowed. */
struct attention_method {
    enum method_name name;
    uint64_t seed;

    size_t rank;        /* linformer */
    const float *e, *f; /* linformer: [rank][S] both; NULL: drawn by the seed */

    size_t landmarks; /* nystrom */

    size_t features;      /* performer */
    const float *feature; /* performer: [features][dk] */

    /* linear; each array NULL where the rule has none. */
    enum linear_rule rule;
    const float *decay;  /* [T][decay_width] */
    size_t decay_width;  /* G dk: one a key channel; G: one a key head */
    const float *beta;   /* [T][beta_width] */
    size_t beta_width;   /* G, or 1 for all heads */
    const float *before; /* [G][dk][dv] the initial state; NULL: zeros */
    float *after;        /* [G][dk][dv] the state after the last token: a result */
};

/* As in requests: "exact", "linformer", "nystrom", "performer", "linear", "top_k",
 * "block_sparse", "longformer", "bigbird". */
const char *approximations_name(enum method_name name);

/* Numbers of a row of a map: S, fewer with linformer, 0 where the method has no maps.
 * A decoder makes `maps` MAPS_NONE by default where this is 0. */
size_t approximations_map_columns(const struct method_input *m, size_t S);

/* False (ERROR_INVALID_INPUT) when the request asks for what its method cannot honour,
 * at the option, naming both; or when a parameter is wrong whatever the lengths of the
 * sequences, at "/method/...". */
MUST_USE bool approximations_check(const struct attention_input *input,
                                   const struct attention_shape *shape,
                                   struct error *e);

/* What all sequences of a request share; drawn once, in `arena`. False with `e` set
 * when that is spent. */
struct approximation {
    const struct method_input *asked;
    const float *feature; /* performer: [features][dk] */
};
MUST_USE bool approximations_prepare(const struct attention_input *input,
                                     const struct attention_shape *shape,
                                     struct approximation *out, struct arena *arena,
                                     struct error *e);

/* The kernel for sequence `b`, whose problem `a` is planned: its sizes, views, options
 * and offset stand; results may be set later. Sets a->keep or a->pattern and returns
 * `exact`, or sets a->method and returns the method's own kernel. NULL with `e` set:
 * ERROR_INVALID_INPUT when a parameter does not fit this sequence, at "/method/...",
 * ERROR_TOO_LARGE when a part of the work that nothing can stop would take long,
 * or ERROR_OUT_OF_MEMORY. The state after the last token, when the method has one, is
 * then at a->method->after. */
MUST_USE const struct attention_kernel *approximations_plan(
    const struct approximation *common, size_t b, const struct attention_kernel *exact,
    struct attention *a, struct arena *arena, struct error *e);

/* Floating-point operations of `a` as planned with any method, exact included (a
 * multiply-add counts two): visible pairs by causal, window, key_length and pattern,
 * and hidden ones where maps show them. */
double approximations_flops(const struct attention *a);

/* Pairs of a query and a key of one head that the exact kernels look at. */
double approximations_visible(const struct attention *a);

/* How long that takes, as the number of operations that large products would do
 * meanwhile: within a factor of two of what is measured, for scheduling. */
double approximations_cost(const struct attention *a);

#endif
