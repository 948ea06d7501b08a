/* scheduler.h - worker threads that share the tasks of several jobs.
 *
 * A job is a row of stages; a stage is a number of tasks that share nothing.
 * Between stages one worker alone calls next(); a stage of a single task is run by
 * that same worker, so that a small job never changes hands. A stage of several
 * tasks enters a ring from which every free worker takes.
 *
 * Who is next: a free worker goes round three sources, beginning behind the one it
 * was served from last: a short job that waits, a task of the ring, a long job that
 * waits. Within each, first come first served; a job in the ring gives one task and
 * goes to the end. So a large job fills idle workers, a small one waits for one task
 * of others rather than for whole jobs, and nobody starves. At most RUNNING_PER_WORKER
 * jobs of each length run for each worker; the rest wait, in bounded number: full
 * means refused, at once. */
#ifndef SERVICE_SCHEDULER_H
#define SERVICE_SCHEDULER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "service/metrics.h"

struct scheduler;

enum {
    RUNNING_PER_WORKER = 4,
    SHORT_JOB_COST = 16 * 1024 /* jobs up to here are short */
};

/* Embed it in the thing that is worked on. Zero-initialise, fill the first part,
 * submit. */
struct job {
    /* Prepares the next stage: sets `tasks` (at least 1), `run` and `scratch_bytes`
     * and returns true; false when the job is over (it has then stored its result).
     * Called by one worker at a time, first when the job is taken from the queue;
     * sees everything that the tasks of the stage before have written. */
    bool (*next)(struct job *job);
    /* Gives the job back to its owner; the scheduler does not touch it again. Called
     * once, on a worker, without a lock. */
    void (*finished)(struct job *job);
    /* clock_now_ns() time; looked at while waiting and between tasks. next() may
     * change it, and so may run() in a stage of one task. */
    int64_t deadline_ns;
    _Atomic bool *cancelled; /* borrowed: true = stop between tasks; NULL: never */
    size_t cost; /* predicted work, in the caller's unit (bytes to read); 0 is 1 */

    /* Set by next(). */
    void (*run)(struct job *job, size_t task, void *scratch);
    size_t tasks, scratch_bytes;

    /* Why the job was stopped early, for next() to see: ERROR_DEADLINE,
     * ERROR_CANCELLED, ERROR_SHUTTING_DOWN or ERROR_OUT_OF_MEMORY (no scratch).
     * A job's own run() may stop it with job_stop(). Tasks that were taken still
     * run, and with them all of a lower number; the others do not. next() is then
     * called once more (or for the first time) and must return false. */
    _Atomic int stopped; /* enum error_code; ERROR_NONE: goes on */

    int64_t submitted_ns, taken_ns; /* for next() to read */

    /* The scheduler's own, under its lock. */
    struct job *link;
    size_t next_task, running_tasks;
    int64_t spent_ns; /* time of workers, summed */
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

/* Takes a job that was given back before its work was over, with what is left of it as
 * its cost. Never refused; while the service stops it ends with ERROR_SHUTTING_DOWN. */
void scheduler_resubmit(struct scheduler *s, struct job *job);

/* How long a job submitted now would wait: the cost of all that was accepted and is
 * not finished x the smoothed time a unit of cost keeps a worker / workers. 0 while a
 * worker has nothing to do. */
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
