/* Thousands of requests that mix all options, through every kernel, against the
 * operator in float64. See settings.h to draw more. */
#include <stdio.h>

#include "core/blas.h"
#include "core/multi_head.h"
#include "property/operator_check.h"
#include "property/operator_json.h"
#include "property/operator_random.h"
#include "property/settings.h"
#include "support/kernels.h"

static void check_case(const struct attention_input *in, const char *what,
                       struct arena *arena)
{
    const struct operator_answer *want = float64_operator(in, arena);
    for (size_t k = 0; k < KERNELS; k++) {
        struct error e = {0};
        struct multi_head *m =
            multi_head_plan_with(kernels[k], in, &property_limits, arena, &e);
        ck_assert_msg(m && multi_head_run_all(m, arena, &e), "%s: %s: %s", what, e.path,
                      e.message);
        operator_check(in, want, multi_head_result(m), what);
    }
}

/* Short ones mostly: what goes wrong goes wrong at edges, and they are quick. */
static size_t longest(size_t n)
{
    return n % 50 == 0 ? 70 : n % 10 == 0 ? 33 : 11;
}

static void check_number(size_t seed, size_t n, bool show)
{
    static const struct operator_form nested = {0};
    struct test_random r = property_random(seed, n);
    struct arena arena;
    char what[64];
    arena_init(&arena, (size_t)1 << 28, NULL);
    snprintf(what, sizeof what, "seed %zu, case %zu", seed, n);
    struct attention_input in = random_operator(&r, 4, longest(n), &arena);
    if (show) {
        char *text = operator_json_write(&in, &nested, &r);
        puts(text);
        fflush(stdout);
        free(text);
    }
    check_case(&in, what, &arena);
    arena_free(&arena);
}

START_TEST(every_mixture_of_options_is_what_float64_computes)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    size_t seed = property_setting("ATTENTIOND_PROPERTY_SEED", 23);
    size_t cases = property_setting("ATTENTIOND_PROPERTY_CASES", 3000);
    size_t one = property_setting("ATTENTIOND_PROPERTY_CASE", SIZE_MAX);
    if (one < SIZE_MAX)
        check_number(seed, one, true);
    for (size_t n = 0; one == SIZE_MAX && n < cases; n++)
        check_number(seed, n, false);
}
END_TEST

TEST_PROGRAM("operator", every_mixture_of_options_is_what_float64_computes)
