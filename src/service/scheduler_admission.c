#include "service/clock.h"
#include "service/scheduler_state.h"

/* The part of the newest job in the smoothed figures. */
#define SMOOTHING 0.125

/* Of a worker, before anything was measured. */
#define FLOPS_PER_NS 64.0

static uint64_t counted(uint64_t cost)
{
    return cost ? cost : 1;
}

static double time_of(const struct work *w)
{
    double ns_a_unit = w->done > 0 ? w->ns / w->done : 1 / FLOPS_PER_NS;
    return (double)w->pending * ns_a_unit;
}

/* Before a job of that length; longer ones stand behind it. */
static int64_t predicted_wait(const struct scheduler *s, enum job_length length)
{
    if (s->accepted < s->options.workers)
        return 0;

    double ns = 0;
    for (enum job_length l = LENGTH_SHORT; l <= length; l++)
        for (enum knowledge k = WORK_GUESSED; k < KNOWLEDGE_COUNT; k++)
            ns += time_of(&s->of[l][k]);
    ns /= (double)s->options.workers;
    return ns < 1e18 ? (int64_t)ns : (int64_t)1e18;
}

int64_t scheduler_predicted_wait_ns(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t ns = predicted_wait(s, LENGTH_LONG);
    pthread_mutex_unlock(&s->lock);
    return ns;
}

/* `pending`: the work of the others. */
static bool work_fits(const struct scheduler *s, uint64_t cost, uint64_t pending,
                      struct error *e)
{
    uint64_t most = s->options.queue_work;
    if (most == 0)
        return true;
    if (cost > most)
        return error_set(e, ERROR_TOO_LARGE, "",
                         "the predicted work is %llu floating-point operations, at "
                         "most %llu are allowed (queue_work)",
                         (unsigned long long)cost, (unsigned long long)most);
    if (pending > most - cost)
        return error_set(e, ERROR_OVERLOADED, "",
                         "the predicted work of all requests would be %llu "
                         "floating-point operations, at most %llu are allowed "
                         "(queue_work)",
                         (unsigned long long)pending + cost, (unsigned long long)most);
    return true;
}

static bool is_welcome(const struct scheduler *s, uint64_t cost, struct error *e)
{
    size_t waiting = s->order.length[LINE_WAITING];
    if (s->closed)
        return error_set(e, ERROR_SHUTTING_DOWN, "",
                         "the service is shutting down and takes no more requests");
    if (waiting >= s->options.queue_depth)
        return error_set(e, ERROR_OVERLOADED, "",
                         "%zu requests are waiting, at most %zu may (queue_depth)",
                         waiting, s->options.queue_depth);
    int64_t wait_ns = predicted_wait(s, job_length_of(cost));
    if (wait_ns > s->options.queue_wait_ns)
        return error_set(e, ERROR_OVERLOADED, "",
                         "the wait would be about %lld ms, at most %lld ms are allowed "
                         "(queue_wait)",
                         (long long)(wait_ns / NS_PER_MS),
                         (long long)(s->options.queue_wait_ns / NS_PER_MS));
    return work_fits(s, cost, s->pending, e);
}

bool scheduler_has_room(struct scheduler *s, uint64_t cost, struct error *e)
{
    pthread_mutex_lock(&s->lock);
    bool welcome = is_welcome(s, counted(cost), e);
    pthread_mutex_unlock(&s->lock);
    return welcome;
}

/* Into the sums, or out of them. */
static void count_work(struct scheduler *s, enum knowledge k, uint64_t cost, bool out)
{
    struct work *work = &s->of[job_length_of(cost)][k];
    work->pending = out ? work->pending - cost : work->pending + cost;
    s->pending = out ? s->pending - cost : s->pending + cost;
    scheduler_gauge(s, METRIC_QUEUE_WORK, s->pending);
}

