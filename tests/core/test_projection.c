#include "core/projection.h"

#include <float.h>

#include "core/blas.h"
#include "support/test.h"

static float *some_numbers(struct test_random *r, size_t count)
{
    float *out = malloc(count * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = test_random_float(r);
    return out;
}

/* All blocks, the last one first: their order does not matter. */
static bool run_all(const struct projection *p)
{
    void *scratch = malloc(projection_scratch_bytes(p) + 1);
    bool finite = true;
    for (size_t block = projection_blocks(p); block-- > 0;)
        finite &= projection_run(p, block, scratch);
    free(scratch);
    return finite;
}

START_TEST(every_shape_agrees_with_the_reference)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    struct test_random r = {7};
    for (int round = 0; round < 60; round++) {
        bool multiplied = round % 4 != 0;
        struct projection p = {.rows = test_random_size(&r, 1, round % 8 ? 40 : 400),
                               .heads = test_random_size(&r, 1, 5),
                               .width = test_random_size(&r, 1, 20)};
        size_t columns = p.heads * p.width;
        p.in = multiplied ? test_random_size(&r, 1, 70) : columns;
        float *x = some_numbers(&r, p.rows * p.in),
              *w = some_numbers(&r, p.in * columns);
        float *bias = some_numbers(&r, columns);
        float *got = malloc(p.rows * columns * sizeof *got);
        float *want = malloc(p.rows * columns * sizeof *want);
        p.x = x;
        p.w = multiplied ? w : NULL;
        p.bias = multiplied && round % 2 ? bias : NULL;

        p.out = got;
        ck_assert(run_all(&p));
        p.out = want;
        ck_assert(projection_reference(&p));
        /* Sums of up to 70 products of numbers below 1, each rounded once. */
        for (size_t i = 0; i < p.rows * columns; i++)
            ck_assert_close(got[i], want[i], 1e-6, 1e-5);

        free(x);
        free(w);
        free(bias);
        free(got);
        free(want);
    }
}
END_TEST

START_TEST(without_a_result_there_is_nothing_to_do)
{
    const struct projection p = {.rows = 200, .in = 3, .heads = 2, .width = 2};
    ck_assert_uint_eq(projection_blocks(&p), 0);
    ck_assert_uint_eq(projection_scratch_bytes(&p), 0);
}
END_TEST

START_TEST(a_number_outside_float32_is_told)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    const struct {
        float x, w, bias;
        bool finite;
    } rows[] = {
        {1e30f, 1e8f, 0, true}, {1e30f, 1e9f, 0, false},    {-1e30f, 1e9f, 0, false},
        {FLT_MAX, 1, 0, true},  {FLT_MAX, 1, 1e38f, false}, {1, 1, FLT_MAX, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float out[2];
        const float w[2] = {0, rows[i].w}, bias[2] = {0, rows[i].bias};
        const struct projection p = {.rows = 1,
                                     .in = 1,
                                     .heads = 2,
                                     .width = 1,
                                     .x = &rows[i].x,
                                     .w = w,
                                     .bias = bias,
                                     .out = out};
        ck_assert_msg(run_all(&p) == rows[i].finite, "row %zu", i);
        ck_assert_msg(projection_reference(&p) == rows[i].finite, "row %zu", i);
    }
}
END_TEST

START_TEST(wherever_in_a_row_it_stands)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    const float x = 1e30f;
    for (size_t heads = 1; heads <= 3; heads++)
        for (size_t at = 0; at < heads * 7; at++) {
            float w[21] = {0}, out[21];
            w[at] = 1e30f;
            const struct projection p = {.rows = 1,
                                         .in = 1,
                                         .heads = heads,
                                         .width = 7,
                                         .x = &x,
                                         .w = w,
                                         .out = out};
            ck_assert_msg(!run_all(&p), "column %zu of %zu", at, heads * 7);
            w[at] = 1;
            ck_assert(run_all(&p));
        }
}
END_TEST

START_TEST(what_is_only_split_keeps_the_sign_of_zero)
{
    const float x[2][4] = {{-0.0f, 0, 1, -0.0f}, {2, -0.0f, -0.0f, 0}};
    const float want[4][2] = {{-0.0f, 0}, {2, -0.0f}, {1, -0.0f}, {-0.0f, 0}};
    float out[4][2];
    const struct projection p = {
        .rows = 2, .in = 4, .heads = 2, .width = 2, .x = x[0], .out = out[0]};
    ck_assert(run_all(&p));
    ck_assert_mem_eq(out, want, sizeof want);
}
END_TEST

TEST_PROGRAM("projection", every_shape_agrees_with_the_reference,
             without_a_result_there_is_nothing_to_do, a_number_outside_float32_is_told,
             wherever_in_a_row_it_stands, what_is_only_split_keeps_the_sign_of_zero)
