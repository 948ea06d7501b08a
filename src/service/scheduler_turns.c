#include "service/clock.h"
#include "service/scheduler_state.h"

/* How often those who wait are looked at for a deadline or a client that left; the
 * more there are the rarer, so that a look at a fraction of a microsecond each stays
 * a small part of the time. */
#define SWEEP_NS        (5 * NS_PER_MS)
#define SWEEP_NS_A_HEAD ((int64_t)20000)

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
    s->next_sweep_ns =
        now + SWEEP_NS + (int64_t)s->order.length[LINE_WAITING] * SWEEP_NS_A_HEAD;

    struct sweep sweep = {s, now};
    job_order_sift(&s->order, waits_in_vain, &sweep, &s->ended);
}

/* `job` leaves the queue and is now one worker's alone. */
static void start(struct scheduler *s, struct job *job, int64_t now,
                  struct assignment *out)
{
    enum job_length length = job_length_of(job->counted);
    job->taken_ns = now;
    job->reading = length == LENGTH_LONG;
    s->reading += job->reading;
    s->running[length]++;
    scheduler_gauge(s, METRIC_QUEUE_DEPTH, s->order.length[LINE_WAITING]);
    *out = (struct assignment){.job = job, .alone = true};
}

/* False: the job was stopped, and whoever runs the last of its tasks goes on with it.
 */
static bool take_task(struct scheduler *s, struct job *job, int64_t now,
                      struct assignment *out)
{
    if (!scheduler_check(s, job, now)) {
        job->next_task = job->tasks; /* the others are not run */
        *out = (struct assignment){.job = job, .alone = true};
        return job->running_tasks == 0;
    }
    *out = (struct assignment){.job = job, .task = job->next_task++};
    job->running_tasks++;
    if (job->next_task < job->tasks)
        job_order_push(&s->order, LINE_SHARED, job);
    return true;
}

/* One worker is left for the short jobs while they come. */
static bool may_read(const struct scheduler *s, int64_t now)
{
    return s->options.workers == 1 || s->reading + 1 < s->options.workers ||
           now >= s->short_until_ns;
}

static bool take_turn(struct scheduler *s, int64_t now, struct assignment *out)
{
    struct job *job = job_list_pop(&s->ended);
    if (job) {
        start(s, job, now, out);
        return true;
    }

    size_t most = RUNNING_PER_WORKER * s->options.workers;
    const bool may_start[LENGTH_COUNT] = {
        [LENGTH_SHORT] = s->running[LENGTH_SHORT] < most,
        [LENGTH_LONG] = s->running[LENGTH_LONG] < most && may_read(s, now)};
    enum job_line line;
    while ((job = job_order_pop(&s->order, may_start, &line))) {
        if (line == LINE_WAITING) {
            start(s, job, now, out);
            return true;
        }
        if (take_task(s, job, now, out))
            return true;
    }
    return false;
}

/* Until somebody submits or shares. Nobody waits in vain meanwhile: when a worker has
 * nothing to do no stage has tasks to give, so at most one job a worker is running,
 * which is below the bound. What may still wait is a long job, behind those that are
 * being read; it is looked at when one of them is shared, which wakes workers, or
 * retired, whose worker then asks, and when short jobs are expected no more. */
static void sleep_until_work(struct scheduler *s, int64_t now)
{
    const int64_t until = s->short_until_ns; /* then a long job may be read here, too */
    s->sleeping++;
    scheduler_gauge(s, METRIC_WORKERS_BUSY, s->options.workers - s->sleeping);
    if (s->order.length[LINE_WAITING] > 0 && until > now) {
        const struct timespec time = {until / NS_PER_S, until % NS_PER_S};
        pthread_cond_timedwait(&s->work, &s->lock, &time);
    } else {
        pthread_cond_wait(&s->work, &s->lock);
    }
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
            sleep_until_work(s, now);
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

bool scheduler_take_stopped(struct scheduler *s, struct assignment *out)
{
    pthread_mutex_lock(&s->lock);
    int64_t now = clock_now_ns();
    s->next_sweep_ns = 0;
    sweep_waiting(s, now);
    bool found = take_turn(s, now, out);
    pthread_mutex_unlock(&s->lock);
    return found;
}

void scheduler_share(struct scheduler *s, struct job *job)
{
    pthread_mutex_lock(&s->lock);
    s->reading -= job->reading;
    job->reading = false;
    job->next_task = 0;
    job->running_tasks = 0;
    size_t others = job->tasks - 1, sleeping = s->sleeping;
    job_order_push(&s->order, LINE_SHARED, job);
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
    pthread_mutex_lock(&s->lock);
    s->running[job_length_of(job->counted)]--;
    s->reading -= job->reading;
    scheduler_forget_work(s, job);
    if (--s->accepted == 0)
        pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}