/* Into the line. */
static void enqueue(struct scheduler *s, struct job *job, enum knowledge k)
{
    if (job_length_of(job->counted) == LENGTH_SHORT)
        s->short_until_ns = job->submitted_ns + s->options.keep_free_ns;
    count_work(s, k, job->counted, false);
    job_order_push(&s->order, LINE_WAITING, job);
    s->accepted++;
    scheduler_gauge(s, METRIC_QUEUE_DEPTH, s->order.length[LINE_WAITING]);
}

bool scheduler_submit(struct scheduler *s, struct job *job, struct error *e)
{
    job->submitted_ns = clock_now_ns();
    job->counted = counted(job->cost);
    job->guessed = 0;

    pthread_mutex_lock(&s->lock);
    size_t sleeping = s->sleeping;
    bool welcome = is_welcome(s, job->counted, e);
    if (welcome)
        enqueue(s, job, WORK_GUESSED);
    pthread_mutex_unlock(&s->lock);
    if (welcome)
        scheduler_wake(s, 1, sleeping);
    return welcome;
}

void scheduler_resubmit(struct scheduler *s, struct job *job)
{
    atomic_store(&job->stopped, ERROR_NONE);
    job->spent_ns = 0;
    job->submitted_ns = clock_now_ns();
    job->counted = job->guessed = counted(job->cost);

    pthread_mutex_lock(&s->lock);
    enqueue(s, job, WORK_KNOWN);
    size_t sleeping = s->sleeping;
    pthread_mutex_unlock(&s->lock);
    scheduler_wake(s, 1, sleeping);
}

/* One that was taken for short and is long joins those that run, beyond what may be
 * begun of them at once: so many of these as may wait. */
static bool length_fits(const struct scheduler *s, const struct job *job, uint64_t cost,
                        struct error *e)
{
    size_t most = RUNNING_PER_WORKER * s->options.workers + s->options.queue_depth;
    size_t running = s->running[LENGTH_LONG];
    if (job_length_of(cost) == job_length_of(job->counted) ||
        job_length_of(cost) == LENGTH_SHORT || running < most)
        return true;
    return error_set(e, ERROR_OVERLOADED, "",
                     "%zu long requests are under way, at most %zu may wait behind "
                     "those that are computed (queue_depth)",
                     running, s->options.queue_depth);
}

void scheduler_recount(struct scheduler *s, struct job *job)
{
    uint64_t cost = counted(job->cost);
    if (cost == job->counted)
        return;

    struct error e = {0};
    pthread_mutex_lock(&s->lock);
    if (length_fits(s, job, cost, &e) &&
        work_fits(s, cost, s->pending - job->counted, &e)) {
        count_work(s, job->guessed ? WORK_KNOWN : WORK_GUESSED, job->counted, true);
        count_work(s, WORK_KNOWN, cost, false);
        s->running[job_length_of(job->counted)]--;
        s->running[job_length_of(cost)]++;
        job->guessed = job->guessed ? job->guessed : job->counted;
        job->counted = cost;
    }
    pthread_mutex_unlock(&s->lock);
    if (e.code == ERROR_NONE)
        return;
    if (job->error)
        *job->error = e;
    job_stop(job, e.code);
}

static void learn(struct work *w, int64_t ns, uint64_t cost)
{
    w->ns += SMOOTHING * ((double)ns - w->ns);
    w->done += SMOOTHING * ((double)cost - w->done);
}

void scheduler_forget_work(struct scheduler *s, const struct retired_job *job)
{
    enum knowledge k = job->guessed ? WORK_KNOWN : WORK_GUESSED;
    count_work(s, k, job->counted, true);
    if (!job->exemplary)
        return;
    learn(&s->of[job_length_of(job->counted)][k], job->spent_ns, job->counted);
    if (job->guessed && job->guessed != job->counted) /* not what came back to go on */
        learn(&s->of[job_length_of(job->guessed)][WORK_GUESSED], job->spent_ns,
              job->guessed);
}
