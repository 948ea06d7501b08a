#include "core/dropout.h"

#include "support/test.h"

enum { H = 8, T = 64, S = 500 };

START_TEST(as_many_cells_are_dropped_as_the_rate_says)
{
    static const float rates[] = {0, 0x1p-24f, 0.1f, 0.5f, 0.9f, 0x0.FFFFFFp0f};
    for (size_t n = 0; n < sizeof rates / sizeof *rates; n++) {
        const struct dropout_view d = {.rate = rates[n], .seed = 7};
        double cells = H * T * S, rate = (double)rates[n], dropped = 0;
        for (size_t h = 0; h < H; h++)
            for (size_t i = 0; i < T; i++)
                for (size_t j = 0; j < S; j++)
                    dropped += dropout_drops(&d, h, i, j);
        /* Five standard deviations of a binomial distribution, and one cell. */
        double bound = 5 * sqrt(cells * rate * (1 - rate)) + (rate > 0);
        ck_assert_msg(fabs(dropped - cells * rate) <= bound, "%g: %g of %g", rate,
                      dropped, cells);
    }
}
END_TEST

/* The share of cells that two views drop alike. */
static double alike(const struct dropout_view *x, const struct dropout_view *y,
                    size_t h, size_t i, size_t j)
{
    double same = 0;
    for (size_t n = 0; n < T * S; n++)
        same += dropout_drops(x, 0, n / S, n % S) ==
                dropout_drops(y, h, n / S + i, n % S + j);
    return same / (T * S);
}

START_TEST(seed_batch_head_row_and_column_each_change_what_is_dropped)
{
    const struct dropout_view d = {.rate = 0.5f, .seed = 1}, seed = {0.5f, false, 2, 0},
                              batch = {0.5f, false, 1, 1};
    /* Half of the cells by chance; a standard deviation is 0.003. */
    ck_assert_close(alike(&d, &seed, 0, 0, 0), 0.5, 0, 0.015);
    ck_assert_close(alike(&d, &batch, 0, 0, 0), 0.5, 0, 0.015);
    ck_assert_close(alike(&d, &d, 1, 0, 0), 0.5, 0, 0.015);
    ck_assert_close(alike(&d, &d, 0, 1, 0), 0.5, 0, 0.015);
    ck_assert_close(alike(&d, &d, 0, 0, 1), 0.5, 0, 0.015);
    ck_assert(alike(&d, &d, 0, 0, 0) == 1);
}
END_TEST

START_TEST(a_row_is_zeroed_where_its_cells_are_dropped)
{
    const struct dropout_view d = {.rate = 0.3f, .seed = UINT64_MAX, .batch = 3};
    float x[S];
    for (size_t j = 0; j < S; j++)
        x[j] = 1;
    dropout_zero(&d, 2, 5, 17, x, S - 1);
    for (size_t j = 0; j < S - 1; j++)
        ck_assert((x[j] == 0) == dropout_drops(&d, 2, 5, 17 + j));
    ck_assert(x[S - 1] == 1);
    for (size_t j = 0; j < S; j++)
        x[j] = j % 2 ? -INFINITY : NAN;
    dropout_zero(&d, 2, 5, 17, x, S);
    for (size_t j = 0; j < S; j++)
        ck_assert(j % 2 ? x[j] == -INFINITY : isnan(x[j]));
}
END_TEST

/* Computed from the header's text by another program. */
START_TEST(the_hash_is_the_one_of_the_header)
{
    const struct {
        uint64_t seed;
        size_t batch, h, i, j;
        uint32_t number; /* the cell's 24 bits */
    } rows[] = {{0, 0, 0, 0, 0, 2175092}, {42, 1, 2, 3, 4, 7484806}};
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        struct dropout_view d = {.seed = rows[n].seed, .batch = rows[n].batch};
        d.rate = ldexpf((float)rows[n].number, -24);
        ck_assert(!dropout_drops(&d, rows[n].h, rows[n].i, rows[n].j));
        d.rate = ldexpf((float)rows[n].number + 1, -24);
        ck_assert(dropout_drops(&d, rows[n].h, rows[n].i, rows[n].j));
    }
}
END_TEST

TEST_PROGRAM("dropout", as_many_cells_are_dropped_as_the_rate_says,
             seed_batch_head_row_and_column_each_change_what_is_dropped,
             a_row_is_zeroed_where_its_cells_are_dropped,
             the_hash_is_the_one_of_the_header)
