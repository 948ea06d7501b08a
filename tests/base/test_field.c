#include "base/field.h"
#include "support/test.h"

START_TEST(the_path_is_a_json_pointer)
{
    struct error e = {0};
    const struct field *weights = FIELD_NAME(NULL, "weights");
    const struct field *row = FIELD_AT(FIELD_NAME(weights, "wq"), 3);

    ck_assert(!field_error(row, &e, ERROR_INVALID_INPUT, "has %d numbers", 63));
    ck_assert_str_eq(e.path, "/weights/wq/3");
    ck_assert_str_eq(e.message, "has 63 numbers");
}
END_TEST

START_TEST(names_are_escaped_as_the_rfc_says)
{
    struct error e = {0};
    field_error(FIELD_NAME(NULL, "a/b~c"), &e, ERROR_INVALID_INPUT, "no");
    ck_assert_str_eq(e.path, "/a~1b~0c");
}
END_TEST

START_TEST(the_first_failure_wins)
{
    struct error e = {0};
    field_error(FIELD_NAME(NULL, "query"), &e, ERROR_INVALID_INPUT, "cause");
    field_error(NULL, &e, ERROR_OVERLOADED, "consequence");
    ck_assert_str_eq(e.path, "/query");
    ck_assert_str_eq(error_slug(e.code), "invalid-input");
    ck_assert_str_eq(error_slug(ERROR_NONE), "none");
    ck_assert_str_eq(error_title(ERROR_DEADLINE), "The deadline has passed");
    ck_assert_str_eq(error_title(ERROR_NONE), "Nothing is wrong");
}
END_TEST

START_TEST(a_long_path_is_cut_between_characters)
{
    char name[301] = "";
    for (size_t i = 0; i < 100; i++)
        strcat(name, "\xE2\x82\xAC"); /* 3 bytes each, so 256 falls inside one */
    struct error e = {0};
    field_error(FIELD_NAME(NULL, name), &e, ERROR_INVALID_INPUT, "long");
    ck_assert_uint_lt(strlen(e.path), sizeof e.path);
    ck_assert_uint_eq(strlen(e.path) % 3, 1);
}
END_TEST

TEST_PROGRAM("field", the_path_is_a_json_pointer, names_are_escaped_as_the_rfc_says,
             the_first_failure_wins, a_long_path_is_cut_between_characters)
