#include "core/attention.h"

#include "support/attention_case.h"
#include "support/kernels.h"

static void agrees(struct attention_case *c, struct test_random *r)
{
    attention_case_agrees(c, kernels, KERNELS, r);
}

START_TEST(random_problems_agree_with_float64)
{
    struct test_random r = {20260101};
    for (int n = 0; n < 150; n++)
        agrees(attention_case_random(&r, 2e6), &r);
    for (int n = 0; n < 4; n++)
        agrees(attention_case_random(&r, 3e7), &r);
}
END_TEST

START_TEST(every_small_size_agrees_with_float64)
{
    struct test_random r = {7};
    for (size_t T = 1; T <= 14; T++)
        for (size_t S = 1; S <= 20; S++) {
            struct attention_case *c =
                attention_case_plain(&r, 1, T, S, (T * S) % 19 + 1, HEADS_OUTSIDE);
            c->a.causal = S % 2;
            agrees(c, &r);
        }
}
END_TEST

START_TEST(rows_of_weights_sum_to_one)
{
    struct test_random r = {3};
    struct attention_case *c = attention_case_plain(&r, 2, 37, 300, 24, HEADS_INSIDE);
    for (size_t k = 0; k < KERNELS; k++) {
        ck_assert(attention_case_run(c, kernels[k], &r));
        for (size_t row = 0; row < 2 * 37; row++) {
            double sum = 0;
            for (size_t j = 0; j < 300; j++)
                sum += (double)c->maps[row * 300 + j];
            ck_assert_close(sum, 1.0, 2e-6, 0.0);
        }
    }
    attention_case_delete(c);
}
END_TEST

/* Runs twice, the second time after `change`; the outputs must be the same bytes. */
static void changes_nothing(struct attention_case *c, const struct attention_kernel *k,
                            struct test_random *r,
                            void (*change)(struct attention_case *c))
{
    ck_assert(attention_case_run(c, k, r));
    size_t bytes = c->out_count * sizeof(float);
    float *before = malloc(bytes);
    ck_assert_ptr_nonnull(before);
    memcpy(before, c->out, bytes);
    change(c);
    ck_assert(attention_case_run(c, k, r));
    ck_assert_msg(memcmp(before, c->out, bytes) == 0, "%s: other bytes", k->name);
    free(before);
    attention_case_delete(c);
}

/* Keys and values of the second half become large, but stay finite. */
static void change_the_future(struct attention_case *c)
{
    const struct attention *a = &c->a;
    for (size_t n = a->S / 2 * a->dk; n < a->S * a->dk; n++)
        c->key[n] = 3e38f;
    for (size_t n = a->S / 2 * a->dv; n < a->S * a->dv; n++)
        c->value[n] = -3e38f;
}

START_TEST(causal_hides_the_future)
{
    struct test_random r = {5};
    for (size_t k = 0; k < KERNELS; k++) {
        struct attention_case *c =
            attention_case_plain(&r, 1, 70, 140, 16, HEADS_OUTSIDE);
        c->a.causal = true; /* query 69 stands on key 69, the last before the change */
        changes_nothing(c, kernels[k], &r, change_the_future);
    }
}
END_TEST

static void change_no_input(struct attention_case *c)
{
    (void)c;
}

START_TEST(tiles_in_any_order_give_the_same_bytes)
{
    struct test_random r = {11};
    for (size_t k = 0; k < KERNELS; k++) {
        struct attention_case *c =
            attention_case_plain(&r, 3, 200, 200, 40, HEADS_INSIDE);
        changes_nothing(c, kernels[k], &r, change_no_input);
    }
}
END_TEST

static void ask_for_the_output_alone(struct attention_case *c)
{
    c->a.maps = c->a.mean_map = c->a.lse = NULL;
    c->a.map_head_count = 0;
}

START_TEST(asking_for_maps_leaves_the_output_as_it_is)
{
    struct test_random r = {13};
    for (size_t k = 0; k < KERNELS; k++) {
        struct attention_case *c =
            attention_case_plain(&r, 3, 75, 131, 40, HEADS_INSIDE);
        changes_nothing(c, kernels[k], &r, ask_for_the_output_alone);
    }
}
END_TEST

