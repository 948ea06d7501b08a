#include "codec/tensor_rows.h"

#include <stdint.h>
#include <stdio.h>

#include "codec/base64.h"
#include "support/test.h"

enum { ROOM = 1 << 16 };

/* The rows written in stretches of `step`, one after another. */
static size_t written(const struct tensor_rows *r, size_t step, char *out)
{
    char *at = out;
    for (size_t from = 0; from < r->rows; from += step) {
        size_t to = from + step < r->rows ? from + step : r->rows;
        char *end = tensor_rows_write(r, from, to, at);
        ck_assert_uint_le((size_t)(end - at), (to - from) * r->row_bound);
        at = end;
    }
    return (size_t)(at - out);
}

static const float counted[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

static const struct {
    struct row_numbers numbers;
    unsigned precision;
    const char *text;
} nested[] = {
    {{counted, 1, 2, {1, 1}}, 0, "[[0]]"},
    {{counted, 1, 2, {2, 2}}, 0, "[[0,1],[2,3]]"},
    {{counted, 1, 2, {3, 1}}, 0, "[[0],[1],[2]]"},
    {{counted, 1, 3, {2, 2, 3}}, 0, "[[[0,1,2],[3,4,5]],[[6,7,8],[9,10,11]]]"},
    {{counted, 1, 3, {2, 2, 3}}, 1, "[[[0,1,2],[3,4,5]],[[6,7,8],[9,10,10]]]"},
    {{counted, 1, 3, {3, 1, 2}}, 0, "[[[0,1]],[[2,3]],[[4,5]]]"},
    {{counted, 1, 4, {2, 1, 2, 1}}, 0, "[[[[0],[1]]],[[[2],[3]]]]"},
    {{counted, 1, 4, {1, 3, 1, 1}}, 0, "[[[[0]],[[1]],[[2]]]]"},
    {{counted, 1, 4, {3, 1, 1, 1}}, 0, "[[[[0]]],[[[1]]],[[[2]]]]"},
    {{counted, 2, 2, {2, 3}}, 0, "[[0,2,4],[6,8,10]]"},
    {{counted + 1, 2, 3, {2, 1, 3}}, 1, "[[[1,3,5]],[[7,9,10]]]"},
};

START_TEST(rows_may_be_cut_anywhere_between_brackets)
{
    static char out[ROOM];
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++) {
        struct tensor_rows r =
            tensor_rows_nested(&nested[i].numbers, ROWS_NUMBERS, nested[i].precision);
        for (size_t step = 1; step <= r.rows; step++) {
            out[written(&r, step, out)] = '\0';
            ck_assert_str_eq(out, nested[i].text);
        }
    }
}
END_TEST

START_TEST(the_longest_numbers_stay_within_the_bound)
{
    static char out[ROOM];
    float longest[12];
    for (size_t i = 0; i < 12; i++)
        longest[i] = -1.17549435e-38f;
    for (size_t rank = 2; rank <= 4; rank++) {
        const struct row_numbers t = {longest, 1, rank, {2, rank == 2 ? 6 : 1, 6, 1}};
        struct tensor_rows r = tensor_rows_nested(&t, ROWS_NUMBERS, 0);
        written(&r, 1, out);
        written(&r, r.rows, out);
    }
}
END_TEST

START_TEST(what_is_not_finite_is_a_word)
{
    static const float lse[] = {-INFINITY, 0.5f, -1.25f, -INFINITY, INFINITY, NAN};
    static const struct row_numbers t = {lse, 1, 2, {3, 2}};
    static char out[ROOM];
    struct tensor_rows r = tensor_rows_nested(&t, ROWS_EXTENDED, 0);
    out[written(&r, 1, out)] = '\0';
    ck_assert_str_eq(
        out, "[[\"-Infinity\",0.5],[-1.25,\"-Infinity\"],[\"Infinity\",\"NaN\"]]");

    r = tensor_rows_nested(&t, ROWS_EXTENDED, 2);
    out[written(&r, 1, out)] = '\0';
    ck_assert_str_eq(
        out, "[[\"-Infinity\",0.5],[-1.2,\"-Infinity\"],[\"Infinity\",\"NaN\"]]");
}
END_TEST

