#include "core/vector_kernels.h"

#include <float.h>

#include "support/test.h"

enum { MOST = 300 };

/* Numbers in front of and behind the ones in use, which nobody may touch. */
struct guarded {
    _Alignas(64) float numbers[MOST + 2 * VECTOR_PAD];
};

static float *guarded_fill(struct guarded *g, struct test_random *r, float largest)
{
    for (size_t n = 0; n < MOST + 2 * VECTOR_PAD; n++)
        g->numbers[n] = largest * test_random_float(r);
    return g->numbers + VECTOR_PAD;
}

static bool same_outside(const struct guarded *a, const struct guarded *b, size_t n)
{
    size_t behind = VECTOR_PAD + n;
    return memcmp(a->numbers, b->numbers, VECTOR_PAD * sizeof(float)) == 0 &&
           memcmp(a->numbers + behind, b->numbers + behind,
                  (MOST + VECTOR_PAD - n) * sizeof(float)) == 0;
}

static void multiplies(const struct vector_kernels *set, struct tile_product p,
                       struct test_random *r)
{
    enum { A = 7, ROOM = TILE_ROWS * (MOST + A), C_STRIDE = TILE_WIDTH + 3 };
    static float a[ROOM], b[MOST * TILE_WIDTH], c[TILE_ROWS * C_STRIDE];
    float before[TILE_ROWS * C_STRIDE];
    for (size_t n = 0; n < ROOM; n++)
        a[n] = test_random_float(r);
    for (size_t n = 0; n < sizeof b / sizeof *b; n++)
        b[n] = test_random_float(r);
    for (size_t n = 0; n < sizeof c / sizeof *c; n++)
        before[n] = c[n] = test_random_float(r);
    p.a = a;
    p.a_stride = p.depth + A;
    p.b = b;
    p.b_stride = p.depth % 2 ? TILE_WIDTH : p.width;
    p.next = b;
    p.c = c;
    p.c_stride = C_STRIDE;
    set->multiply(&p);

    for (size_t i = 0; i < TILE_ROWS; i++)
        for (size_t j = 0; j < C_STRIDE; j++) {
            double was = (double)before[i * C_STRIDE + j], sum = 0;
            for (size_t k = 0; k < p.depth && j < p.width; k++)
                sum += (double)a[i * p.a_stride + k] * (double)b[k * p.b_stride + j];
            double want = p.add || j >= p.width ? was : 0;
            want += (double)p.factor * sum;
            if (!(fabs((double)c[i * C_STRIDE + j] - want) < 2e-5))
                ck_abort_msg("%s: width %zu, depth %zu, row %zu, column %zu", set->name,
                             p.width, p.depth, i, j);
        }
}

START_TEST(a_tile_is_the_product_for_every_width_and_depth)
{
    static const size_t depths[] = {0, 1, 2, 3, 16, 64, 257};
    struct test_random r = {1};
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t width = VECTOR_PAD; width <= TILE_WIDTH; width += VECTOR_PAD)
            for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
                multiplies(vector_kernels_choice(s),
                           (struct tile_product){.width = width,
                                                 .depth = depths[d],
                                                 .factor = d % 2 ? 1.0f : -0.7f,
                                                 .add = d % 3 == 0},
                           &r);
}
END_TEST

/* Numbers from 0 down to beyond float32's smallest, relative to any maximum. */
static void check_exponentials(const struct vector_kernels *set, float max)
{
    enum { N = 4096 };
    static _Alignas(64) float x[N], was[N];
    double sum = 0;
    for (size_t n = 0; n < N; n++)
        was[n] = x[n] = max - 110.0f * (float)n / N;
    float total = set->exponentials(x, N, max, x);
    for (size_t n = 0; n < N; n++) {
        double below = (double)was[n] - (double)max, got = (double)x[n];
        double want = exp(below);
        double bound = want * (0x1p-22 - below * 0x1p-23);
        sum += got;
        if (!(fabs(got - want) <= bound || (want < 0x1.01p-125 && got == 0)))
            ck_abort_msg("%s: exp(%g) is %.9g, want %.9g", set->name, below, got, want);
        if (got != 0 && got < 0x1p-126)
            ck_abort_msg("%s: %g is denormal", set->name, got);
    }
    ck_assert_close(total, sum, 1e-5, 0.0);
}

