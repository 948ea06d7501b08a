#include "service/scheduler_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "service/clock.h"

/* Tasks take milliseconds; under a sanitizer or on a busy machine far longer. */
#define PATIENCE_NS (3 * NS_PER_S)

void job_stop(struct job *job, enum error_code why)
{
    int goes_on = ERROR_NONE;
    atomic_compare_exchange_strong(&job->stopped, &goes_on, (int)why);
}

void scheduler_gauge(const struct scheduler *s, enum metric which, uint64_t value)
{
    if (s->options.metrics)
        metrics_set(s->options.metrics, which, (double)value);
}

void scheduler_wake(struct scheduler *s, size_t count, size_t sleeping)
{
    if (count > 1 && count >= sleeping) {
        pthread_cond_broadcast(&s->work);
        return;
    }
    for (size_t i = 0; i < count && i < sleeping; i++)
        pthread_cond_signal(&s->work);
}

/* A condition whose timed waits read the same clock as we do. */
static void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static void scheduler_free(struct scheduler *s)
{
    pthread_cond_destroy(&s->idle);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct scheduler *scheduler_new(const struct scheduler_options *options,
                                struct error *e)
{
    assert(options->workers > 0);
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s) {
        error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the scheduler");
        return NULL;
    }
    s->options = *options;
    if (s->options.patience_ns == 0)
        s->options.patience_ns = PATIENCE_NS;
    pthread_mutex_init(&s->lock, NULL);
    condition_init(&s->work);
    condition_init(&s->idle);
    job_order_init(&s->order);
    job_list_init(&s->ended);

    scheduler_gauge(s, METRIC_QUEUE_CAPACITY, options->queue_depth);
    scheduler_gauge(s, METRIC_QUEUE_WORK, 0);
    scheduler_gauge(s, METRIC_WORKERS, options->workers);
    /* Until they go to sleep for want of work. */
    scheduler_gauge(s, METRIC_WORKERS_BUSY, options->workers);
    s->workers = workers_new(s, options->workers, options->scratch_limit, e);
    if (!s->workers) {
        scheduler_free(s);
        return NULL;
    }
    return s;
}

void scheduler_close(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->closed = true;
    pthread_mutex_unlock(&s->lock);
}

/* Needs the lock. */
static bool wait_until_idle(struct scheduler *s, int64_t until_ns)
{
    struct timespec until = timespec_of(until_ns);
    int timed_out = 0;
    while (s->accepted && timed_out != ETIMEDOUT)
        timed_out = pthread_cond_timedwait(&s->idle, &s->lock, &until);
    return s->accepted == 0;
}

bool scheduler_drain(struct scheduler *s, int64_t until_ns)
{
    pthread_mutex_lock(&s->lock);
    bool all = wait_until_idle(s, until_ns);
    if (!all || s->closed) { /* then for what comes back to go on, too */
        atomic_store(&s->stopping, true);
        s->next_sweep_ns = 0;
        pthread_cond_broadcast(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    if (all)
        return true;

    workers_give_back(s);
    pthread_mutex_lock(&s->lock);
    (void)wait_until_idle(s, clock_now_ns() + s->options.patience_ns);
    pthread_mutex_unlock(&s->lock);
    return false;
}

bool scheduler_idle(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    bool idle = s->accepted == 0;
    pthread_mutex_unlock(&s->lock);
    return idle;
}

size_t scheduler_stuck(struct scheduler *s, int64_t limit_ns)
{
    size_t stuck = workers_stuck(s->workers, limit_ns);
    scheduler_gauge(s, METRIC_WORKERS_STUCK, stuck);
    return stuck;
}

void scheduler_quit(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_delete(struct scheduler *s)
{
    if (!s)
        return;
    assert(s->accepted == 0);
    scheduler_quit(s);
    workers_delete(s->workers);
    scheduler_free(s);
}
