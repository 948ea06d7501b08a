#include "service/self_test.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/blas.h"
#include "core/multi_head.h"
#include "service/clock.h"

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
    bool done = layer && multi_head_run_all(layer, arena, e);
    return done ? multi_head_result(layer)->sequence : NULL;
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

/* Of small whole numbers, so that it is exact in any order of adding. */
enum { DEPTH = 37 };
struct whole_product {
    float a[TILE_ROWS][DEPTH], c[TILE_ROWS][TILE_WIDTH];
    _Alignas(64) float b[DEPTH][TILE_WIDTH];
};

static void fill(struct whole_product *p)
{
    for (size_t k = 0; k < DEPTH; k++) {
        for (size_t i = 0; i < TILE_ROWS; i++)
            p->a[i][k] = (float)((i + 3 * k) % 7) - 3;
        for (size_t j = 0; j < TILE_WIDTH; j++)
            p->b[k][j] = (float)((2 * k + j) % 9) - 4;
    }
}

static bool check(const struct whole_product *p, const char *set, size_t i, size_t j,
                  struct error *e)
{
    double want = 0, got = (double)p->c[i][j];
    for (size_t k = 0; k < DEPTH; k++)
        want += (double)p->a[i][k] * (double)p->b[k][j] / 2;
    return got == want ||
           error_set(e, ERROR_INTERNAL, "",
                     "this machine computes wrongly: a product by the %s kernels is "
                     "%.9g, not %.9g",
                     set, got, want);
}

bool self_test_vectors(const struct vector_kernels *set, struct error *e)
{
    struct whole_product p;
    fill(&p);
    for (size_t width = VECTOR_PAD; width <= TILE_WIDTH; width += VECTOR_PAD) {
        set->multiply(&(struct tile_product){.a = p.a[0],
                                             .a_stride = DEPTH,
                                             .b = p.b[0],
                                             .b_stride = TILE_WIDTH,
                                             .width = width,
                                             .depth = DEPTH,
                                             .factor = 0.5f,
                                             .c = p.c[0],
                                             .c_stride = TILE_WIDTH,
                                             .next = p.b[0]});
        for (size_t i = 0; i < TILE_ROWS; i++)
            for (size_t j = 0; j < width; j++)
                if (!check(&p, set->name, i, j, e))
                    return false;
    }
    return true;
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

static bool warm_up(struct self_test *t, struct error *e)
{
    return gather(t, e) &&
           (blas_warm_up() ||
            error_set(e, ERROR_INTERNAL, "",
                      "this machine computes wrongly: a product of whole numbers by "
                      "OpenBLAS is not right"));
}

static bool try_kernels(struct error *e)
{
    bool right = true;
    const struct vector_kernels *set;
    for (size_t n = 0; right && (set = vector_kernels_choice(n)); n++)
        right = self_test_vectors(set, e);
    return right && self_test_kernel(&attention_reference, e) &&
           self_test_kernel(&attention_tiled, e);
}

static void run_part(struct job *job, size_t task, void *scratch)
{
    (void)task, (void)scratch;
    struct self_test *t = (struct self_test *)job; /* its first member */
    struct error e = {0};
    if (t->phase == WARM_UP ? warm_up(t, &e) : try_kernels(&e))
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

static struct self_test *self_test_new(size_t workers, int64_t until_ns)
{
    struct self_test *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->job.next = next_part;
    t->job.finished = nothing_more;
    t->job.deadline_ns = until_ns;
    t->workers = workers;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->all_here, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

static void self_test_delete(struct self_test *t)
{
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->all_here);
    free(t);
}

bool self_test_run(struct scheduler *s, size_t workers, int64_t until_ns,
                   struct error *e)
{
    struct self_test *t = self_test_new(workers, until_ns);
    if (!t)
        return error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the self test");
    bool done = blas_init(e) && blas_core_check(getenv("OPENBLAS_CORETYPE"), e) &&
                scheduler_submit(s, &t->job, e);
    if (done)
        scheduler_drain(s, t->job.deadline_ns);
    if (!scheduler_idle(s)) /* and `t` is still looked at */
        return error_set(e, ERROR_DEADLINE, "", "a worker hangs in the self test");
    if (t->error.code != ERROR_NONE) {
        *e = t->error;
        done = false;
    }
    self_test_delete(t);
    return done;
}