START_TEST(an_exponential_is_as_near_as_the_header_says)
{
    for (size_t s = 0; vector_kernels_choice(s); s++) {
        check_exponentials(vector_kernels_choice(s), 0.0f);
        check_exponentials(vector_kernels_choice(s), 1000.0f);
        check_exponentials(vector_kernels_choice(s), -3.25f);
    }
}
END_TEST

START_TEST(the_exponential_of_what_is_hidden_is_zero_and_a_nan_stays_one)
{
    for (size_t s = 0; vector_kernels_choice(s); s++) {
        const struct vector_kernels *set = vector_kernels_choice(s);
        _Alignas(64) float x[VECTOR_PAD] = {0, -INFINITY, -3e38f, -1000.0f, -88.0f};
        float sum = set->exponentials(x, VECTOR_PAD, 0.0f, x);
        ck_assert_msg(x[0] == 1.0f, "%s", set->name);
        for (size_t n = 1; n < 5; n++)
            ck_assert_msg(x[n] == 0.0f, "%s: %zu", set->name, n);
        ck_assert_msg(sum == VECTOR_PAD - 4, "%s", set->name);

        _Alignas(64) float y[VECTOR_PAD] = {0, NAN};
        ck_assert_msg(isnan(set->exponentials(y, VECTOR_PAD, 0.0f, y)), "%s",
                      set->name);
    }
}
END_TEST

START_TEST(the_maximum_is_found_wherever_it_stands)
{
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t at = 0; at < 80; at++) {
            _Alignas(64) float x[80];
            for (size_t n = 0; n < 80; n++)
                x[n] = n == at ? -1.0f : n % 3 ? -2.0f : -INFINITY;
            const struct vector_kernels *set = vector_kernels_choice(s);
            ck_assert(set->maximum(x, 80) == -1.0f);
            ck_assert(set->maximum(x, 0) == -INFINITY);
            for (size_t n = 0; n < 80; n++)
                x[n] = n == at ? -4.0f : n % 3 ? -2.0f : NAN;
            ck_assert(set->maximum(x, 80) == -2.0f);
        }
}
END_TEST

START_TEST(a_capped_score_is_as_near_as_the_header_says)
{
    enum { N = 4096 };
    static const float caps[] = {1e-30f, 1, 30, 1e20f, 3e38f};
    static _Alignas(64) float x[N], was[N];
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t c = 0; c < sizeof caps / sizeof *caps; c++) {
            for (size_t n = 0; n < N; n++) {
                float part = n % 2 ? 12.0f * (float)n / N : ldexpf(1.3f, -(int)n / 64);
                was[n] = x[n] =
                    (n % 3 ? caps[c] : -caps[c]) * fminf(part, 1 / caps[c] * 3e38f);
            }
            was[7] = x[7] = -0.0f;
            vector_kernels_choice(s)->cap(x, N, caps[c]);
            for (size_t n = 0; n < N; n++) {
                double cap = (double)caps[c], want = cap * tanh((double)was[n] / cap);
                ck_assert_close(x[n], want, 0x1p-21, 1e-43);
            }
            ck_assert(signbit(x[7]));
        }
}
END_TEST

START_TEST(what_is_too_large_is_capped_and_what_is_no_number_stays_so)
{
    for (size_t s = 0; vector_kernels_choice(s); s++) {
        _Alignas(64) float x[VECTOR_PAD] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f};
        vector_kernels_choice(s)->cap(x, VECTOR_PAD, 1e-3f);
        ck_assert(x[0] == 1e-3f && x[1] == -1e-3f && isnan(x[2]));
        ck_assert(x[3] == 1e-3f && x[4] == -1e-3f && x[5] == 0);
    }
}
END_TEST

START_TEST(a_slope_falls_to_both_sides)
{
    struct test_random r = {5};
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t n = 0; n < MOST; n += 1 + n / 9) {
            struct guarded g, was;
            float *x = guarded_fill(&g, &r, 5.0f), distance = 20.0f - (float)n;
            was = g;
            vector_kernels_choice(s)->add_slope(x, n, 0.3f, distance);
            for (size_t j = 0; j < n; j++)
                ck_assert_close(x[j],
                                (double)was.numbers[VECTOR_PAD + j] -
                                    (double)0.3f * fabs((double)distance + (double)j),
                                1e-6, 1e-6);
            ck_assert(same_outside(&was, &g, n));
            x[0] = -3e38f;
            vector_kernels_choice(s)->add_slope(x, 1, 1e38f, 3.0f);
            ck_assert(isnan(x[0]));
        }
}
END_TEST

