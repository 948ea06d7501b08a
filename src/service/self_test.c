#include "service/self_test.h"

#include <math.h>
#include <pthread.h>

#include "core/blas.h"
#include "core/multi_head.h"
#include "service/clock.h"

#define START_NS (10 * NS_PER_S)

/* What the self test itself may take; the service's limits do not apply to it. */
#define MEMORY_LIMIT ((size_t)16 << 20)
static const struct attention_limits limits = {.max_batch = 1,
                                               .max_tokens = 1024,
                                               .max_width = 1024,
                                               .max_heads = 1,
                                               .max_map_numbers = 1 << 20,
                                               .answer_limit = MEMORY_LIMIT};

enum { TOKENS = 3, WIDTH = 2 }; /* of the worked example */

/* X is the identity, so Q = wq, K = wk and V = wv. */
static const float identity[TOKENS * TOKENS] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
static const float wq[TOKENS * WIDTH] = {1, 1, 1, 0, 0, 1};
static const float wk[TOKENS * WIDTH] = {1, 0, 0, 1, 1, 1};
static const float wv[TOKENS * WIDTH] = {1, 1, 0, 1, 1, 0};

struct worked_example {
    double weights[TOKENS][TOKENS], output[TOKENS][WIDTH];
};

/* softmax(Q K^T / sqrt(d)) V, row by row as it is written. */
static struct worked_example worked_example(void)
{
    struct worked_example w = {0};
    for (size_t i = 0; i < TOKENS; i++) {
        double sum = 0;
        for (size_t j = 0; j < TOKENS; j++) {
            double score = 0;
            for (size_t c = 0; c < WIDTH; c++)
                score += (double)wq[i * WIDTH + c] * (double)wk[j * WIDTH + c];
            w.weights[i][j] = exp(score / sqrt(WIDTH));
            sum += w.weights[i][j];
        }
        for (size_t j = 0; j < TOKENS; j++) {
            w.weights[i][j] /= sum;
            for (size_t c = 0; c < WIDTH; c++)
                w.output[i][c] += w.weights[i][j] * (double)wv[j * WIDTH + c];
        }
    }
    return w;
}

static struct tensor matrix(const float *data, size_t rows, size_t columns)
{
    return (struct tensor){.data = data, .rank = 2, .extent = {rows, columns}};
}

/* Plans and runs a layer of one head; its result lives in `arena`. */
static const struct sequence_result *compute(const struct attention_kernel *kernel,
                                             const struct attention_input *input,
                                             struct arena *arena, struct error *e)
{
    struct multi_head *layer = multi_head_plan_with(kernel, input, &limits, arena, e);
    if (!layer || !multi_head_run_all(layer, arena, e))
        return NULL;
    return multi_head_result(layer)->sequence;
}

static bool compare(const struct attention_kernel *kernel, const char *what,
                    const float *got, const double *want, size_t count, struct error *e)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= 1e-6))
            return error_set(e, ERROR_INTERNAL, "",
                             "this machine computes wrongly: number %zu of the %s of "
                             "the worked example is %.9g with the %s kernel, not %.9g",
                             i, what, (double)got[i], kernel->name, want[i]);
    return true;
}

bool self_test_kernel(const struct attention_kernel *kernel, struct error *e)
{
    const struct tensor x = matrix(identity, TOKENS, TOKENS);
    const struct attention_input input = {
        .sequences = {.count = 1, .single = true, .item = &x},
        .weights = {.given = true,
                    .wq = matrix(wq, TOKENS, WIDTH),
                    .wk = matrix(wk, TOKENS, WIDTH),
                    .wv = matrix(wv, TOKENS, WIDTH)},
        .maps = MAPS_HEADS};
    struct worked_example want = worked_example();

    struct arena arena;
    arena_init(&arena, MEMORY_LIMIT, NULL);
    const struct sequence_result *got = compute(kernel, &input, &arena, e);
    bool right = got &&
                 compare(kernel, "maps", got->maps, want.weights[0],
                         (size_t)TOKENS * TOKENS, e) &&
                 compare(kernel, "outputs", got->output, want.output[0],
                         (size_t)TOKENS * WIDTH, e);
    arena_free(&arena);
    return right;
}

struct self_test {
    struct job job;
    size_t workers;
    enum { START, WARM_UP, EXAMPLE } phase;

    pthread_mutex_t lock; /* guards the fields below */
    pthread_cond_t all_here;
    size_t here;
    struct error error;
};

/* Waits until every worker has come, so that they multiply at the same moment. */
static bool gather(struct self_test *t, struct error *e)
{
    struct timespec until = {.tv_sec = t->job.deadline_ns / NS_PER_S,
                             .tv_nsec = t->job.deadline_ns % NS_PER_S};
    pthread_mutex_lock(&t->lock);
    if (++t->here == t->workers)
        pthread_cond_broadcast(&t->all_here);
    int failure = 0;
    while (t->here < t->workers && !failure)
        failure = pthread_cond_timedwait(&t->all_here, &t->lock, &until);
    size_t here = t->here;
    pthread_mutex_unlock(&t->lock);
    return here == t->workers ||
           error_set(e, ERROR_INTERNAL, "", "only %zu of %zu workers have started",
                     here, t->workers);
}

static void run_part(struct job *job, size_t task, void *scratch)
{
    (void)task, (void)scratch;
    struct self_test *t = (struct self_test *)job; /* its first member */
    struct error e = {0};
    bool right = t->phase == WARM_UP ? gather(t, &e)
                                     : self_test_kernel(&attention_reference, &e) &&
                                           self_test_kernel(&attention_tiled, &e);
    if (right && t->phase == WARM_UP)
        blas_warm_up();
    if (right)
        return;
    pthread_mutex_lock(&t->lock);
    if (t->error.code == ERROR_NONE)
        t->error = e;
    pthread_mutex_unlock(&t->lock);
    job_stop(job, e.code);
}

static bool next_part(struct job *job)
{
    struct self_test *t = (struct self_test *)job;
    if (atomic_load(&job->stopped) != ERROR_NONE || t->phase == EXAMPLE)
        return false;
    t->phase++;
    job->tasks = t->phase == WARM_UP ? t->workers : 1;
    job->run = run_part;
    return true;
}

static void nothing_more(struct job *job)
{
    (void)job; /* self_test_run() waits for the scheduler to be idle */
}

bool self_test_run(struct scheduler *s, size_t workers, struct error *e)
{
    if (!blas_init(e))
        return false;

    struct self_test t = {.job = {.next = next_part,
                                  .finished = nothing_more,
                                  .deadline_ns = clock_now_ns() + START_NS},
                          .workers = workers};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t.all_here, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&t.lock, NULL);

    bool done = scheduler_submit(s, &t.job, e);
    if (done && !scheduler_drain(s, t.job.deadline_ns))
        done = error_set(e, ERROR_INTERNAL, "", "the self test took over 10 s");
    if (t.error.code != ERROR_NONE) {
        *e = t.error;
        done = false;
    }
    pthread_mutex_destroy(&t.lock);
    pthread_cond_destroy(&t.all_here);
    return done;
}
