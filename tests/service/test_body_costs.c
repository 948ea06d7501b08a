#include "service/body_costs.h"

#include "service/attention_cost.h"
#include "support/test.h"

START_TEST(of_a_size_that_was_never_seen_the_body_is_all_that_is_known)
{
    const struct body_costs costs = {0};
    const size_t sizes[] = {0, 1, 1000, (size_t)1 << 31, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ck_assert_uint_eq(body_costs_expected(&costs, sizes[i]),
                          attention_cost_of_body(sizes[i]));
}
END_TEST

START_TEST(rises_slowly_and_falls_at_once)
{
    struct body_costs costs = {0};
    const uint64_t cost = 80000000;
    body_costs_learn(&costs, 1000, cost);
    ck_assert_uint_eq(body_costs_expected(&costs, 1000), cost / 8);
    for (int i = 0; i < 200; i++)
        body_costs_learn(&costs, 1000, cost);
    ck_assert_uint_gt(body_costs_expected(&costs, 1000), cost - 10);
    ck_assert_uint_le(body_costs_expected(&costs, 1000), cost);

    body_costs_learn(&costs, 1000, 1000000);
    ck_assert_uint_eq(body_costs_expected(&costs, 1000), 1000000);
    body_costs_learn(&costs, 1000, 0);
    ck_assert_uint_eq(body_costs_expected(&costs, 1000), attention_cost_of_body(1000));
}
END_TEST

START_TEST(only_bodies_of_like_size_are_alike)
{
    struct body_costs costs = {0};
    body_costs_learn(&costs, 1024, 800000000);
    ck_assert_uint_eq(body_costs_expected(&costs, 1024), 100000000);
    ck_assert_uint_eq(body_costs_expected(&costs, 2047), 100000000);
    ck_assert_uint_eq(body_costs_expected(&costs, 1023), attention_cost_of_body(1023));
    ck_assert_uint_eq(body_costs_expected(&costs, 2048), attention_cost_of_body(2048));
}
END_TEST

START_TEST(the_largest_share_one_place)
{
    struct body_costs costs = {0};
    const uint64_t most = 1000000000000000000;
    for (int i = 0; i < 1000; i++)
        body_costs_learn(&costs, SIZE_MAX, most);
    ck_assert_uint_gt(body_costs_expected(&costs, (size_t)1 << 31), most - 10);
    ck_assert_uint_le(body_costs_expected(&costs, (size_t)1 << 31), most);
    ck_assert_uint_lt(body_costs_expected(&costs, ((size_t)1 << 31) - 1), most / 2);
}
END_TEST

TEST_PROGRAM("body_costs", of_a_size_that_was_never_seen_the_body_is_all_that_is_known,
             rises_slowly_and_falls_at_once, only_bodies_of_like_size_are_alike,
             the_largest_share_one_place)
