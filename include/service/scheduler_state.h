/* scheduler_state.h - a scheduler laid open, for its sources: scheduler.c begins and
 * ends it, scheduler_admission.c takes jobs in and keeps the sums of their work,
 * scheduler_turns.c serves the workers. Nobody else includes this. */
#ifndef SERVICE_SCHEDULER_STATE_H
#define SERVICE_SCHEDULER_STATE_H

#include <pthread.h>

#include "service/job_order.h"
#include "service/workers.h"

/* How well the work of a job is known: by the bytes it came in, or by what it asks. */
enum knowledge { WORK_GUESSED, WORK_KNOWN, KNOWLEDGE_COUNT };

struct work {
    uint64_t pending; /* accepted, not finished, summed */
    double ns, done;  /* of finished jobs, smoothed: time of workers, and cost */
};

struct scheduler {
    struct scheduler_options options;
    struct workers *workers;
    _Atomic bool stopping; /* accepted jobs end with ERROR_SHUTTING_DOWN */

    pthread_mutex_t lock; /* guards every field below */
    pthread_cond_t work;  /* workers wait here */
    pthread_cond_t idle;  /* a drain waits here */
    struct job_order order;
    struct job_list ended;        /* waited until they were stopped */
    size_t running[LENGTH_COUNT]; /* begun, not finished */
    size_t reading;               /* jobs whose `reading` is true */
    size_t sleeping;              /* workers in cond_wait */
    size_t accepted;              /* jobs between submit and finished */
    struct work of[LENGTH_COUNT][KNOWLEDGE_COUNT];
    uint64_t pending;       /* theirs, summed */
    int64_t short_until_ns; /* until then short jobs are said to come */
    int64_t next_sweep_ns;
    bool closed, quit;
};

/* Wakes up to `count` workers of the `sleeping` ones; call without the lock. */
void scheduler_wake(struct scheduler *s, size_t count, size_t sleeping);

/* Takes the work of a job that is over out of the sums, and learns from it. */
void scheduler_forget_work(struct scheduler *s, const struct retired_job *job);

/* Sets a gauge, where there are metrics. */
void scheduler_gauge(const struct scheduler *s, enum metric which, uint64_t value);

#endif