static void swap_rows(float *rows, size_t stride, size_t i, size_t j)
{
    for (size_t n = 0; n < stride; n++) {
        float kept = rows[i * stride + n];
        rows[i * stride + n] = rows[j * stride + n];
        rows[j * stride + n] = kept;
    }
}

START_TEST(permuting_keys_and_values_together_changes_nothing)
{
    enum { S = 90, WIDTH = 20 };
    struct test_random r = {17};
    struct attention_case *c = attention_case_plain(&r, 1, 10, S, WIDTH, HEADS_OUTSIDE);
    attention_case_solve(c);
    for (size_t k = 0; k < KERNELS; k++) {
        for (size_t j = S - 1; j > 0; j--) {
            size_t other = test_random_size(&r, 0, j);
            swap_rows(c->key, WIDTH, j, other);
            swap_rows(c->value, WIDTH, j, other);
        }
        ck_assert(attention_case_run(c, kernels[k], &r));
        for (size_t n = 0; n < 10 * WIDTH; n++)
            ck_assert_close(c->out[n], c->true_out[n], 1e-5, 2e-6);
    }
    attention_case_delete(c);
}
END_TEST

static void row_is_empty(const struct attention_case *c, size_t h, size_t i,
                         const char *kernel)
{
    const struct attention *a = &c->a;
    for (size_t e = 0; e < a->dv; e++)
        ck_assert_msg(attention_case_out(c, h, i, e) == 0.0f, "%s: output", kernel);
    for (size_t j = 0; j < a->S; j++)
        ck_assert_msg(c->maps[((a->H - 1 - h) * a->T + i) * a->S + j] == 0.0f,
                      "%s: weight", kernel);
    ck_assert_msg(c->lse[h * a->T + i] == -INFINITY, "%s: lse", kernel);
}

/* Hides key j from query i of head h. */
static void hide(struct attention_case *c, size_t h, size_t i, size_t j)
{
    size_t cell = (h * c->a.T + i) * c->a.S + j;
    if (c->bias)
        c->bias[cell] = -INFINITY;
    else
        c->allowed[cell] = 0;
}

