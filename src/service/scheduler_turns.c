#include "service/clock.h"
#include "service/scheduler_state.h"

/* How often those who wait are looked at for a deadline or a client that left; the
 * more there are the rarer, so that a look at a fraction of a microsecond each stays
 * a small part of the time. */
#define SWEEP_NS        (5 * NS_PER_MS)
#define SWEEP_NS_A_HEAD ((int64_t)20000)

/* The part of the newest job in the smoothed figures. */
#define SMOOTHING 0.125

static bool is_stopped(const struct job *job)
{
    return atomic_load_explicit(&job->stopped, memory_order_relaxed) != ERROR_NONE;
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
    s->next_sweep_ns = now + SWEEP_NS + (int64_t)scheduler_waiting(s) * SWEEP_NS_A_HEAD;

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
    scheduler_lane(s, job->cost)->running++;
    scheduler_gauge(s, METRIC_QUEUE_DEPTH, scheduler_waiting(s));
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
    scheduler_gauge(s, METRIC_WORKERS_BUSY, s->options.workers - s->sleeping);
    pthread_cond_wait(&s->work, &s->lock);
    s->sleeping--;
    scheduler_gauge(s, METRIC_WORKERS_BUSY, s->options.workers - s->sleeping);
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
    scheduler_wake(s, others, sleeping);
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
    double cost = scheduler_cost(job->cost);

    pthread_mutex_lock(&s->lock);
    scheduler_lane(s, job->cost)->running--;
    s->pending_cost -= cost;
    if (job->complete) {
        s->smoothed_ns += SMOOTHING * ((double)job->spent_ns - s->smoothed_ns);
        s->smoothed_cost += SMOOTHING * (cost - s->smoothed_cost);
    }
    if (--s->accepted == 0)
        pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}