START_TEST(a_score_that_overflowed_is_seen_where_it_counts)
{
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t at = 0; at < 80; at++) {
            const struct vector_kernels *set = vector_kernels_choice(s);
            _Alignas(64) float bare[80] = {0}, flagged[80] = {0}, biased[80] = {0};
            float bias[80] = {0};
            uint8_t allowed[80];
            memset(allowed, 1, sizeof allowed);
            bare[at] = flagged[at] = biased[at] = -INFINITY;
            bias[(at + 1) % 80] = -FLT_MAX; /* which leaves it */
            biased[(at + 1) % 80] = -FLT_MAX;
            bias[(at + 2) % 80] = -FLT_MAX; /* which does not */
            biased[(at + 2) % 80] = -1e30f;
            set->expose(bare, 80);
            set->hide(flagged, allowed, 80);
            set->add_bias(biased, bias, 80);
            ck_assert(isnan(bare[at]) && isnan(flagged[at]) && isnan(biased[at]));
            ck_assert(isnan(biased[(at + 1) % 80]));
            ck_assert(biased[(at + 2) % 80] == -FLT_MAX);
        }
}
END_TEST

static void masks(const struct vector_kernels *set, struct test_random *r, size_t n)
{
    struct guarded by_bias, by_flag, was;
    float bias[MOST], *x = guarded_fill(&by_bias, r, 5.0f);
    float *y = by_flag.numbers + VECTOR_PAD;
    uint8_t allowed[MOST];
    bool some = false;
    by_flag = was = by_bias;
    x[n / 2] = y[n / 2] = NAN; /* a hidden score may be anything */
    for (size_t j = 0; j < n; j++) {
        allowed[j] = j != n / 2 && test_random_size(r, 0, 7) == 0;
        bias[j] = allowed[j] ? test_random_float(r) : -INFINITY;
        some = some || allowed[j];
    }
    ck_assert_msg(set->add_bias(x, bias, n) == some, "%s: %zu", set->name, n);
    ck_assert_msg(set->hide(y, allowed, n) == some, "%s: %zu", set->name, n);
    for (size_t j = 0; j < n; j++) {
        float before = was.numbers[VECTOR_PAD + j];
        ck_assert(x[j] == (allowed[j] ? before + bias[j] : -INFINITY));
        ck_assert(y[j] == (allowed[j] ? before : -INFINITY));
    }
    ck_assert(same_outside(&was, &by_bias, n) && same_outside(&was, &by_flag, n));
}

START_TEST(a_mask_hides_by_choosing_not_by_adding)
{
    struct test_random r = {2};
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t n = 1; n < MOST; n += 1 + n / 9)
            masks(vector_kernels_choice(s), &r, n);
}
END_TEST

static void scales(const struct vector_kernels *set, struct test_random *r, size_t n)
{
    struct guarded from, scaled, added, was;
    float *x = guarded_fill(&from, r, 5.0f);
    float *to = guarded_fill(&scaled, r, 1.0f), *more = added.numbers + VECTOR_PAD;
    was = added = scaled;
    ck_assert(set->scale(to, x, n, 0.37f));
    set->add_scaled(more, x, n, 0.37f);
    for (size_t j = 0; j < n; j++) {
        double want = 0.37 * (double)x[j];
        ck_assert_close(to[j], want, 2e-7, 0.0);
        ck_assert_close(more[j], want + (double)was.numbers[VECTOR_PAD + j], 0.0, 5e-7);
    }
    ck_assert(same_outside(&was, &scaled, n) && same_outside(&was, &added, n));
    for (size_t at = 0; at < n; at += 5) {
        float kept = x[at];
        x[at] = at % 2 ? 3e38f : NAN; /* 30 times that is infinite */
        ck_assert_msg(!set->scale(to, x, n, 30.0f), "%s: %zu of %zu", set->name, at, n);
        x[at] = kept;
    }
}