START_TEST(a_row_without_an_allowed_key_is_zero_and_its_lse_minus_infinity)
{
    struct test_random r = {19};
    for (size_t n = 0; n < 2 * KERNELS; n++) {
        struct attention_case *c = attention_case_plain(&r, 2, 9, 30, 5, HEADS_OUTSIDE);
        attention_case_allow_all(c, n % 2);
        for (size_t j = 0; j < 30; j++)
            hide(c, 1, 4, j);
        ck_assert(attention_case_run(c, kernels[n / 2], &r));
        row_is_empty(c, 1, 4, kernels[n / 2]->name);
        ck_assert(isfinite(c->lse[9 + 3]) && isfinite(c->lse[9 + 5]));
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(a_row_of_very_negative_biases_is_not_empty)
{
    struct test_random r = {20};
    for (size_t k = 0; k < KERNELS; k++) {
        struct attention_case *c = attention_case_plain(&r, 1, 2, 30, 5, HEADS_OUTSIDE);
        attention_case_allow_all(c, true);
        for (size_t j = 0; j < 30; j++)
            c->bias[j] = -1e30f; /* so large that the scores vanish beside it */
        ck_assert(attention_case_run(c, kernels[k], &r));
        for (size_t j = 0; j < 30; j++)
            ck_assert_close(c->maps[j], 1.0 / 30, 1e-6, 0.0);
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(rows_before_the_first_key_are_empty)
{
    struct test_random r = {23};
    for (size_t k = 0; k < KERNELS; k++) {
        struct attention_case *c =
            attention_case_plain(&r, 1, 100, 80, 5, HEADS_OUTSIDE);
        c->a.causal = true;
        c->a.offset = -50;
        ck_assert(attention_case_run(c, kernels[k], &r));
        for (size_t i = 0; i < 50; i++)
            row_is_empty(c, 0, i, kernels[k]->name);
        ck_assert(c->maps[50 * 80] == 1.0f && isfinite(c->lse[50]));
        attention_case_delete(c);
    }
}
END_TEST

enum { HUGE_KEY = 13 };

/* Its scores become infinite, or NaN as a sum of both infinities. */
static void make_one_key_huge(struct attention_case *c)
{
    for (size_t e = 0; e < c->a.dk; e++)
        c->key[HUGE_KEY * c->a.key.row_stride + e] = e % 2 ? -3e38f : 3e38f;
    for (size_t e = 0; e < c->a.dv; e++)
        c->value[HUGE_KEY * c->a.value.row_stride + e] = 3e38f;
}

START_TEST(a_masked_key_does_not_reach_the_output_however_large)
{
    struct test_random r = {29};
    for (size_t n = 0; n < 2 * KERNELS; n++) {
        struct attention_case *c =
            attention_case_plain(&r, 1, 9, 30, 50, HEADS_OUTSIDE);
        for (size_t at = 0; at < c->query_count; at++)
            c->query[at] *= 100.0f;
        attention_case_allow_all(c, n % 2);
        for (size_t i = 0; i < 9; i++)
            hide(c, 0, i, HUGE_KEY);
        changes_nothing(c, kernels[n / 2], &r, make_one_key_huge);
    }
}
END_TEST

static void fill(float *x, size_t count, float number)
{
    for (size_t n = 0; n < count; n++)
        x[n] = number;
}

static const struct {
    float query, key, value; /* of every number */
    bool finite;
} extremes[] = {
    {1e20f, 1e20f, 1, false}, /* every score is too large */
    {1e20f, -1e20f, 1, false}, {1e10f, 1e10f, 1, true},
    {1, 1, 3e38f, true}, /* a mean of large numbers is no larger */
    {1, 1, -3e38f, true},      {1e-30f, 1e-30f, 1e-37f, true},
};

START_TEST(numbers_that_leave_float32_are_reported_and_no_others)
{
    enum { ROWS = sizeof extremes / sizeof *extremes };
    struct test_random r = {31};
    for (size_t n = 0; n < ROWS * KERNELS; n++) {
        size_t row = n % ROWS;
        const struct attention_kernel *kernel = kernels[n / ROWS];
        struct attention_case *c =
            attention_case_plain(&r, 1, 8, 500, 3, HEADS_OUTSIDE);
        fill(c->query, c->query_count, extremes[row].query);
        fill(c->key, c->key_count, extremes[row].key);
        fill(c->value, c->value_count, extremes[row].value);
        bool finite = attention_case_run(c, kernel, &r);
        ck_assert_msg(finite == extremes[row].finite, "%s: row %zu", kernel->name, row);
        if (finite)
            ck_assert_close(attention_case_out(c, 0, 7, 2), extremes[row].value, 1e-5,
                            0.0);
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(one_score_beyond_float32_is_reported_wherever_it_stands)
{
    struct test_random r = {37};
    for (size_t n = 0; n < 70 * KERNELS; n += 7) {
        const struct attention_kernel *kernel = kernels[n / 70];
        struct attention_case *c = attention_case_plain(&r, 1, 8, 70, 2, HEADS_INSIDE);
        c->query[7 * c->a.query.row_stride] = 1e30f;
        c->key[n % 70 * c->a.key.row_stride] = 1e30f;
        ck_assert_msg(!attention_case_run(c, kernel, &r), "%s: key %zu", kernel->name,
                      n % 70);
        attention_case_delete(c);
    }
}
END_TEST

TEST_PROGRAM("attention", random_problems_agree_with_float64,
             every_small_size_agrees_with_float64, rows_of_weights_sum_to_one,
             causal_hides_the_future, tiles_in_any_order_give_the_same_bytes,
             asking_for_maps_leaves_the_output_as_it_is,
             permuting_keys_and_values_together_changes_nothing,
             a_row_without_an_allowed_key_is_zero_and_its_lse_minus_infinity,
             a_row_of_very_negative_biases_is_not_empty,
             rows_before_the_first_key_are_empty,
             a_masked_key_does_not_reach_the_output_however_large,
             numbers_that_leave_float32_are_reported_and_no_others,
             one_score_beyond_float32_is_reported_wherever_it_stands)
