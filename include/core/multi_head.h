/* multi_head.h - a whole attention layer as steps of independent tasks.
 *
 * Vaswani et al., "Attention Is All You Need" (2017), section 3.2; grouped
 * heads after Ainslie et al., "GQA" (2023). What is computed is written down in
 * attention.h; here it is validated once and planned:
 *
 *     project    Q, K, V = X wq + bq, C wk + bk, C wv + bv     rows by columns each
 *     join       Q and K turned by rope, K and V put           a block of rows each
 *                behind those of the past
 *     pack       keys laid out for the kernel                  a key head each
 *     attend     scores, softmax, weights V                    tiles
 *     output     heads joined, wo + bo                         rows by columns each
 *     summarise  statistics added up, the error of a method    a head each
 *
 * Tasks of one step share nothing and may run in any order on any thread; a
 * step starts when the one before is complete. Where a task begins and ends
 * depends on the problem alone, so the answer's bits do not depend on how many
 * threads there are, nor on what else is in the batch. */
#ifndef CORE_MULTI_HEAD_H
#define CORE_MULTI_HEAD_H

#include "base/arena.h"
#include "core/attention.h"
#include "core/attention_input.h"

struct multi_head; /* lives in the arena it was planned in */

/* What comes back for one sequence of the batch. NULL where not asked for. P is the
 * past's length, so S counts P keys more than the request sent. */
struct sequence_result {
    size_t T, S;
    const float *output; /* [T][width], or [H][T][dv] when `split_heads` */
    const float *maps;   /* [map_heads][T][map_columns], or [T][map_columns] (mean) */
    const float *lse;    /* [H][T]; -INFINITY for an empty row */
    const float *query;  /* projections, turned by rope: [H][T][dk] */
    const float *key;    /* [G][S - P][dk] */
    const float *value;  /* [G][S - P][dv] */
    size_t map_columns;  /* S; fewer where a method looks at fewer (linformer) */
    const int32_t *top_indices; /* [map_heads][T][top] */
    const float *top_values;
    const float *present_key; /* [G][S][dk]: the past, then the request's own */
    const float *present_value;
    const float *state;   /* of the linear method: [G][dk][dv] after the last token */
    const float *entropy; /* [H][T][2]: in nats, and as a part of ln(visible keys) */
    const struct head_statistics *statistics; /* [H]: means, no longer sums */
    const float *received; /* [H][S]: weight each key received, summed over queries */
    float error_maximum,
        error_mean; /* with `compare`: of the output to the exact one */
};

struct multi_head_result {
    size_t B;
    bool single;      /* answer without a batch axis */
    bool split_heads; /* query came as rank 4: outputs are [H][T][dv] */
    bool mean_map;    /* `maps` are the mean over heads */
    size_t top;       /* maps are given as the `top` largest of each row; 0: whole */
    enum method_name method;
    bool compared;
    size_t H, G, dk, dv, width;
    size_t map_heads;                       /* heads in `maps`; 0: no maps */
    const struct sequence_result *sequence; /* [B] */
};

/* Validates `input` against `limits` and plans it, results included, in
 * `arena`; both must outlive the plan. NULL with `e` set: ERROR_INVALID_INPUT
 * (shapes that do not fit, with a pointer such as "/weights/wk"),
 * ERROR_TOO_LARGE (a limit: its name, the figure, the setting to raise) or
 * ERROR_OUT_OF_MEMORY. */
MUST_USE struct multi_head *multi_head_plan(const struct attention_input *input,
                                            const struct attention_limits *limits,
                                            struct arena *arena, struct error *e);

/* The same with a kernel of one's choice; multi_head_plan() takes attention_tiled. */
MUST_USE struct multi_head *multi_head_plan_with(const struct attention_kernel *kernel,
                                                 const struct attention_input *input,
                                                 const struct attention_limits *limits,
                                                 struct arena *arena, struct error *e);

/* Steps are numbered from 0; a step may have no tasks. */
size_t multi_head_steps(const struct multi_head *m);
size_t multi_head_tasks(const struct multi_head *m, size_t step);

/* Bytes of scratch one running task needs, aligned to ARENA_ALIGNMENT. */
size_t multi_head_scratch_bytes(const struct multi_head *m);

/* Runs one task. Thread-safe for different tasks of one step. False with `e`
 * set (ERROR_INVALID_INPUT) when a number left float32's range. */
MUST_USE bool multi_head_run(struct multi_head *m, size_t step, size_t task,
                             void *scratch, struct error *e);

/* Valid from the plan on; the numbers are there when every step has run. */
const struct multi_head_result *multi_head_result(const struct multi_head *m);

/* Figures for scheduling and metrics: sequences, query tokens, and the
 * floating-point operations of all steps (a multiply-add counts two). */
struct multi_head_work {
    size_t sequences, tokens, longest;
    double flops;
    double cost; /* how long it takes on one thread, as the operations that large
                  * products would do meanwhile: what to schedule by */
    /* Some microseconds in all, without OpenBLAS and with little scratch: may run on a
     * thread that should not be kept. */
    bool small;
};
struct multi_head_work multi_head_work(const struct multi_head *m);

/* All steps, one task after another, on this thread. For tests and the self-test. */
MUST_USE bool multi_head_run_all(struct multi_head *m, struct arena *scratch,
                                 struct error *e);

#endif
