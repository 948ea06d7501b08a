/* scheduler.h - worker threads that share the tasks of several jobs.
 *
 * A job is a row of stages; a stage is a number of tasks that share nothing.
 * Between stages one worker alone calls next(); a stage of a single task is run by
 * that same worker, so that a small job never changes hands. A stage of several
 * tasks stands in a line from which every free worker takes.
 *
 * Who is next: see job_order.h. In short, the least predicted work, in turn among
 * likes, and every eighth turn whoever has stood longest. So a large job fills idle
 * workers, a small one waits for the tasks that are running rather than for whole
 * jobs, and nobody starves. At most RUNNING_PER_WORKER jobs of each length are begun
 * for each worker; the rest wait.
 *
 * What a worker does with a job before its first stage of several tasks cannot be
 * interrupted (a body of megabytes is read in one go). While short jobs come, one
 * worker is therefore kept from beginning a long one, where there are several.
 *
 * Who is admitted: waiting jobs are bounded in number, the predicted work of all that
 * is accepted in sum, and the predicted wait. What is known of a job's work may change
 * once, when it has been read: its place in the order and in the sums is then by the
 * new figure, and it may be refused after all. Full means refused, at once. */
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
    SHORT_JOB_COST = 1 << 25 /* jobs up to here are short: below half a millisecond */
};

struct job_label {
    const char *id, *stage; /* valid until the job is given back */
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
    /* Predicted work, as floating-point operations; 0: like no other, counts as 1. The
     * run() of a stage of one task may replace it, when it knows better. */
    uint64_t cost;
    struct error *error; /* borrowed: told why `cost` was refused later; or NULL */
    /* Who the log says is stuck, and where. Called on another thread while a run() of
     * this job is under way, which must not change what is read here. NULL: nobody. */
    struct job_label (*label)(const struct job *job);

    /* Set by next(). */
    void (*run)(struct job *job, size_t task, void *scratch);
    size_t tasks, scratch_bytes;

    /* Why the job was stopped early, for next() to see: ERROR_DEADLINE,
     * ERROR_CANCELLED, ERROR_SHUTTING_DOWN, ERROR_OUT_OF_MEMORY (no scratch), or, of a
     * replaced cost, ERROR_OVERLOADED and ERROR_TOO_LARGE.
     * A job's own run() may stop it with job_stop(). Tasks that were taken still
     * run, and with them all of a lower number; the others do not. next() is then
     * called once more (or for the first time) and must return false. */
    _Atomic int stopped; /* enum error_code; ERROR_NONE: goes on */

    int64_t submitted_ns, taken_ns; /* for next() to read */

    /* The scheduler's own, under its lock. */
    struct job *link;
    uint64_t counted; /* the cost it stands in the sums with */
    uint64_t guessed; /* what that was before it was replaced; 0: never */
    uint64_t arrival; /* in its line: the larger the later */
    bool reading;     /* long, and begun, and not shared yet */
    size_t next_task, running_tasks;
    int64_t spent_ns; /* time of workers, summed */
};

/* The first reason wins. Thread-safe. */
void job_stop(struct job *job, enum error_code why);

struct scheduler_options {
    size_t workers, queue_depth;
    int64_t queue_wait_ns; /* predicted wait beyond which a job is refused */
    int64_t keep_free_ns;  /* how long after a short job one worker is left for more */
    uint64_t queue_work;   /* most predicted work of all that is accepted; 0: any */
    size_t scratch_limit;  /* bytes one worker may keep for tasks */
    int64_t patience_ns;   /* how long a task may go on when all is to end; 0: 3 s */
    struct metrics *metrics; /* borrowed; NULL in tests: nothing is counted */
};

/* NULL with `e` set when a thread cannot be started. */
MUST_USE struct scheduler *scheduler_new(const struct scheduler_options *options,
                                         struct error *e);

/* False, at once, when the queue is full, the predicted wait too long or the predicted
 * work of all too much (ERROR_OVERLOADED), that of this job alone too much
 * (ERROR_TOO_LARGE) or closed (ERROR_SHUTTING_DOWN): the job stays the caller's. */
MUST_USE bool scheduler_submit(struct scheduler *s, struct job *job, struct error *e);

/* Takes a job that was given back before its work was over, with what is left of it as
 * its cost. Never refused; while the service stops it ends with ERROR_SHUTTING_DOWN. */
void scheduler_resubmit(struct scheduler *s, struct job *job);

/* Whether a job of that predicted cost would be accepted now; else as
 * scheduler_submit(). Nothing is set aside for it. */
MUST_USE bool scheduler_has_room(struct scheduler *s, uint64_t cost, struct error *e);

/* How long a long job submitted now would wait: the work of all that was accepted and
 * is not finished x the smoothed time that such work keeps a worker / workers. A short
 * one waits for short ones only. 0 while a worker has nothing to do. */
int64_t scheduler_predicted_wait_ns(struct scheduler *s);

/* Refuses new jobs; what is accepted goes on. */
void scheduler_close(struct scheduler *s);

/* Waits until every accepted job was finished, at most until `until_ns`; then stops
 * what is left with ERROR_SHUTTING_DOWN and waits for the tasks now running, at most
 * patience_ns: see scheduler_idle(). What only waits is given back on the
 * calling thread, so that it is even when no worker is left to do it. True: nothing had
 * to be stopped. When the scheduler is closed, what is resubmitted from then on is
 * stopped as well. */
bool scheduler_drain(struct scheduler *s, int64_t until_ns);

/* No accepted job is left. False after a drain: a worker hangs in a task. Then nothing
 * that the task may use can be freed, and scheduler_delete() may not be called. */
MUST_USE bool scheduler_idle(struct scheduler *s);

/* How many workers have been in one task for longer than `limit_ns`. Each such task is
 * told to the log once, with its job's label. One thread calls this, now and then. */
size_t scheduler_stuck(struct scheduler *s, int64_t limit_ns);

/* Joins the workers; call after a drain. */
void scheduler_delete(struct scheduler *s);

#endif
