/* multi_head_plan.h - a plan laid open, for the sources of multi_head.h: some build it,
 * one runs it. Nobody else includes this. */
#ifndef CORE_MULTI_HEAD_PLAN_H
#define CORE_MULTI_HEAD_PLAN_H

#include "core/approximations.h"
#include "core/attention_shape.h"
#include "core/joining.h"
#include "core/multi_head.h"
#include "core/projection.h"

enum step {
    STEP_PROJECT,
    STEP_JOIN,
    STEP_PACK,
    STEP_ATTEND,
    STEP_OUTPUT,
    STEP_SUMMARISE,
    STEPS
};

/* A problem and who solves it. */
struct problem_plan {
    const struct attention_kernel *kernel; /* NULL: there is no such problem */
    struct attention attention;
    void *packed;
    const float *answer; /* the attention's output, or what is projected of it */
    double cost;         /* see approximations_cost() */
};

struct sequence_plan {
    /* Q, K and V on their way from the projection to the kernel. Without blocks what
     * was there before is used in place. */
    struct joining query, key, value;
    struct problem_plan asked, exact; /* exact: what the answer is compared with */
    size_t width;                     /* numbers of a token in both answers */

    /* What the last step fills; the two arrays are NULL where they were not asked for.
     */
    struct sequence_result *result;
    struct head_statistics *statistics; /* [H] */
    float *received;                    /* [H][S] */

    /* Tasks of each step in this sequence and all before it; of the two that project,
     * which all sequences do together, none. */
    size_t tasks_until[STEPS];
};

/* What is projected, of all sequences; not all of it in every request. */
enum projected { QUERIES, KEYS, VALUES, OUTPUTS, EXACT_OUTPUTS, PROJECTIONS };

struct multi_head {
    struct projection projection[PROJECTIONS];
    struct sequence_plan *sequence; /* [B] */
    size_t scratch_bytes;
    struct multi_head_result result;
    struct multi_head_work work;
};

/* What all sequences of a plan have in common while it is built. */
struct planner {
    const struct attention_input *input;
    const struct attention_shape *shape;
    const struct attention_kernel *kernel; /* the exact one */
    struct multi_head *plan;
    struct arena *arena;
    size_t P;                    /* of the past */
    size_t near_bytes;           /* see attention.h */
    const double *frequencies;   /* of rope, unless it has tables */
    const float *slopes, *sinks; /* [H] both, or NULL */
    const size_t *heads;         /* [H]: all of them, in order */
    struct approximation common;
};

/* Room for a b c numbers; NULL with `e` set when there is none. */
MUST_USE float *multi_head_numbers(struct arena *arena, size_t a, size_t b, size_t c,
                                   struct error *e);

/* Plans how Q, K and V of sequence `b` get to be, and where the attention finds them.
 */
MUST_USE bool multi_head_plan_sides(struct planner *p, size_t b,
                                    struct sequence_plan *s, struct error *e);

/* Plans the attention that was asked for, and the exact one it is compared with. Wants
 * the sides to be planned. */
MUST_USE bool multi_head_plan_problems(struct planner *p, size_t b,
                                       struct sequence_plan *s, struct error *e);

/* Of one of the steps pack and attend. */
size_t multi_head_problem_tasks(const struct problem_plan *problem, enum step step);

/* Statistics of one head, or behind the last head, when it is asked for, the distance
 * of the answer to the exact one; when all else has run. */
size_t multi_head_summaries(const struct sequence_plan *s);
void multi_head_summarise(const struct sequence_plan *s, size_t task);

#endif
