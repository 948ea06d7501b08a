#include "core/softmax_rows.h"

#include "core/blas.h"
#include "core/vector_kernels.h"
#include "support/method_case.h"

/* Rows with a gap behind each, as heads beside one another have it. */
struct rows_case {
    struct softmax_rows s;
    float *a, *b, *v, *bias, *out, *lse;
};

static struct rows_case rows_case_random(struct test_random *r)
{
    struct rows_case c = {.s = {.rows = test_random_size(r, 1, 20),
                                .columns = test_random_size(r, 1, 40),
                                .depth = test_random_size(r, 1, 20),
                                .width = test_random_size(r, 1, 40),
                                .factor = 3 * test_random_float(r)}};
    struct softmax_rows *s = &c.s;
    s->a_stride = s->depth + test_random_size(r, 0, 2);
    s->b_stride = s->depth + test_random_size(r, 0, 2);
    s->v_stride = s->width + test_random_size(r, 0, 2);
    s->out_stride = s->width + test_random_size(r, 0, 2);
    s->a = c.a = method_numbers(r, s->rows * s->a_stride);
    s->b = c.b = method_numbers(r, s->columns * s->b_stride);
    s->v = c.v = method_numbers(r, s->columns * s->v_stride);
    c.bias = method_numbers(r, s->columns);
    s->bias = test_random_size(r, 0, 1) ? c.bias : NULL;
    s->out = c.out = method_numbers(r, s->rows * s->out_stride);
    s->lse = c.lse = method_numbers(r, s->rows);
    s->weights = aligned_alloc(64, s->rows * vector_padded(s->columns) * sizeof(float));
    return c;
}

static void rows_case_free(struct rows_case *c)
{
    float *const owned[] = {c->a, c->b, c->v, c->bias, c->out, c->lse, c->s.weights};
    for (size_t n = 0; n < sizeof owned / sizeof *owned; n++)
        free(owned[n]);
}

static void check_row(const struct softmax_rows *s, size_t i)
{
    double *weights = malloc(s->columns * sizeof *weights);
    for (size_t j = 0; j < s->columns; j++) {
        weights[j] = s->bias ? (double)s->bias[j] : 0;
        for (size_t c = 0; c < s->depth; c++)
            weights[j] += (double)s->factor * (double)s->a[i * s->a_stride + c] *
                          (double)s->b[j * s->b_stride + c];
    }
    ck_assert_close(s->lse[i], method_softmax(weights, s->columns), 1e-5, 1e-5);
    for (size_t j = 0; j < s->columns; j++)
        ck_assert_close(s->weights[i * vector_padded(s->columns) + j], weights[j], 1e-4,
                        1e-6);
    for (size_t c = 0; c < s->width; c++) {
        double want = 0;
        for (size_t j = 0; j < s->columns; j++)
            want += weights[j] * (double)s->v[j * s->v_stride + c];
        ck_assert_close(s->out[i * s->out_stride + c], want, 1e-5, 1e-5);
    }
    free(weights);
}

START_TEST(rows_give_the_formula_and_gaps_stay)
{
    struct test_random r = {1};
    struct error e = {0};
    ck_assert(blas_init(&e));
    for (int n = 0; n < 200; n++) {
        struct rows_case c = rows_case_random(&r);
        float last = c.out[c.s.rows * c.s.out_stride - 1];
        softmax_rows_logits(&c.s);
        ck_assert(softmax_rows_finish(&c.s));
        for (size_t i = 0; i < c.s.rows; i++)
            check_row(&c.s, i);
        if (c.s.out_stride > c.s.width)
            ck_assert(c.out[c.s.rows * c.s.out_stride - 1] == last);
        rows_case_free(&c);
    }
}
END_TEST

START_TEST(strange_logits_make_their_row_nan_and_no_other)
{
    static const float strange[] = {INFINITY, NAN};
    struct test_random r = {2};
    struct error e = {0};
    ck_assert(blas_init(&e));
    for (int n = 0; n < 40; n++) {
        struct rows_case c = rows_case_random(&r);
        softmax_rows_logits(&c.s);
        size_t row = test_random_size(&r, 0, c.s.rows - 1);
        size_t column = test_random_size(&r, 0, c.s.columns - 1);
        c.s.weights[row * vector_padded(c.s.columns) + column] = strange[n % 2];
        ck_assert(!softmax_rows_finish(&c.s));
        for (size_t i = 0; i < c.s.rows; i++)
            if (i == row)
                ck_assert(isnan(c.out[i * c.s.out_stride]));
            else
                check_row(&c.s, i);
        rows_case_free(&c);
    }
}
END_TEST

START_TEST(a_row_of_logits_below_all_numbers_is_nan)
{
    float weights[16] __attribute__((aligned(64))) = {-INFINITY, -INFINITY}, out[2];
    const float v[2] = {1, 2};
    const struct softmax_rows s = {.rows = 1,
                                   .columns = 2,
                                   .width = 1,
                                   .v = v,
                                   .v_stride = 1,
                                   .weights = weights,
                                   .out = out,
                                   .out_stride = 1};
    struct error e = {0};
    ck_assert(blas_init(&e));
    ck_assert(!softmax_rows_finish(&s));
    ck_assert(isnan(out[0]));
}
END_TEST

TEST_PROGRAM("softmax_rows", rows_give_the_formula_and_gaps_stay,
             strange_logits_make_their_row_nan_and_no_other,
             a_row_of_logits_below_all_numbers_is_nan)
