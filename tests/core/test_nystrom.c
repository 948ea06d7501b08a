#include "core/nystrom.h"

#include "core/blas.h"
#include "support/method_case.h"

static void setup(void)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
}

/* Row-major [rows][columns] float64, the caller's to free(). */
static double *matrix(size_t rows, size_t columns)
{
    return calloc(rows * columns, sizeof(double));
}

/* to = x y, of [n][k] and [k][w] */
static void multiply(double *to, const double *x, const double *y, size_t n, size_t k,
                     size_t w)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < w; c++) {
            double sum = 0;
            for (size_t j = 0; j < k; j++)
                sum += x[i * k + j] * y[j * w + c];
            to[i * w + c] = sum;
        }
}

/* x = number I - x */
static void subtract_from(double number, double *x, size_t m)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++)
            x[i * m + j] = (i == j ? number : 0) - x[i * m + j];
}

/* The iteration of the header, product by product. */
static double *pseudo_inverse(const double *a, size_t m)
{
    double columns = 0, rows = 0, *z = matrix(m, m), *az = matrix(m, m);
    double *x = matrix(m, m), *y = matrix(m, m);
    for (size_t i = 0; i < m; i++) {
        double row = 0, column = 0;
        for (size_t j = 0; j < m; j++) {
            row += fabs(a[i * m + j]);
            column += fabs(a[j * m + i]);
        }
        rows = fmax(rows, row);
        columns = fmax(columns, column);
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++)
            z[i * m + j] = a[j * m + i] / rows / columns;
    for (int n = 0; n < 6; n++) {
        multiply(az, a, z, m, m, m);
        memcpy(x, az, m * m * sizeof *x);
        subtract_from(7, x, m);
        multiply(y, az, x, m, m, m);
        subtract_from(15, y, m);
        multiply(x, az, y, m, m, m);
        subtract_from(13, x, m);
        multiply(y, z, x, m, m, m);
        for (size_t i = 0; i < m * m; i++)
            z[i] = y[i] / 4;
    }
    free(az);
    free(x);
    free(y);
    return z;
}

typedef double element(const struct attention_case *c, size_t h, size_t i,
                       size_t channel);

/* Means of the segments of rows: [landmarks][dk]. */
static double *landmarks_of(const struct attention_case *c, size_t h, element *of,
                            size_t rows)
{
    size_t m = c->a.method->landmarks;
    double *mean = matrix(m, c->a.dk);
    for (size_t l = 0; l < m; l++) {
        size_t from = l * rows / m, to = (l + 1) * rows / m;
        for (size_t i = from; i < to; i++)
            for (size_t channel = 0; channel < c->a.dk; channel++)
                mean[l * c->a.dk + channel] +=
                    of(c, h, i, channel) / (double)(to - from);
    }
    return mean;
}

static double *rows_of(const struct attention_case *c, size_t h, element *of,
                       size_t rows, size_t width)
{
    double *all = matrix(rows, width);
    for (size_t i = 0; i < rows; i++)
        for (size_t channel = 0; channel < width; channel++)
            all[i * width + channel] = of(c, h, i, channel);
    return all;
}

/* softmax(scale x y^T) */
static double *weights_of(const struct attention_case *c, const double *x, size_t rows,
                          const double *y, size_t columns)
{
    double *weights = matrix(rows, columns);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++)
            for (size_t channel = 0; channel < c->a.dk; channel++)
                weights[i * columns + j] += (double)c->a.scale *
                                            x[i * c->a.dk + channel] *
                                            y[j * c->a.dk + channel];
        method_softmax(weights + i * columns, columns);
    }
    return weights;
}

/* The header's formula for head h: [T][dv]. `*cancels` becomes how many times larger
 * than 1 the numbers of A+ are: what rounding the factors to float32 is multiplied by.
 */
