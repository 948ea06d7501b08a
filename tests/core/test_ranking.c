#include "core/ranking.h"

#include "support/test.h"

START_TEST(the_best_are_found_in_order_and_of_equal_ones_the_first)
{
    enum { MOST = 60 };
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
            ck_assert(best[0] < best[k]);
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

START_TEST(what_is_no_number_is_not_lost)
{
    const float x[] = {1, INFINITY, -NAN, 3};
    uint64_t best[2];
    ranking_best(x, 4, 2, best);
    ranking_sort(best, 2);
    ck_assert(ranking_index(best[0]) == 2 && ranking_index(best[1]) == 1);
}
END_TEST

TEST_PROGRAM("ranking", the_best_are_found_in_order_and_of_equal_ones_the_first,
             what_is_no_number_is_not_lost)
