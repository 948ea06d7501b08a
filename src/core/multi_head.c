#include "core/multi_head.h"

#include <assert.h>

#include "core/multi_head_plan.h"

size_t multi_head_steps(const struct multi_head *m)
{
    (void)m;
    return STEPS;
}

/* The projections of a step: from `*first` on; how many. */
static size_t projections(size_t step, enum projected *first)
{
    *first = step == STEP_PROJECT ? QUERIES : OUTPUTS;
    return step == STEP_PROJECT ? OUTPUTS : step == STEP_OUTPUT ? 2 : 0;
}

size_t multi_head_tasks(const struct multi_head *m, size_t step)
{
    enum projected first;
    size_t tasks = m->sequence[m->result.B - 1].tasks_until[step];
    for (size_t n = projections(step, &first); n-- > 0;)
        tasks += projection_blocks(&m->projection[first + n]);
    return tasks;
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

/* A task of one of the steps that project. */
static bool project(const struct multi_head *m, size_t step, size_t task, void *scratch,
                    struct error *e)
{
    static const char *const path[] = {"/weights/wq", "/weights/wk", "/weights/wv",
                                       "/weights/wo", "/weights/wo"};
    enum projected which;
    (void)projections(step, &which);
    for (size_t blocks; task >= (blocks = projection_blocks(&m->projection[which]));
         which++)
        task -= blocks;
    return projection_run(&m->projection[which], task, scratch) ||
           error_set(e, ERROR_INVALID_INPUT, path[which],
                     "the product with these weights leaves float32's range");
}

static bool join(const struct sequence_plan *s, size_t task, void *scratch,
                 struct error *e)
{
    const struct joining *sides[] = {&s->query, &s->key, &s->value};
    size_t side = 0;
    for (; side < 2 && task >= joining_blocks(sides[side]); side++)
        task -= joining_blocks(sides[side]);
    return joining_run(sides[side], task, scratch) ||
           error_set(e, ERROR_INVALID_INPUT, "/rope",
                     "turning these numbers leaves float32's range");
}

static bool attend(const struct problem_plan *p, size_t tile, void *scratch,
                   struct error *e)
{
    return p->kernel->run(&p->attention, p->packed, tile, scratch) ||
           error_set(e, ERROR_INVALID_INPUT, "",
                     "the attention of these numbers leaves float32's range");
}

/* Tasks of the problem that was asked for, then of the one to compare with. */
static bool solve(const struct sequence_plan *s, enum step step, size_t task,
                  void *scratch, struct error *e)
{
    const struct problem_plan *p = &s->asked;
    size_t asked = multi_head_problem_tasks(p, step);
    if (task >= asked) {
        task -= asked;
        p = &s->exact;
    }
    if (step == STEP_ATTEND)
        return attend(p, task, scratch, e);
    p->kernel->pack(&p->attention, task, p->packed);
    return true;
}

bool multi_head_run(struct multi_head *m, size_t step, size_t task, void *scratch,
                    struct error *e)
{
    assert(step < STEPS && task < multi_head_tasks(m, step));
    if (step == STEP_PROJECT || step == STEP_OUTPUT)
        return project(m, step, task, scratch, e);

    const struct sequence_plan *s = find(m, step, &task);
    switch ((enum step)step) {
    case STEP_JOIN: return join(s, task, scratch, e);
    case STEP_PACK:
    case STEP_ATTEND: return solve(s, (enum step)step, task, scratch, e);
    case STEP_SUMMARISE: multi_head_summarise(s, task); return true;
    case STEP_PROJECT: /* done above; GCOVR_EXCL_START */
    case STEP_OUTPUT:
    case STEPS: break;
    }
    return false;
    /* GCOVR_EXCL_STOP */
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
