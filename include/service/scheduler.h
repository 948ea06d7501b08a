/* scheduler.h - worker threads that share the tasks of several jobs.
 *
 * A job is a row of stages; a stage is a number of tasks that share nothing.
 * Idle workers take tasks of all running jobs in turn, so a large job fills idle
 * workers without stalling a small one. Between stages, one worker alone calls
 * next(). Waiting jobs are bounded: full means refused, at once. */
#ifndef SERVICE_SCHEDULER_H
#define SERVICE_SCHEDULER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "service/metrics.h"

struct scheduler;

/* Embed it in the thing that is worked on. Zero-initialise, fill the first part,
 * submit. */
struct job {
    /* Prepares the next stage: sets `tasks` (at least 1), `run` and `scratch_bytes`
     * and returns true; false when the job is over (it has then stored its result).
     * Called by one worker at a time, first when the job is taken from the queue. */
    bool (*next)(struct job *job);
    /* Gives the job back to its owner; the scheduler does not touch it again. Called
     * once, on a worker, without a lock. */
    void (*finished)(struct job *job);
    int64_t deadline_ns;     /* clock_now_ns() time; looked at between tasks */
    _Atomic bool *cancelled; /* borrowed: true = stop between tasks */

    /* Set by next(). */
    void (*run)(struct job *job, size_t task, void *scratch);
    size_t tasks, scratch_bytes;

    /* Why the job was stopped early, for next() to see: ERROR_DEADLINE,
     * ERROR_CANCELLED, ERROR_SHUTTING_DOWN or ERROR_OUT_OF_MEMORY (no scratch).
     * A job's own run() may stop it with job_stop(). next() is then called once
     * more and must return false. */
    _Atomic int stopped; /* enum error_code; ERROR_NONE: goes on */

    int64_t submitted_ns, taken_ns;

    /* The scheduler's own, under its lock. */
    struct job *link;
    size_t next_task, running_tasks;
};

/* The first reason wins. Thread-safe. */
void job_stop(struct job *job, enum error_code why);

struct scheduler_options {
    size_t workers, queue_depth;
    int64_t queue_wait_ns;   /* predicted wait beyond which a job is refused */
    size_t scratch_limit;    /* bytes one worker may keep for tasks */
    struct metrics *metrics; /* borrowed; NULL in tests: nothing is counted */
};

/* NULL with `e` set when a thread cannot be started. */
MUST_USE struct scheduler *scheduler_new(const struct scheduler_options *options,
                                         struct error *e);

/* False, at once, when the queue is full or the predicted wait too long
 * (ERROR_OVERLOADED) or closed (ERROR_SHUTTING_DOWN): the job stays the caller's. */
MUST_USE bool scheduler_submit(struct scheduler *s, struct job *job, struct error *e);

/* How long a job submitted now would wait: jobs before it x the smoothed time a job
 * keeps a worker / workers. */
int64_t scheduler_predicted_wait_ns(struct scheduler *s);

/* Refuses new jobs; what is accepted goes on. */
void scheduler_close(struct scheduler *s);

/* Waits until every accepted job was finished, at most until `until_ns`; then stops
 * what is left with ERROR_SHUTTING_DOWN and waits for the tasks now running. True:
 * nothing had to be stopped. */
bool scheduler_drain(struct scheduler *s, int64_t until_ns);

/* Joins the workers; call after a drain. */
void scheduler_delete(struct scheduler *s);

#endif
