#include "service/job_order.h"

void job_order_init(struct job_order *o)
{
    *o = (struct job_order){.arrivals = 0};
    for (size_t line = 0; line < LINE_COUNT; line++)
        for (size_t size_class = 0; size_class < JOB_CLASSES; size_class++)
            job_list_init(&o->line[line][size_class]);
}

enum job_length job_length_of(uint64_t cost)
{
    return cost <= SHORT_JOB_COST ? LENGTH_SHORT : LENGTH_LONG;
}

static size_t class_of(uint64_t cost)
{
    size_t size_class = 0;
    uint64_t most = SHORT_JOB_COST >> (2 * (SHORT_CLASSES - 1));
    for (; size_class < JOB_CLASSES - 1 && cost > most; most *= 4)
        size_class++;
    return size_class;
}

void job_order_push(struct job_order *o, enum job_line line, struct job *job)
{
    job->arrival = o->arrivals++;
    job_list_push(&o->line[line][class_of(job->counted)], job);
    o->length[line]++;
}

struct candidate {
    enum job_line line;
    size_t size_class;
    const struct job *job; /* NULL: none yet */
};

static bool is_older(const struct job *job, const struct candidate *than)
{
    return !than->job || job->arrival < than->job->arrival;
}

struct job *job_order_pop(struct job_order *o, const bool may_start[LENGTH_COUNT],
                          enum job_line *from)
{
    struct candidate smallest = {.job = NULL}, oldest = {.job = NULL};
    for (size_t size_class = 0; size_class < JOB_CLASSES; size_class++)
        for (enum job_line line = 0; line < LINE_COUNT; line++) {
            const struct job *job = o->line[line][size_class].head;
            if (!job ||
                (line == LINE_WAITING && !may_start[job_length_of(job->counted)]))
                continue;
            const struct candidate here = {line, size_class, job};
            if (!smallest.job ||
                (size_class == smallest.size_class && is_older(job, &smallest)))
                smallest = here;
            if (is_older(job, &oldest))
                oldest = here;
        }
    if (!oldest.job)
        return NULL;

    const struct candidate *next = o->passed < PASSED_AT_MOST ? &smallest : &oldest;
    o->passed = next->job == oldest.job ? 0 : o->passed + 1;
    o->length[next->line]--;
    *from = next->line;
    return job_list_pop(&o->line[next->line][next->size_class]);
}

void job_order_sift(struct job_order *o, bool (*leaves)(struct job *job, void *context),
                    void *context, struct job_list *to)
{
    size_t before = to->length;
    for (size_t size_class = 0; size_class < JOB_CLASSES; size_class++)
        job_list_sift(&o->line[LINE_WAITING][size_class], leaves, context, to);
    o->length[LINE_WAITING] -= to->length - before;
}