START_TEST(rows_of_any_length_are_scaled_and_added_and_nothing_beside_them)
{
    struct test_random r = {3};
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t n = 0; n < MOST; n += 1 + n / 9)
            scales(vector_kernels_choice(s), &r, n);
}
END_TEST

/* Rows of `n` numbers of which some are not to be seen; `rows` of them. */
static void bounds_rows(const struct vector_kernels *set, struct test_random *r,
                        size_t rows, size_t n)
{
    enum { STRIDE = 176 + VECTOR_PAD };
    static _Alignas(64) float x[(TILE_ROWS + 1) * STRIDE], was[TILE_ROWS * STRIDE];
    float most[TILE_ROWS], least[TILE_ROWS];
    struct bounds kept[TILE_ROWS];
    for (size_t j = 0; j < TILE_ROWS * STRIDE; j++)
        was[j] = x[j] = j % 13 ? 9.0f * test_random_float(r) - 20.0f : NAN;
    for (size_t i = 0; i < rows; i++) {
        kept[i].from = test_random_size(r, 0, n);
        kept[i].to = test_random_size(r, kept[i].from, n);
    }
    set->bound_rows(x, STRIDE, rows, n, kept, most, least);
    for (size_t i = 0; i < TILE_ROWS; i++) {
        float largest = -INFINITY, smallest = INFINITY;
        for (size_t j = 0; j < STRIDE; j++) {
            float before = was[i * STRIDE + j], now = x[i * STRIDE + j];
            bool touched = i < rows && j < n;
            if (touched && (j < kept[i].from || j >= kept[i].to)) {
                ck_assert(now == -INFINITY);
                continue;
            }
            ck_assert(memcmp(&before, &now, sizeof now) == 0);
            if (touched && now > largest)
                largest = now;
            if (touched && now < smallest)
                smallest = now;
        }
        if (i < rows)
            ck_assert_msg(most[i] == largest && least[i] == smallest,
                          "%s: row %zu of %zu, %zu numbers", set->name, i, rows, n);
    }
}

START_TEST(rows_are_bounded_and_their_extremes_found)
{
    struct test_random r = {6};
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t n = 0; n <= 176; n += VECTOR_PAD)
            for (size_t rows = 1; rows <= TILE_ROWS; rows++)
                bounds_rows(vector_kernels_choice(s), &r, rows, n);
}
END_TEST

/* The same bits for a row alone, among others, and with hidden numbers behind it. */
START_TEST(a_row_of_exponentials_is_the_same_in_any_company)
{
    enum { N = 176, STRIDE = N + 2 * VECTOR_PAD };
    struct test_random r = {7};
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t n = VECTOR_PAD; n <= N; n += VECTOR_PAD) {
            const struct vector_kernels *set = vector_kernels_choice(s);
            _Alignas(64) float x[(TILE_ROWS + 1) * STRIDE], alone[STRIDE];
            float max[TILE_ROWS] = {0, 1, 2, 3, 4, 5}, sum[TILE_ROWS], one;
            for (size_t j = 0; j < (TILE_ROWS + 1) * STRIDE; j++)
                x[j] = j % STRIDE < n ? -8.0f * (test_random_float(&r) + 1) : -INFINITY;
            memcpy(alone, x + 3 * STRIDE, sizeof alone);
            set->exponential_rows(alone, STRIDE, 1, n, max + 3, &one);
            set->exponential_rows(x, STRIDE, TILE_ROWS, n + VECTOR_PAD, max, sum);
            ck_assert_msg(sum[3] == one, "%s: %zu", set->name, n);
            ck_assert(memcmp(alone, x + 3 * STRIDE, n * sizeof *x) == 0);
            double all = 0;
            for (size_t j = 0; j < n; j++)
                all += (double)alone[j];
            ck_assert_close(one, all, 1e-6, 0.0);
            for (size_t i = 0; i < TILE_ROWS; i++)
                ck_assert(x[i * STRIDE + n] == 0 && x[i * STRIDE + STRIDE - 1] < 0);
        }
}
END_TEST