START_TEST(integers_have_no_fraction_and_no_exponent)
{
    static const int32_t numbers[] = {0,         -1,         INT32_MAX,
                                      INT32_MIN, 1000000000, 16777217};
    static const struct row_numbers t = {numbers, 1, 3, {1, 2, 3}};
    static char out[ROOM];
    struct tensor_rows r = tensor_rows_nested(&t, ROWS_INTEGERS, 2);
    for (size_t step = 1; step <= 2; step++) {
        out[written(&r, step, out)] = '\0';
        ck_assert_str_eq(out,
                         "[[[0,-1,2147483647],[-2147483648,1000000000,16777217]]]");
    }
}
END_TEST

START_TEST(a_long_row_of_every_second_number_has_them_all)
{
    enum { WIDTH = 2000 };
    static float numbers[2 * WIDTH];
    static char out[ROOM], want[ROOM];
    char *at = want + sprintf(want, "[[");
    for (size_t i = 0; i < WIDTH; i++) {
        numbers[2 * i + 1] = (float)i;
        at += sprintf(at, "%s%zu", i ? "," : "", i);
    }
    sprintf(at, "]]");
    const struct row_numbers t = {numbers + 1, 2, 2, {1, WIDTH}};
    struct tensor_rows r = tensor_rows_nested(&t, ROWS_NUMBERS, 0);
    out[written(&r, 1, out)] = '\0';
    ck_assert_str_eq(out, want);
}
END_TEST

START_TEST(base64_of_several_arrays_is_that_of_their_numbers_in_a_row)
{
    enum { NUMBERS = 1703, ARRAYS = 3 };
    static float all[NUMBERS * ARRAYS];
    static char want[ROOM], out[ROOM];
    struct test_random random = {7};
    for (size_t i = 0; i < NUMBERS * ARRAYS; i++)
        all[i] = test_random_float(&random);
    const void *const array[ARRAYS] = {all, all + NUMBERS, all + (size_t)2 * NUMBERS};

    static const size_t sizes[] = {1, 2, 3, 4, 255, 256, 768, NUMBERS};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        /* The arrays' first `sizes[s]` numbers, one after another. */
        static float joined[NUMBERS * ARRAYS];
        for (size_t a = 0; a < ARRAYS; a++)
            memcpy(joined + a * sizes[s], array[a], sizes[s] * sizeof *joined);
        size_t length = base64_encode(joined, ARRAYS * sizes[s] * sizeof *joined, want);

        const struct row_numbers each = {NULL, 1, 2, {1, sizes[s]}};
        struct tensor_rows r = tensor_rows_base64(array, ARRAYS, &each);
        for (size_t step = 1; step <= r.rows; step += 1 + step / 2) {
            ck_assert_uint_eq(written(&r, step, out), length);
            ck_assert_mem_eq(out, want, length);
        }
    }
}
END_TEST

START_TEST(base64_of_every_second_number_is_that_of_those_alone)
{
    enum { NUMBERS = 1000 };
    static float pairs[2 * NUMBERS], alone[NUMBERS];
    static char want[ROOM], out[ROOM];
    for (size_t i = 0; i < NUMBERS; i++)
        pairs[2 * i + 1] = alone[i] = (float)i;
    size_t length = base64_encode(alone, sizeof alone, want);
    const void *const array[] = {pairs + 1};
    const struct row_numbers each = {NULL, 2, 2, {NUMBERS / 10, 10}};
    struct tensor_rows r = tensor_rows_base64(array, 1, &each);
    ck_assert_uint_eq(written(&r, 7, out), length);
    ck_assert_mem_eq(out, want, length);
}
END_TEST

TEST_PROGRAM("tensor_rows", rows_may_be_cut_anywhere_between_brackets,
             the_longest_numbers_stay_within_the_bound, what_is_not_finite_is_a_word,
             integers_have_no_fraction_and_no_exponent,
             a_long_row_of_every_second_number_has_them_all,
             base64_of_several_arrays_is_that_of_their_numbers_in_a_row,
             base64_of_every_second_number_is_that_of_those_alone)
