#include "service/scheduler.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "service/clock.h"
#include "service/job_list.h"
#include "service/workers.h"

/* How often those who wait are looked at for a deadline or a client that left. */
#define SWEEP_NS (5 * NS_PER_MS)

/* The part of the newest job in the smoothed figures. */
#define SMOOTHING 0.125

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

void job_stop(struct job *job, enum error_code why)
{
    int goes_on = ERROR_NONE;
    atomic_compare_exchange_strong(&job->stopped, &goes_on, (int)why);
}

static bool is_stopped(const struct job *job)
{
    return atomic_load_explicit(&job->stopped, memory_order_relaxed) != ERROR_NONE;
}

static size_t cost_of(size_t cost)
{
    return cost ? cost : 1;
}

static struct lane *lane_of(struct scheduler *s, size_t cost)
{
    return &s->lane[cost <= SHORT_JOB_COST ? SOURCE_SHORT : SOURCE_LONG];
}

static size_t waiting_count(const struct scheduler *s)
{
    return s->lane[SOURCE_SHORT].waiting.length + s->lane[SOURCE_LONG].waiting.length;
}

static void gauge(const struct scheduler *s, enum metric which, size_t value)
{
    if (s->options.metrics)
        metrics_set(s->options.metrics, which, (double)value);
}

/* Wakes up to `count` workers; the lock is held no longer. */
static void wake(struct scheduler *s, size_t count, size_t sleeping)
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
    pthread_mutex_init(&s->lock, NULL);
    condition_init(&s->work);
    condition_init(&s->idle);
    job_list_init(&s->lane[SOURCE_SHORT].waiting);
    job_list_init(&s->lane[SOURCE_LONG].waiting);
    job_list_init(&s->ring);
    job_list_init(&s->ended);

    gauge(s, METRIC_QUEUE_CAPACITY, options->queue_depth);
    gauge(s, METRIC_WORKERS, options->workers);
    gauge(s, METRIC_WORKERS_BUSY, options->workers); /* until they go to sleep */
    s->workers = workers_new(s, options->workers, options->scratch_limit, e);
    if (!s->workers) {
        scheduler_free(s);
        return NULL;
    }
    return s;
}

static int64_t predicted_wait(const struct scheduler *s)
{
    if (s->accepted < s->options.workers || s->smoothed_cost <= 0)
        return 0;

    double ns = s->pending_cost * (s->smoothed_ns / s->smoothed_cost) /
                (double)s->options.workers;
    return ns < 1e18 ? (int64_t)ns : (int64_t)1e18;
}

int64_t scheduler_predicted_wait_ns(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t ns = predicted_wait(s);
    pthread_mutex_unlock(&s->lock);
    return ns;
}

static bool refuse(const struct scheduler *s, bool closed, size_t waiting,
                   int64_t wait_ns, struct error *e)
{
    if (closed)
        return error_set(e, ERROR_SHUTTING_DOWN, "",
                         "the service is shutting down and takes no more requests");
    if (waiting >= s->options.queue_depth)
        return error_set(e, ERROR_OVERLOADED, "",
                         "%zu requests are waiting, at most %zu may (queue_depth)",
                         waiting, s->options.queue_depth);
    return error_set(e, ERROR_OVERLOADED, "",
                     "the wait would be about %lld ms, at most %lld ms are allowed "
                     "(queue_wait)",
                     (long long)(wait_ns / NS_PER_MS),
                     (long long)(s->options.queue_wait_ns / NS_PER_MS));
}

bool scheduler_submit(struct scheduler *s, struct job *job, struct error *e)
{
    job->submitted_ns = clock_now_ns();

    pthread_mutex_lock(&s->lock);
    size_t waiting = waiting_count(s), sleeping = s->sleeping;
    int64_t wait_ns = predicted_wait(s);
    bool closed = s->closed;
    bool welcome = !closed && waiting < s->options.queue_depth &&
                   wait_ns <= s->options.queue_wait_ns;
    if (welcome) {
        job_list_push(&lane_of(s, job->cost)->waiting, job);
        s->accepted++;
        s->pending_cost += (double)cost_of(job->cost);
        gauge(s, METRIC_QUEUE_DEPTH, waiting + 1);
    }
    pthread_mutex_unlock(&s->lock);

    if (!welcome)
        return refuse(s, closed, waiting, wait_ns, e);
    wake(s, 1, sleeping);
    return true;
}

bool scheduler_check(const struct scheduler *s, struct job *job, int64_t now_ns)
{
    if (is_stopped(job))
        return false;

    if (job->cancelled && atomic_load_explicit(job->cancelled, memory_order_relaxed))
        job_stop(job, ERROR_CANCELLED);
    else if (now_ns >= job->deadline_ns)
        job_stop(job, ERROR_DEADLINE);
    else if (atomic_load_explicit(&s->stopping, memory_order_relaxed))
        job_stop(job, ERROR_SHUTTING_DOWN);
    else
        return true;
    return false;
}

struct sweep {
    const struct scheduler *scheduler;
    int64_t now_ns;
};

static bool waits_in_vain(struct job *job, void *context)
{
    const struct sweep *sweep = context;
    return !scheduler_check(sweep->scheduler, job, sweep->now_ns);
}

/* Those who wait are not looked at in their order only: a deadline may pass, or a
 * client leave, long before a worker comes to them. */
