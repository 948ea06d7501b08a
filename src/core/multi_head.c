#include "core/multi_head.h"

#include <assert.h>

#include "core/multi_head_plan.h"

size_t multi_head_steps(const struct multi_head *m)
{
    (void)m;
    return STEPS;
}

size_t multi_head_tasks(const struct multi_head *m, size_t step)
{
    return m->sequence[m->result.B - 1].tasks_until[step];
}

size_t multi_head_scratch_bytes(const struct multi_head *m)
{
    return m->scratch_bytes;
}

const struct multi_head_result *multi_head_result(const struct multi_head *m)
{
    return &m->result;
}

struct multi_head_work multi_head_work(const struct multi_head *m)
{
    return m->work;
}

/* The sequence that `*task` of `step` belongs to; `*task` becomes its number there. */
static const struct sequence_plan *find(const struct multi_head *m, size_t step,
                                        size_t *task)
{
    size_t low = 0, high = m->result.B - 1; /* the first one whose tasks end after it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->sequence[middle].tasks_until[step] > *task)
            high = middle;
        else
            low = middle + 1;
    }
    *task -= low ? m->sequence[low - 1].tasks_until[step] : 0;
    return &m->sequence[low];
}

static bool run_projection(const struct projection *p, size_t block, void *scratch,
                           const char *path, struct error *e)
{
    return projection_run(p, block, scratch) ||
           error_set(e, ERROR_INVALID_INPUT, path,
                     "the product with these weights leaves float32's range");
}

static bool project(const struct sequence_plan *s, size_t task, void *scratch,
                    struct error *e)
{
    size_t query = projection_blocks(&s->query), key = projection_blocks(&s->key);
    if (task < query)
        return run_projection(&s->query, task, scratch, "/weights/wq", e);
    task -= query;
    if (task < key)
        return run_projection(&s->key, task, scratch, "/weights/wk", e);
    return run_projection(&s->value, task - key, scratch, "/weights/wv", e);
}

bool multi_head_run(struct multi_head *m, size_t step, size_t task, void *scratch,
                    struct error *e)
{
    assert(step < STEPS && task < multi_head_tasks(m, step));
    const struct sequence_plan *s = find(m, step, &task);
    switch ((enum step)step) {
    case STEP_PROJECT: return project(s, task, scratch, e);
    case STEP_PACK: m->kernel->pack(&s->attention, task, s->packed); return true;
    case STEP_ATTEND:
        return m->kernel->run(&s->attention, s->packed, task, scratch) ||
               error_set(e, ERROR_INVALID_INPUT, "",
                         "the attention of these numbers leaves float32's range");
    case STEP_OUTPUT:
        return run_projection(&s->output, task, scratch, "/weights/wo", e);
    case STEPS: break;
    }
    return false;
}

bool multi_head_run_all(struct multi_head *m, struct arena *scratch, struct error *e)
{
    void *room = arena_alloc(scratch, m->scratch_bytes, 1, e);
    if (!room)
        return false;

    for (size_t step = 0; step < STEPS; step++)
        for (size_t task = 0; task < multi_head_tasks(m, step); task++)
            if (!multi_head_run(m, step, task, room, e))
                return false;
    return true;
}
