#include "core/ranking.h"

#include <stdbool.h>

#include "support/test.h"

START_TEST(the_best_are_found_in_order_and_of_equal_ones_the_first)
{
    enum { MOST = 90 };
    struct test_random r = {1};
    for (size_t n = 0; n < 3000; n++) {
        float x[MOST];
        uint64_t best[MOST];
        size_t count = test_random_size(&r, 1, MOST);
        size_t most = test_random_size(&r, 1, count);
        for (size_t j = 0; j < count; j++)
            x[j] = (float)test_random_size(&r, 0, 9) - 4.0f;
        x[test_random_size(&r, 0, count - 1)] = -0.0f;
        x[test_random_size(&r, 0, count - 1)] = -INFINITY;
        ranking_best(x, count, most, best);
        for (size_t k = 1; k < most; k++)
            ck_assert(ranking_index(best[k - 1]) < ranking_index(best[k]));
        ranking_sort(best, most);
        for (size_t k = 0; k < most; k++) {
            size_t j = ranking_index(best[k]), better = 0;
            for (size_t o = 0; o < count; o++)
                better += x[o] > x[j] || (x[o] == x[j] && o < j);
            ck_assert_uint_eq(better, k);
            ck_assert_uint_eq(best[k], ranking_rank(x[j], j));
        }
    }
}
END_TEST

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Few different numbers, or numbers whose bits are random: infinities and NaN, too. */
START_TEST(all_but_the_best_are_hidden)
{
    enum { MOST = 200 };
    struct test_random r = {2};
    for (size_t n = 0; n < 3000; n++) {
        float x[MOST], hidden[MOST];
        uint64_t best[MOST], room[MOST];
        bool kept[MOST] = {false};
        size_t count = test_random_size(&r, 1, MOST);
        size_t most = test_random_size(&r, 1, count);
        for (size_t j = 0; j < count; j++) {
            uint32_t bits = (uint32_t)test_random_size(&r, 0, UINT32_MAX);
            memcpy(&x[j], &bits, sizeof bits);
            if (n % 2)
                x[j] = (float)(bits % 7) - 3.0f;
        }
        memcpy(hidden, x, sizeof x);
        ranking_best(x, count, most, best);
        ranking_hide(hidden, count, most, room);
        for (size_t k = 0; k < most; k++)
            kept[ranking_index(best[k])] = true;
        for (size_t j = 0; j < count; j++)
            ck_assert(bits_of(hidden[j]) == bits_of(kept[j] ? x[j] : -INFINITY));
        ranking_sort(best, most);
        for (size_t j = 0; j < count; j++)
            ck_assert(kept[j] || ranking_rank(x[j], j) < best[most - 1]);
    }
}
END_TEST

START_TEST(what_is_no_number_is_not_lost)
{
    const float x[] = {1, INFINITY, -NAN, 3};
    uint64_t best[4];
    ranking_best(x, 4, 2, best);
    ranking_sort(best, 2);
    ck_assert(ranking_index(best[0]) == 2 && ranking_index(best[1]) == 1);
}
END_TEST

TEST_PROGRAM("ranking", the_best_are_found_in_order_and_of_equal_ones_the_first,
             all_but_the_best_are_hidden, what_is_no_number_is_not_lost)
