#include "core/blas.h"

#include <cblas.h>
#include <stdio.h>

#include "support/test.h"
#include "support/wrong_sgemm.h"

/* In the place of the library's own, as the program's come first: what is asked of a
 * library that is not fit. */
static int parallel = 1, threads_taken = 1;
static const char *core = "Haswell";

int openblas_get_parallel(void)
{
    return parallel;
}

static int threads_set;
void openblas_set_num_threads(int threads)
{
    threads_set = threads;
}

int openblas_get_num_threads(void)
{
    return threads_taken;
}

char *openblas_get_corename(void)
{
    static char name[32];
    snprintf(name, sizeof name, "%s", core);
    return name;
}

START_TEST(a_call_uses_one_thread)
{
    struct error e = {0};
    ck_assert_msg(blas_init(&e), "%s", e.message);
    ck_assert_int_eq(threads_set, 1);

    threads_taken = 2;
    ck_assert(!blas_init(&e));
    ck_assert_int_eq(e.code, ERROR_INTERNAL);
    ck_assert_str_eq(e.message, "OpenBLAS uses 2 threads a call, not one");
    threads_taken = 1;
}
END_TEST

START_TEST(a_serial_build_is_refused)
{
    struct error e = {0};
    parallel = 0;
    ck_assert(!blas_init(&e));
    ck_assert_ptr_nonnull(strstr(e.message, "serial build"));
    parallel = 1;
}
END_TEST

static bool core_passes(const char *name, const char *wish)
{
    struct error e = {0};
    core = name;
    bool passes = blas_core_check(wish, &e);
    ck_assert_int_eq(e.code, passes ? ERROR_NONE : ERROR_INTERNAL);
    return passes;
}

START_TEST(the_kernels_are_those_that_were_asked_for)
{
    ck_assert(core_passes("Prescott", NULL));
    ck_assert(core_passes("Prescott", ""));
    ck_assert(core_passes("Prescott", "prescott"));
    ck_assert(!core_passes("Prescott", "Nehalem"));
    ck_assert(!core_passes("Prescott", "Prescott2"));
}
END_TEST

/* The CPU that runs this has them or not: both are right, when they are the same for
 * all that need the same. */
START_TEST(the_kernels_are_some_that_the_cpu_can_run)
{
#if defined __x86_64__
    ck_assert_int_eq(core_passes("SkylakeX", NULL),
                     !!__builtin_cpu_supports("avx512f"));
    ck_assert_int_eq(core_passes("Cooperlake", NULL),
                     !!__builtin_cpu_supports("avx512f"));
    ck_assert_int_eq(core_passes("Haswell", NULL), !!__builtin_cpu_supports("avx2"));
    ck_assert_int_eq(core_passes("Zen", NULL), !!__builtin_cpu_supports("avx2"));
    ck_assert_int_eq(core_passes("Excavator", NULL), !!__builtin_cpu_supports("fma4"));
#endif
}
END_TEST

START_TEST(the_library_is_described_in_three_words)
{
    char text[64];
    blas_description(text, sizeof text);
    ck_assert_msg(strncmp(text, "OpenBLAS 0.", 11) == 0, "%s", text);
    ck_assert_str_eq(strrchr(text, ' ') + 1, openblas_get_corename());

    char cut[9];
    blas_description(cut, sizeof cut);
    ck_assert_str_eq(cut, "OpenBLAS");
}
END_TEST

START_TEST(a_wrong_product_is_seen)
{
    ck_assert(blas_warm_up());
    error_of_product = 1;
    ck_assert(!blas_warm_up());
    error_of_product = NAN;
    ck_assert(!blas_warm_up());
    error_of_product = 0;
}
END_TEST

TEST_PROGRAM("blas", a_call_uses_one_thread, a_serial_build_is_refused,
             the_kernels_are_those_that_were_asked_for,
             the_kernels_are_some_that_the_cpu_can_run, a_wrong_product_is_seen,
             the_library_is_described_in_three_words)
