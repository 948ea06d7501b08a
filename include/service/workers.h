/* workers.h - the threads of a scheduler, and what passes between them and it. */
#ifndef SERVICE_WORKERS_H
#define SERVICE_WORKERS_H

#include "service/scheduler.h"

struct workers;

/* Starts `count` threads that work for `s`, every signal blocked. NULL with `e` set
 * when one cannot be had; those that could have ended then. `scratch_limit`: bytes
 * that each may keep for tasks. */
MUST_USE struct workers *workers_new(struct scheduler *s, size_t count,
                                     size_t scratch_limit, struct error *e);

/* Joins the threads, which scheduler_quit() has told to end. */
void workers_delete(struct workers *w);

/* See scheduler_stuck(). */
size_t workers_stuck(struct workers *w, int64_t limit_ns);

/* While the service stops: gives back, on this thread, the jobs that no worker has. */
void workers_give_back(struct scheduler *s);

/* The scheduler, as its workers see it. */

/* A task of a shared stage; or, `alone`, a job that is this worker's alone until it
 * is shared or retired. */
struct assignment {
    struct job *job;
    bool alone;
    size_t task;
};

/* Waits for something to do. `worked_ns`: how long the caller worked since it asked
 * last. False: end the thread. */
MUST_USE bool scheduler_take(struct scheduler *s, int64_t worked_ns,
                             struct assignment *out);

/* As scheduler_take(), while the service stops, and without waiting. */
MUST_USE bool scheduler_take_stopped(struct scheduler *s, struct assignment *out);

/* Stops the job when its time is over, its client has left or the service stops;
 * true when it goes on. For the one who has the job alone, or the lock. */
MUST_USE bool scheduler_check(const struct scheduler *s, struct job *job,
                              int64_t now_ns);

/* Puts the stage that next() prepared before all workers: the caller asks for work
 * like any other, as somebody with less to do may have come. */
void scheduler_share(struct scheduler *s, struct job *job);

/* A task of a shared stage has run. True: it was the last, the job is now the
 * caller's alone. */
MUST_USE bool scheduler_task_done(struct scheduler *s, struct job *job, int64_t ns);

/* Counts the job with its present cost, where that was replaced; stops it when that is
 * too much. For the one who has the job alone. */
void scheduler_recount(struct scheduler *s, struct job *job);

/* What is left to say of a job that was given back to its owner. */
struct retired_job {
    uint64_t counted, guessed; /* as in struct job */
    int64_t spent_ns;
    bool reading;
    bool exemplary; /* a usual job, not stopped: its time is worth remembering */
};
void scheduler_retire(struct scheduler *s, const struct retired_job *job);

/* Ends the workers as soon as they ask again. */
void scheduler_quit(struct scheduler *s);

#endif
