#include "service/attention_cost.h"

#include "support/test.h"

START_TEST(bytes_of_either_direction_and_operations_add_up)
{
    ck_assert_uint_eq(attention_cost_of_body(0), 65536);
    ck_assert_uint_eq(attention_cost_of_body(1000), 65536 + 40000);
    ck_assert_uint_eq(attention_cost(1000, 1e9, 7), 65536 + 40280 + 1000000000);
    ck_assert_uint_eq(attention_cost(0, 0.75, 0), 65536);
}
END_TEST

START_TEST(what_nobody_computes_stays_in_range)
{
    ck_assert_uint_eq(attention_cost(0, 1e300, 0), 1000000000000000000);
    ck_assert_uint_eq(attention_cost(SIZE_MAX, 0, SIZE_MAX), 1000000000000000000);
}
END_TEST

TEST_PROGRAM("attention_cost", bytes_of_either_direction_and_operations_add_up,
             what_nobody_computes_stays_in_range)
