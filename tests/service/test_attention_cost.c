#include "service/attention_cost.h"

#include "support/test.h"

START_TEST(bytes_of_either_form_and_operations_add_up)
{
    ck_assert_uint_eq(attention_cost_of_body(0), 65536);
    ck_assert_uint_eq(attention_cost_of_body(1000), 65536 + 40000);
    const struct cost_bytes bytes = {.nested = 1007, .base64 = 500};
    ck_assert_uint_eq(attention_cost(bytes, 1e9), 65536 + 40280 + 1000 + 1000000000);
    ck_assert_uint_eq(attention_cost((struct cost_bytes){0}, 0.75), 65536);
}
END_TEST

START_TEST(what_nobody_computes_stays_in_range)
{
    const struct cost_bytes none = {0}, all = {SIZE_MAX, SIZE_MAX};
    ck_assert_uint_eq(attention_cost(none, 1e300), 1000000000000000000);
    ck_assert_uint_eq(attention_cost(all, 0), 1000000000000000000);
}
END_TEST

TEST_PROGRAM("attention_cost", bytes_of_either_form_and_operations_add_up,
             what_nobody_computes_stays_in_range)
