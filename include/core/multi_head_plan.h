/* multi_head_plan.h - a plan laid open, for the two sources of multi_head.h: one
 * builds it, the other runs it. Nobody else includes this. */
#ifndef CORE_MULTI_HEAD_PLAN_H
#define CORE_MULTI_HEAD_PLAN_H

#include "core/attention_shape.h"
#include "core/multi_head.h"
#include "core/projection.h"

enum step { STEP_PROJECT, STEP_PACK, STEP_ATTEND, STEP_OUTPUT, STEPS };

struct sequence_plan {
    struct projection query, key, value; /* no blocks: the input is used in place */
    struct attention attention;
    void *packed;
    struct projection output; /* no blocks: the attention's output is the answer */

    /* Tasks of each step in this sequence and all before it. */
    size_t tasks_until[STEPS];
};

struct multi_head {
    const struct attention_kernel *kernel;
    struct sequence_plan *sequence; /* [B] */
    size_t scratch_bytes;
    struct multi_head_result result;
    struct multi_head_work work;
};

#endif
