#include "service/workers.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "service/clock.h"
#include "service/log.h"

struct worker {
    pthread_t thread;
    struct scheduler *scheduler;
    void *scratch;
    size_t scratch_bytes, scratch_limit;
    int64_t since_ns;  /* end of what was timed last */
    int64_t worked_ns; /* since it asked for work last */

    /* When its task began; 0: it is in none; negative: the watch reads `job`, which
     * may not go away meanwhile. */
    _Atomic int64_t task_ns;
    struct job *job;
    int64_t told_ns; /* the watch's: the task that the log knows of */
};

struct workers {
    size_t count;
    struct worker worker[];
};

/* Time since the last lap. */
static int64_t lap(struct worker *w)
{
    int64_t now = clock_now_ns(), ns = now - w->since_ns;
    w->since_ns = now;
    w->worked_ns += ns;
    return ns;
}

static bool scratch_reserve(struct worker *w, size_t bytes)
{
    if (bytes <= w->scratch_bytes)
        return true;
    if (bytes > w->scratch_limit || bytes > SIZE_MAX / 2)
        return false;

    free(w->scratch);
    size_t rounded = (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    w->scratch = aligned_alloc(ARENA_ALIGNMENT, rounded);
    w->scratch_bytes = w->scratch ? rounded : 0;
    return w->scratch != NULL;
}

static void enter_task(struct worker *w, struct job *job)
{
    w->job = job;
    atomic_store_explicit(&w->task_ns, w->since_ns, memory_order_release);
}

static void leave_task(struct worker *w)
{
    int64_t began_ns = w->since_ns;
    while (!atomic_compare_exchange_weak(&w->task_ns, &began_ns, 0)) {
        began_ns = w->since_ns;
        sched_yield(); /* the watch writes a line about it */
    }
}

static void run_task(struct worker *w, struct job *job, size_t task)
{
    enter_task(w, job);
    if (scratch_reserve(w, job->scratch_bytes))
        job->run(job, task, w->scratch);
    else
        job_stop(job, ERROR_OUT_OF_MEMORY);
    leave_task(w);
}

/* Between stages: what comes now, if anything. */
static bool prepare(struct worker *w, struct job *job)
{
    bool goes_on = scheduler_check(w->scheduler, job, w->since_ns);
    bool more = job->next(job);
    assert(goes_on || !more);
    job->spent_ns += lap(w);
    return more;
}

static void retire(struct worker *w, struct job *job)
{
    struct retired_job retired = {
        .counted = job->counted,
        .guessed = job->guessed,
        .reading = job->reading,
        .spent_ns = job->spent_ns,
        .exemplary = job->cost && atomic_load(&job->stopped) == ERROR_NONE};
    job->finished(job);
    lap(w);
    scheduler_retire(w->scheduler, &retired);
}

/* The job is this worker's alone: goes on with it, to its end or to a stage that is
 * for all. */
static void go_on(struct worker *w, struct job *job)
{
    while (prepare(w, job)) {
        if (!scheduler_check(w->scheduler, job, w->since_ns))
            continue; /* GCOVR_EXCL_LINE: late by now; next() hears of it */
        if (job->tasks > 1) {
            scheduler_share(w->scheduler, job);
            return;
        }
        run_task(w, job, 0);
        job->spent_ns += lap(w);
        scheduler_recount(w->scheduler, job);
    }
    retire(w, job);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct assignment now;
    while (scheduler_take(w->scheduler, w->worked_ns, &now)) {
        w->since_ns = clock_now_ns();
        w->worked_ns = 0;
        if (!now.alone) {
            /* The threads that move bytes run here, too, when there is no other CPU. */
            sched_yield();
            run_task(w, now.job, now.task);
            now.alone = scheduler_task_done(w->scheduler, now.job, lap(w));
        }
        if (now.alone)
            go_on(w, now.job);
    }
    free(w->scratch);
    return NULL;
}

void workers_give_back(struct scheduler *s)
{
    struct worker here = {.scheduler = s, .since_ns = clock_now_ns()};
    struct assignment now;
    while (scheduler_take_stopped(s, &now))
        go_on(&here, now.job);
}

/* The task can end no sooner than this returns. */
static void tell(const struct worker *w, size_t number, int64_t ns)
{
    struct job_label label = {0};
    if (w->job->label)
        label = w->job->label(w->job);
    log_write(LOG_ERROR, "worker_stuck", LOG_I("worker", number), LOG_S("id", label.id),
              LOG_S("stage", label.stage), LOG_I("ms", ns / NS_PER_MS));
}

static bool is_stuck(struct worker *w, size_t number, int64_t limit_ns)
{
    int64_t began_ns = atomic_load(&w->task_ns), ns = clock_now_ns() - began_ns;
    if (began_ns == 0 || ns <= limit_ns)
        return false;
    bool goes_on = began_ns == w->told_ns ||
                   atomic_compare_exchange_strong(&w->task_ns, &began_ns, -began_ns);
    if (goes_on && began_ns != w->told_ns) {
        tell(w, number, ns);
        w->told_ns = began_ns;
        atomic_store(&w->task_ns, began_ns);
    }
    return goes_on;
}

size_t workers_stuck(struct workers *w, int64_t limit_ns)
{
    size_t stuck = 0;
    for (size_t i = 0; i < w->count; i++)
        stuck += is_stuck(&w->worker[i], i + 1, limit_ns);
    return stuck;
}

/* Signals are the main thread's. */
static bool thread_start(struct worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure == 0;
}

struct workers *workers_new(struct scheduler *s, size_t count, size_t scratch_limit,
                            struct error *e)
{
    struct workers *w = calloc(1, sizeof *w + count * sizeof w->worker[0]);
    if (!w) {
        error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for %zu workers", count);
        return NULL;
    }
    for (; w->count < count; w->count++) {
        struct worker *next = &w->worker[w->count];
        next->scheduler = s;
        next->scratch_limit = scratch_limit;
        if (!thread_start(next)) {
            error_set(e, ERROR_OUT_OF_MEMORY, "",
                      "the system refuses thread %zu of %zu (workers)", w->count + 1,
                      count);
            scheduler_quit(s);
            workers_delete(w);
            return NULL;
        }
    }
    return w;
}

void workers_delete(struct workers *w)
{
    for (size_t i = 0; i < w->count; i++)
        pthread_join(w->worker[i].thread, NULL);
    free(w);
}
