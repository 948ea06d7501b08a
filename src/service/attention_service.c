#include "service/attention_service.h"

#include <stdlib.h>

#include "service/attention_call.h"
#include "service/attention_cost.h"
#include "service/clock.h"
#include "service/self_test.h"

/* Scratch of one worker: a block of query rows times 500,000 keys. */
#define SCRATCH_LIMIT ((size_t)64 << 20)

/* It takes milliseconds; but a machine may be busy, and OpenBLAS hang. */
#define SELF_TEST_NS (10 * NS_PER_S)

/* Short requests are said to come this long after the last one. */
#define KEEP_FREE_NS NS_PER_S

/* A body that is read where it arrived: that takes some ten microseconds. */
#define SMALL_BODY ((size_t)8192)

struct attention_service {
    struct scheduler *scheduler;
    struct call_context context;
    int64_t task_timeout_ns;
};

static struct attention_service *service_alloc(
    const struct attention_service_options *options, struct error *e)
{
    struct attention_service *s = calloc(1, sizeof *s);
    if (!s) {
        error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the service");
        return NULL;
    }
    s->context.timeout_ns = options->timeout_ns;
    s->task_timeout_ns = options->task_timeout_ns;
    s->context.limits = options->limits;
    s->context.metrics = options->metrics;
    pthread_mutex_init(&s->context.failing, NULL);
    return s;
}

struct attention_service *attention_service_new(
    const struct attention_service_options *options, struct error *e)
{
    struct attention_service *s = service_alloc(options, e);
    if (!s)
        return NULL;

    const struct scheduler_options pool = {.workers = options->workers,
                                           .queue_depth = options->queue_depth,
                                           .queue_wait_ns = options->queue_wait_ns,
                                           .keep_free_ns = KEEP_FREE_NS,
                                           .queue_work = options->queue_work,
                                           .scratch_limit = SCRATCH_LIMIT,
                                           .patience_ns = options->patience_ns,
                                           .metrics = options->metrics};
    s->scheduler = scheduler_new(&pool, e);
    int64_t until_ns = clock_now_ns() + SELF_TEST_NS;
    if (!s->scheduler || !self_test_run(s->scheduler, options->workers, until_ns, e)) {
        attention_service_delete(s);
        return NULL;
    }
    return s;
}

bool attention_service_answer_small(struct attention_service *s,
                                    struct attention_call *call)
{
    if (call->body_length > SMALL_BODY || call->form != ANSWER_JSON)
        return false;
    if (!attention_call_prepare(call, &s->context, &call->error))
        return true;
    return attention_call_run_small(call);
}

bool attention_service_has_room(struct attention_service *s, size_t body_bytes,
                                struct error *e)
{
    return body_bytes <= SMALL_BODY ||
           scheduler_has_room(s->scheduler,
                              body_costs_expected(&s->context.costs, body_bytes), e);
}

bool attention_service_submit(struct attention_service *s, struct attention_call *call,
                              struct error *e)
{
    return (call->state || attention_call_prepare(call, &s->context, e)) &&
           scheduler_submit(s->scheduler, &call->job, e);
}

void attention_service_go_on(struct attention_service *s, struct attention_call *call)
{
    attention_call_go_on(call);
    scheduler_resubmit(s->scheduler, &call->job);
}

unsigned attention_service_retry_after(struct attention_service *s)
{
    int64_t wait_s =
        (scheduler_predicted_wait_ns(s->scheduler) + NS_PER_S - 1) / NS_PER_S;
    return wait_s < 1 ? 1 : wait_s > 60 ? 60 : (unsigned)wait_s;
}

void attention_service_close(struct attention_service *s)
{
    scheduler_close(s->scheduler);
}

bool attention_service_drain(struct attention_service *s, int64_t until_ns)
{
    return scheduler_drain(s->scheduler, until_ns);
}

bool attention_service_idle(struct attention_service *s)
{
    return scheduler_idle(s->scheduler);
}

size_t attention_service_stuck(struct attention_service *s)
{
    return scheduler_stuck(s->scheduler, s->task_timeout_ns);
}

void attention_service_delete(struct attention_service *s)
{
    if (s->scheduler && !scheduler_idle(s->scheduler))
        return;
    scheduler_delete(s->scheduler);
    pthread_mutex_destroy(&s->context.failing);
    free(s);
}
