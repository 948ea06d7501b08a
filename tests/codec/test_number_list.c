#include "codec/number_list.h"

#include "support/test.h"

START_TEST(numbers_stand_between_commas)
{
    static const float x[] = {0.5f, -0.0f, 1234.5f, 1e-20f};
    char out[4 * NUMBER_LIST_EACH + 1];
    *number_list_write(x, 4, 0, out) = '\0';
    ck_assert_str_eq(out, "0.5,-0,1234.5,1e-20");
    *number_list_write(x, 4, 2, out) = '\0';
    ck_assert_str_eq(out, "0.5,-0,1200,1e-20");
    *number_list_write(x, 1, 0, out) = '\0';
    ck_assert_str_eq(out, "0.5");
}
END_TEST

START_TEST(what_is_not_finite_is_a_string)
{
    static const float x[] = {-INFINITY, 0.75f, INFINITY, NAN};
    char out[4 * NUMBER_LIST_EACH + 1];
    *number_list_write_extended(x, 4, 0, out) = '\0';
    ck_assert_str_eq(out, "\"-Infinity\",0.75,\"Infinity\",\"NaN\"");
    *number_list_write_extended(x, 4, 1, out) = '\0';
    ck_assert_str_eq(out, "\"-Infinity\",0.8,\"Infinity\",\"NaN\"");
}
END_TEST

START_TEST(integers_are_whole_to_both_ends)
{
    static const int32_t x[] = {0, 10, -1, INT32_MAX, INT32_MIN};
    char out[5 * NUMBER_LIST_EACH + 1];
    *number_list_write_integers(x, 5, out) = '\0';
    ck_assert_str_eq(out, "0,10,-1,2147483647,-2147483648");
}
END_TEST

TEST_PROGRAM("number_list", numbers_stand_between_commas,
             what_is_not_finite_is_a_string, integers_are_whole_to_both_ends)
