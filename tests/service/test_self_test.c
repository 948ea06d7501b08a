#include "service/self_test.h"

#include <cblas.h>
#include <semaphore.h>

#include "core/blas.h"
#include "service/clock.h"
#include "support/scarce.h"
#include "support/test.h"
#include "support/wrong_sgemm.h"

START_TEST(both_kernels_compute_the_worked_example)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    ck_assert_msg(self_test_kernel(&attention_reference, &e), "%s", e.message);
    ck_assert_msg(self_test_kernel(&attention_tiled, &e), "%s", e.message);
}
END_TEST

/* The reference kernel with one of its numbers off. */
static bool run_badly(const struct attention *a, const void *packed, size_t tile,
                      void *scratch)
{
    bool finite = attention_reference.run(a, packed, tile, scratch);
    a->out[0] += 1e-5f;
    return finite;
}

static bool run_to_nan(const struct attention *a, const void *packed, size_t tile,
                       void *scratch)
{
    bool finite = attention_reference.run(a, packed, tile, scratch);
    a->maps[0] = NAN;
    return finite;
}

START_TEST(a_kernel_that_computes_wrongly_is_found_out)
{
    struct attention_kernel bad = attention_reference;
    struct error e = {0};
    ck_assert(blas_init(&e));
    bad.name = "bad";
    bad.run = run_badly;
    ck_assert(!self_test_kernel(&bad, &e));
    ck_assert_int_eq(e.code, ERROR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(e.message, "number 0 of the outputs"));
    ck_assert_ptr_nonnull(strstr(e.message, "with the bad kernel"));

    e = (struct error){0};
    bad.run = run_to_nan;
    ck_assert(!self_test_kernel(&bad, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "number 0 of the maps"));
}
END_TEST

START_TEST(every_worker_takes_part)
{
    static const size_t counts[] = {1, 2, 7, 33};
    for (size_t i = 0; i < 4; i++) {
        const struct scheduler_options options = {.workers = counts[i],
                                                  .queue_depth = 1,
                                                  .queue_wait_ns = NS_PER_S,
                                                  .scratch_limit = 1};
        struct error e = {0};
        struct scheduler *s = scheduler_new(&options, &e);
        ck_assert_ptr_nonnull(s);
        ck_assert_msg(self_test_run(s, counts[i], clock_now_ns() + 60 * NS_PER_S, &e),
                      "%s", e.message);
        scheduler_delete(s);
    }
}
END_TEST

/* In the place of the library's own. */
static int parallel = 1;

int openblas_get_parallel(void)
{
    return parallel;
}

/* The refusal of a whole self test by `workers` threads. */
static struct error refusal(size_t workers)
{
    const struct scheduler_options options = {
        .workers = 2, .queue_depth = 1, .queue_wait_ns = NS_PER_S, .scratch_limit = 1};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_ptr_nonnull(s);
    ck_assert(!self_test_run(s, workers, clock_now_ns() + NS_PER_S / 5, &e));
    scheduler_delete(s);
    return e;
}

START_TEST(a_library_that_is_not_fit_is_refused)
{
    parallel = 0;
    ck_assert_ptr_nonnull(strstr(refusal(2).message, "serial build"));
    parallel = 1;

    setenv("OPENBLAS_CORETYPE", "Nonsense", 1);
    ck_assert_ptr_nonnull(
        strstr(refusal(2).message, "OPENBLAS_CORETYPE asks for Nonsense"));
    unsetenv("OPENBLAS_CORETYPE");

    error_of_product = 1;
    struct error e = refusal(2);
    ck_assert_int_eq(e.code, ERROR_INTERNAL);
    ck_assert_str_eq(e.message, "this machine computes wrongly: a product of whole "
                                "numbers by OpenBLAS is not right");
    error_of_product = 0;
}
END_TEST

START_TEST(without_memory_nothing_is_tested)
{
    const struct scheduler_options options = {
        .workers = 1, .queue_depth = 1, .queue_wait_ns = NS_PER_S, .scratch_limit = 1};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_ptr_nonnull(s);
    if (scarce_memory_begin()) {
        bool right = self_test_run(s, 1, clock_now_ns() + NS_PER_S, &e);
        scarce_memory_end();
        ck_assert(!right);
        ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
    }
    scheduler_delete(s);
}
END_TEST

START_TEST(every_worker_must_come)
{
    struct error e = refusal(3);
    ck_assert_int_eq(e.code, ERROR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(e.message, "of 3 workers have started"));
}
END_TEST

static const struct vector_kernels *best;

static void multiply_badly(const struct tile_product *p)
{
    best->multiply(p);
    p->c[5 * p->c_stride + p->width - 1] += 0.5f;
}

START_TEST(every_set_of_vector_kernels_is_tried)
{
    struct error e = {0};
    const struct vector_kernels *set;
    for (size_t n = 0; (set = vector_kernels_choice(n)); n++)
        ck_assert_msg(self_test_vectors(set, &e), "%s", e.message);

    best = vector_kernels_choice(0);
    struct vector_kernels bad = *best;
    bad.name = "bad";
    bad.multiply = multiply_badly;
    ck_assert(!self_test_vectors(&bad, &e));
    ck_assert_int_eq(e.code, ERROR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(e.message, "by the bad kernels"));
}
END_TEST

/* One worker, which another job keeps. */
struct holder {
    struct job job;
    sem_t held, go;
    bool begun;
};

static void hold(struct job *job, size_t task, void *scratch)
{
    (void)task, (void)scratch;
    struct holder *h = (struct holder *)job;
    sem_post(&h->held);
    sem_wait(&h->go);
}

static bool hold_once(struct job *job)
{
    struct holder *h = (struct holder *)job;
    job->run = hold;
    job->tasks = 1;
    bool first = !h->begun;
    h->begun = true;
    return first;
}

static void forget(struct job *job)
{
    (void)job;
}

/* What a hanging worker looks at is left, as it must be. */
__attribute__((weak)) void __lsan_disable(void);

START_TEST(a_worker_that_hangs_is_not_waited_for)
{
    if (__lsan_disable)
        __lsan_disable();
    const struct scheduler_options options = {.workers = 1,
                                              .queue_depth = 2,
                                              .queue_wait_ns = NS_PER_S,
                                              .scratch_limit = 1,
                                              .patience_ns = NS_PER_MS};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_ptr_nonnull(s);
    struct holder h = {
        .job = {.next = hold_once, .finished = forget, .deadline_ns = INT64_MAX}};
    sem_init(&h.held, 0, 0);
    sem_init(&h.go, 0, 0);
    ck_assert(scheduler_submit(s, &h.job, &e));
    sem_wait(&h.held);
    ck_assert(!self_test_run(s, 1, clock_now_ns() + NS_PER_MS, &e));
    ck_assert_int_eq(e.code, ERROR_DEADLINE);
    ck_assert_str_eq(e.message, "a worker hangs in the self test");
    sem_post(&h.go);
    scheduler_drain(s, clock_now_ns() + 60 * NS_PER_S);
    ck_assert(scheduler_idle(s));
    scheduler_delete(s);
}
END_TEST

TEST_PROGRAM("self_test", both_kernels_compute_the_worked_example,
             a_kernel_that_computes_wrongly_is_found_out,
             a_library_that_is_not_fit_is_refused, without_memory_nothing_is_tested,
             every_worker_must_come, every_set_of_vector_kernels_is_tried,
             every_worker_takes_part, a_worker_that_hangs_is_not_waited_for)
