/* scheduler_state.h - a scheduler laid open, for its two sources: scheduler.c takes
 * jobs in and ends, scheduler_turns.c serves the workers. Nobody else includes this. */
#ifndef SERVICE_SCHEDULER_STATE_H
#define SERVICE_SCHEDULER_STATE_H

#include <pthread.h>

#include "service/job_list.h"
#include "service/workers.h"

enum source { SOURCE_SHORT, SOURCE_RING, SOURCE_LONG, SOURCE_COUNT };

/* Jobs of one length. */
struct lane {
    struct job_list waiting;
    size_t running; /* started, not finished */
};

struct scheduler {
    struct scheduler_options options;
    struct workers *workers;
    _Atomic bool stopping; /* accepted jobs end with ERROR_SHUTTING_DOWN */

    pthread_mutex_t lock; /* guards every field below */
    pthread_cond_t work;  /* workers wait here */
    pthread_cond_t idle;  /* a drain waits here */
    struct lane lane[SOURCE_COUNT];
    struct job_list ring;  /* stages that have tasks to give */
    struct job_list ended; /* waited until they were stopped */
    enum source turn;      /* whom a worker asks first */
    size_t sleeping;       /* workers in cond_wait */
    size_t accepted;       /* jobs between submit and finished */
    double pending_cost;   /* theirs, summed */
    double smoothed_ns, smoothed_cost;
    int64_t next_sweep_ns;
    bool closed, quit;
};

struct lane *scheduler_lane(struct scheduler *s, size_t cost);
size_t scheduler_waiting(const struct scheduler *s);

/* What a job counts for, at least 1. */
double scheduler_cost(size_t cost);

/* Wakes up to `count` workers of the `sleeping` ones; call without the lock. */
void scheduler_wake(struct scheduler *s, size_t count, size_t sleeping);

/* Sets a gauge, where there are metrics. */
void scheduler_gauge(const struct scheduler *s, enum metric which, size_t value);

#endif