static double *true_head(const struct attention_case *c, size_t h, double *cancels)
{
    const struct attention *a = &c->a;
    size_t m = a->method->landmarks;
    double *q = rows_of(c, h, method_query, a->T, a->dk);
    double *k = rows_of(c, h, method_key, a->S, a->dk);
    double *v = rows_of(c, h, method_value, a->S, a->dv);
    double *qm = landmarks_of(c, h, method_query, a->T);
    double *km = landmarks_of(c, h, method_key, a->S);
    double *f = weights_of(c, q, a->T, km, m), *among = weights_of(c, qm, m, km, m);
    double *b = weights_of(c, qm, m, k, a->S), *z = pseudo_inverse(among, m);
    double *bv = matrix(m, a->dv), *zbv = matrix(m, a->dv), *out = matrix(a->T, a->dv);
    multiply(bv, b, v, m, a->S, a->dv);
    multiply(zbv, z, bv, m, m, a->dv);
    multiply(out, f, zbv, a->T, m, a->dv);
    *cancels = 1;
    for (size_t n = 0; n < m * m; n++)
        *cancels = fmax(*cancels, fabs(z[n]));
    double *const owned[] = {q, k, v, qm, km, f, among, b, z, bv, zbv};
    for (size_t n = 0; n < sizeof owned / sizeof *owned; n++)
        free(owned[n]);
    return out;
}

START_TEST(three_factors_give_the_formula)
{
    struct test_random r = {1};
    setup();
    for (int n = 0; n < 40; n++) {
        struct attention_case *c = method_case_random(&r, 1e5, false);
        struct attention *a = &c->a;
        size_t most = a->T < a->S ? a->T : a->S;
        const struct attention_method m = {
            .landmarks = test_random_size(&r, 1, most < 30 ? most : 30)};
        a->method = &m;
        ck_assert(attention_case_run(c, &nystrom, &r));
        for (size_t h = 0; h < a->H; h++) {
            double cancels, *want = true_head(c, h, &cancels);
            /* The iteration is of degree 4^6 in A, which float32 knows to 1e-7. */
            double tolerance = 2e-6 * cancels * (double)m.landmarks;
            for (size_t i = 0; i < a->T; i++)
                for (size_t e = 0; e < a->dv; e++)
                    ck_assert_close(attention_case_out(c, h, i, e), want[i * a->dv + e],
                                    1e-4, tolerance);
            free(want);
        }
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(a_landmark_a_token_is_exact_where_the_inverse_is)
{
    enum { TOKENS = 24 };
    struct test_random r = {2};
    setup();
    /* Tokens that mostly look at themselves: A is far from singular. */
    struct attention_case *c =
        attention_case_plain(&r, 2, TOKENS, TOKENS, TOKENS, HEADS_INSIDE);
    for (size_t i = 0; i < TOKENS; i++)
        for (size_t h = 0; h < 2; h++)
            c->query[(i * 2 + h) * TOKENS + i] += 6;
    memcpy(c->key, c->query, c->key_count * sizeof *c->key);
    const struct attention_method m = {.landmarks = TOKENS};
    c->a.method = &m;
    ck_assert(attention_case_run(c, &nystrom, &r));
    attention_case_solve(c);
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < TOKENS; i++)
            for (size_t e = 0; e < TOKENS; e++)
                ck_assert_close(attention_case_out(c, h, i, e),
                                c->true_out[(h * TOKENS + i) * TOKENS + e], 1e-4, 1e-4);
    attention_case_delete(c);
}
END_TEST

START_TEST(numbers_that_leave_float32_are_said)
{
    static const size_t landmarks[] = {1, 2, 5};
    struct test_random r = {3};
    setup();
    for (size_t n = 0; n < sizeof landmarks / sizeof *landmarks; n++) {
        struct attention_case *c = attention_case_plain(&r, 1, 5, 7, 4, HEADS_INSIDE);
        const struct attention_method m = {.landmarks = landmarks[n]};
        c->a.method = &m;
        c->key[5] = 3e38f;
        c->query[1] = 3e38f;
        ck_assert(!attention_case_run(c, &nystrom, &r));
        attention_case_delete(c);
    }
}
END_TEST

TEST_PROGRAM("nystrom", three_factors_give_the_formula,
             a_landmark_a_token_is_exact_where_the_inverse_is,
             numbers_that_leave_float32_are_said)
