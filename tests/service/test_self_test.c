#include "service/self_test.h"

#include "core/blas.h"
#include "service/clock.h"
#include "support/test.h"

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
        ck_assert_msg(self_test_run(s, counts[i], &e), "%s", e.message);
        scheduler_delete(s);
    }
}
END_TEST

TEST_PROGRAM("self_test", both_kernels_compute_the_worked_example,
             a_kernel_that_computes_wrongly_is_found_out, every_worker_takes_part)