static void sweep_waiting(struct scheduler *s, int64_t now)
{
    if (now < s->next_sweep_ns)
        return;
    s->next_sweep_ns = now + SWEEP_NS;

    struct sweep sweep = {s, now};
    job_list_sift(&s->lane[SOURCE_SHORT].waiting, waits_in_vain, &sweep, &s->ended);
    job_list_sift(&s->lane[SOURCE_LONG].waiting, waits_in_vain, &sweep, &s->ended);
}

/* `job` leaves the queue and is now one worker's alone. */
static bool start(struct scheduler *s, struct job *job, int64_t now,
                  struct assignment *out)
{
    if (!job)
        return false;

    job->taken_ns = now;
    lane_of(s, job->cost)->running++;
    gauge(s, METRIC_QUEUE_DEPTH, waiting_count(s));
    *out = (struct assignment){.job = job, .alone = true};
    return true;
}

static bool take_waiting(struct scheduler *s, struct lane *lane, int64_t now,
                         struct assignment *out)
{
    if (lane->running >= RUNNING_PER_WORKER * s->options.workers)
        return false;
    return start(s, job_list_pop(&lane->waiting), now, out);
}

static bool take_task(struct scheduler *s, int64_t now, struct assignment *out)
{
    struct job *job;
    while ((job = job_list_pop(&s->ring))) {
        if (!scheduler_check(s, job, now)) {
            job->next_task = job->tasks; /* the others are not run */
            if (job->running_tasks)
                continue; /* whoever runs the last of them goes on with the job */
            *out = (struct assignment){.job = job, .alone = true};
            return true;
        }
        *out = (struct assignment){.job = job, .task = job->next_task++};
        job->running_tasks++;
        if (job->next_task < job->tasks)
            job_list_push(&s->ring, job);
        return true;
    }
    return false;
}

static bool take_turn(struct scheduler *s, int64_t now, struct assignment *out)
{
    if (start(s, job_list_pop(&s->ended), now, out))
        return true;

    for (unsigned i = 0; i < SOURCE_COUNT; i++) {
        enum source source = (s->turn + i) % SOURCE_COUNT;
        bool found = source == SOURCE_RING
                         ? take_task(s, now, out)
                         : take_waiting(s, &s->lane[source], now, out);
        if (found) {
            s->turn = (source + 1) % SOURCE_COUNT;
            return true;
        }
    }
    return false;
}

/* Until somebody submits or shares. Nobody waits in vain meanwhile: when a worker has
 * nothing to do the ring is empty, so at most one job a worker is running, which is
 * below the bound, and so the queue is empty as well. */
static void sleep_until_work(struct scheduler *s)
{
    s->sleeping++;
    gauge(s, METRIC_WORKERS_BUSY, s->options.workers - s->sleeping);
    pthread_cond_wait(&s->work, &s->lock);
    s->sleeping--;
    gauge(s, METRIC_WORKERS_BUSY, s->options.workers - s->sleeping);
}

bool scheduler_take(struct scheduler *s, int64_t worked_ns, struct assignment *out)
{
    if (s->options.metrics)
        metrics_add(s->options.metrics, METRIC_WORKER_BUSY_SECONDS,
                    (double)worked_ns / (double)NS_PER_S);

    pthread_mutex_lock(&s->lock);
    bool found = false;
    while (!s->quit && !found) {
        int64_t now = clock_now_ns();
        sweep_waiting(s, now);
        found = take_turn(s, now, out);
        if (!found)
            sleep_until_work(s);
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

void scheduler_share(struct scheduler *s, struct job *job)
{
    pthread_mutex_lock(&s->lock);
    job->next_task = 1;
    job->running_tasks = 1;
    job_list_push(&s->ring, job);
    size_t others = job->tasks - 1, sleeping = s->sleeping;
    pthread_mutex_unlock(&s->lock);
    wake(s, others, sleeping);
}

bool scheduler_task_done(struct scheduler *s, struct job *job, int64_t ns)
{
    pthread_mutex_lock(&s->lock);
    job->spent_ns += ns;
    job->running_tasks--;
    bool last = job->running_tasks == 0 && job->next_task == job->tasks;
    pthread_mutex_unlock(&s->lock);
    return last;
}

void scheduler_retire(struct scheduler *s, const struct retired_job *job)
{
    double cost = (double)cost_of(job->cost);

    pthread_mutex_lock(&s->lock);
    lane_of(s, job->cost)->running--;
    s->pending_cost -= cost;
    if (job->complete) {
        s->smoothed_ns += SMOOTHING * ((double)job->spent_ns - s->smoothed_ns);
        s->smoothed_cost += SMOOTHING * (cost - s->smoothed_cost);
    }
    if (--s->accepted == 0)
        pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_close(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->closed = true;
    pthread_mutex_unlock(&s->lock);
}

bool scheduler_drain(struct scheduler *s, int64_t until_ns)
{
    struct timespec until = timespec_of(until_ns);

    pthread_mutex_lock(&s->lock);
    int timed_out = 0;
    while (s->accepted && timed_out != ETIMEDOUT)
        timed_out = pthread_cond_timedwait(&s->idle, &s->lock, &until);
    bool all = s->accepted == 0;
    if (!all) {
        atomic_store(&s->stopping, true);
        s->next_sweep_ns = 0;
        pthread_cond_broadcast(&s->work);
    }
    /* No deadline here: what is left is one task a worker, and they end. */
    while (s->accepted)
        pthread_cond_wait(&s->idle, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return all;
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
