#include "core/blas.h"

#include <cblas.h>

#include "support/test.h"

START_TEST(a_call_uses_one_thread)
{
    openblas_set_num_threads(2);
    struct error e = {0};
    ck_assert_msg(blas_init(&e), "%s", e.message);
    ck_assert_int_eq(openblas_get_num_threads(), 1);
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

START_TEST(a_warm_library_still_multiplies)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    blas_warm_up();
    const float two = 2, three = 3;
    ck_assert(cblas_sdot(1, &two, 1, &three, 1) == 6);
}
END_TEST

TEST_PROGRAM("blas", a_call_uses_one_thread, a_warm_library_still_multiplies,
             the_library_is_described_in_three_words)