static void packs(const struct vector_kernels *set, struct test_random *r, size_t rows,
                  size_t columns)
{
    enum { MOST_ROWS = 70, STRIDE = 90 };
    static float from[MOST_ROWS * STRIDE];
    static _Alignas(64) float to[(MOST_ROWS + 10) * 96], turned[96 * 80];
    for (size_t n = 0; n < MOST_ROWS * STRIDE; n++)
        from[n] = 5.0f * test_random_float(r);
    memset(to, 0xFF, sizeof to);
    memset(turned, 0xFF, sizeof turned);
    /* At the end of its memory, so that a step beyond it is seen. */
    const float *x = from + MOST_ROWS * STRIDE - (rows - 1) * STRIDE - columns;
    size_t width = vector_padded(columns), height = vector_padded(rows);
    set->pack_rows(to, width, x, STRIDE, rows, columns);
    set->pack_columns(turned, height, x, STRIDE, rows, columns);
    for (size_t i = 0; i < height; i++)
        for (size_t c = 0; c < width; c++) {
            bool inside = i < rows && c < columns;
            float number = inside ? x[i * STRIDE + c] : 0;
            if ((i < rows && to[i * width + c] != number) ||
                (c < columns && turned[c * height + i] != number))
                ck_abort_msg("%s: %zu, %zu of %zu x %zu", set->name, i, c, rows,
                             columns);
        }
    ck_assert(isnan(to[rows * width]) && isnan(turned[columns * height]));
}

START_TEST(rows_and_columns_are_packed_with_zeros_behind_them)
{
    struct test_random r = {8};
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t rows = 1; rows <= 64; rows += 1 + rows / 4)
            for (size_t columns = 1; columns <= 80; columns += 1 + columns / 5)
                packs(vector_kernels_choice(s), &r, rows, columns);
}
END_TEST

static void scales_rows(const struct vector_kernels *set, struct test_random *r,
                        size_t n)
{
    enum { ROWS = 5, STRIDE = 60 };
    float from[ROWS * STRIDE], to[ROWS * STRIDE], was[ROWS * STRIDE];
    const float factor[ROWS] = {0.5f, 2.0f, 0.0f, -1.0f, 3.0f};
    for (size_t j = 0; j < ROWS * STRIDE; j++) {
        from[j] = 2 * STRIDE <= j && j < 3 * STRIDE ? NAN : test_random_float(r);
        was[j] = to[j] = test_random_float(r);
    }
    ck_assert(set->scale_rows(to, STRIDE, from, STRIDE, ROWS, n, factor));
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < STRIDE; j++) {
            float got = to[i * STRIDE + j], want = factor[i] * from[i * STRIDE + j];
            ck_assert(got == (j >= n ? was[i * STRIDE + j] : i == 2 ? 0.0f : want));
        }
    for (size_t j = 0; j < n; j++) {
        from[3 * STRIDE + j] = j % 2 ? INFINITY : NAN;
        ck_assert(!set->scale_rows(to, STRIDE, from, STRIDE, ROWS, n, factor));
        from[3 * STRIDE + j] = 1;
    }
}

START_TEST(rows_are_scaled_and_a_factor_of_zero_gives_zero)
{
    struct test_random r = {9};
    for (size_t s = 0; vector_kernels_choice(s); s++)
        for (size_t n = 1; n < 60; n++)
            scales_rows(vector_kernels_choice(s), &r, n);
}
END_TEST

TEST_PROGRAM("vector_kernels", a_tile_is_the_product_for_every_width_and_depth,
             an_exponential_is_as_near_as_the_header_says,
             the_exponential_of_what_is_hidden_is_zero_and_a_nan_stays_one,
             the_maximum_is_found_wherever_it_stands,
             a_capped_score_is_as_near_as_the_header_says,
             what_is_too_large_is_capped_and_what_is_no_number_stays_so,
             a_slope_falls_to_both_sides,
             a_score_that_overflowed_is_seen_where_it_counts,
             a_mask_hides_by_choosing_not_by_adding,
             rows_are_bounded_and_their_extremes_found,
             a_row_of_exponentials_is_the_same_in_any_company,
             rows_and_columns_are_packed_with_zeros_behind_them,
             rows_are_scaled_and_a_factor_of_zero_gives_zero,
             rows_of_any_length_are_scaled_and_added_and_nothing_beside_them)
