/* scheduler_trial.h - jobs that do what a test tells them to, and pools to run them. */
#ifndef TESTS_SERVICE_SCHEDULER_TRIAL_H
#define TESTS_SERVICE_SCHEDULER_TRIAL_H

#include <sched.h>
#include <semaphore.h>
#include <stdint.h>

#include "service/clock.h"
#include "service/scheduler.h"
#include "support/test.h"

enum { STAGES = 3, LONGEST_LOG = 4096 };

/* What ran, in order; the letter of a trial a task. For one worker. */
struct diary {
    char text[LONGEST_LOG];
    size_t length;
};

/* A job that does as it is told and remembers what was done with it. */
struct trial {
    struct job job;
    size_t tasks[STAGES]; /* 0: no such stage */
    size_t scratch_bytes;
    char letter;
    struct diary *diary;
    void (*act)(struct trial *t, size_t task, void *scratch); /* in every task */
    struct trial *other;
    struct scheduler *scheduler;
    sem_t *hold;         /* a task waits for it */
    uint64_t later_cost; /* what its first task finds out; 0: nothing */
    struct error refusal;

    size_t stage;
    unsigned char *marks; /* one a task: the last stage it ran in; 255: ran twice */
    size_t wrong;
    const void *thread; /* where the last task ran */
    _Atomic size_t started, ran;
    _Atomic bool left;
    _Atomic int finished;
    enum error_code why;
};

static inline void trial_run(struct job *job, size_t task, void *scratch)
{
    struct trial *t = (struct trial *)job;
    t->started++;
    if (t->diary)
        t->diary->text[t->diary->length++] = t->letter;
    if (t->marks)
        t->marks[task] = t->marks[task] == t->stage ? 255 : (unsigned char)t->stage;
    if (t->hold)
        sem_wait(t->hold);
    if (t->act)
        t->act(t, task, scratch);
    if (t->stage == 1 && t->later_cost)
        job->cost = t->later_cost;
    t->ran++;
}

static inline bool trial_next(struct job *job)
{
    struct trial *t = (struct trial *)job;
    t->why = (enum error_code)job->stopped;
    if (t->marks && t->stage > 0 && t->why == ERROR_NONE)
        for (size_t i = 0; i < t->tasks[t->stage - 1]; i++)
            t->wrong += t->marks[i] != t->stage;
    if (t->why != ERROR_NONE || t->stage == STAGES || t->tasks[t->stage] == 0)
        return false;

    job->run = trial_run;
    job->tasks = t->tasks[t->stage++];
    job->scratch_bytes = t->scratch_bytes;
    return true;
}

static inline void trial_finished(struct job *job)
{
    struct trial *t = (struct trial *)job;
    if (t->diary)
        t->diary->text[t->diary->length++] = '.';
    t->finished++;
}

static inline void trial_init(struct trial *t, size_t tasks)
{
    *t = (struct trial){.tasks = {tasks}, .letter = '?'};
    t->job.cost = 1;
    t->job.next = trial_next;
    t->job.finished = trial_finished;
    t->job.deadline_ns = clock_now_ns() + 60 * NS_PER_S;
    t->job.cancelled = &t->left;
    t->job.error = &t->refusal;
}

static int64_t patience_ns = 60 * NS_PER_S;

static inline struct scheduler *pool(size_t workers, size_t queue_depth)
{
    const struct scheduler_options options = {.workers = workers,
                                              .queue_depth = queue_depth,
                                              .queue_wait_ns = 60 * NS_PER_S,
                                              .scratch_limit = 1 << 20,
                                              .patience_ns = patience_ns};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_msg(s != NULL, "%s", e.message);
    return s;
}

static inline void submit(struct scheduler *s, struct trial *t)
{
    struct error e = {0};
    t->scheduler = s;
    ck_assert_msg(scheduler_submit(s, &t->job, &e), "%s", e.message);
}

/* Waits until everything accepted has finished. */
static inline void settle(struct scheduler *s)
{
    ck_assert(scheduler_drain(s, clock_now_ns() + 60 * NS_PER_S));
}

/* One worker, kept in a task until sem_post(). */
static inline struct scheduler *held_pool(struct trial *holder, sem_t *hold,
                                          size_t queue_depth)
{
    struct scheduler *s = pool(1, queue_depth);
    sem_init(hold, 0, 0);
    trial_init(holder, 1);
    holder->hold = hold;
    submit(s, holder);
    while (!holder->started && clock_now_ns() < holder->job.deadline_ns)
        sched_yield();
    return s;
}

static inline void spin_1_ms(struct trial *t, size_t task, void *scratch)
{
    (void)t, (void)task, (void)scratch;
    int64_t until = clock_now_ns() + NS_PER_MS;
    while (clock_now_ns() < until)
        ;
}

static inline void leave_at_10(struct trial *t, size_t task, void *scratch)
{
    (void)scratch;
    if (task == 10)
        t->left = true;
}

static inline void stop_at_10(struct trial *t, size_t task, void *scratch)
{
    (void)scratch;
    if (task == 10)
        job_stop(&t->job, ERROR_INVALID_INPUT);
}

static inline bool wait_for(_Atomic size_t *count, size_t least)
{
    int64_t until = clock_now_ns() + 60 * NS_PER_S;
    while (*count < least && clock_now_ns() < until)
        sched_yield();
    return *count >= least;
}

#endif
