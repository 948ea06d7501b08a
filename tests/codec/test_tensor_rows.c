#include "codec/tensor_rows.h"

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
    struct tensor tensor;
    unsigned precision;
    const char *text;
} nested[] = {
    {{counted, 2, {1, 1}}, 0, "[[0]]"},
    {{counted, 2, {2, 2}}, 0, "[[0,1],[2,3]]"},
    {{counted, 2, {3, 1}}, 0, "[[0],[1],[2]]"},
    {{counted, 3, {2, 2, 3}}, 0, "[[[0,1,2],[3,4,5]],[[6,7,8],[9,10,11]]]"},
    {{counted, 3, {2, 2, 3}}, 1, "[[[0,1,2],[3,4,5]],[[6,7,8],[9,10,10]]]"},
    {{counted, 3, {3, 1, 2}}, 0, "[[[0,1]],[[2,3]],[[4,5]]]"},
    {{counted, 4, {2, 1, 2, 1}}, 0, "[[[[0],[1]]],[[[2],[3]]]]"},
    {{counted, 4, {1, 3, 1, 1}}, 0, "[[[[0]],[[1]],[[2]]]]"},
    {{counted, 4, {3, 1, 1, 1}}, 0, "[[[[0]]],[[[1]]],[[[2]]]]"},
};

START_TEST(rows_may_be_cut_anywhere_between_brackets)
{
    static char out[ROOM];
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++) {
        struct tensor_rows r =
            tensor_rows_nested(&nested[i].tensor, ROWS_NUMBERS, nested[i].precision);
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
        const struct tensor t = {longest, rank, {2, rank == 2 ? 6 : 1, 6, 1}};
        struct tensor_rows r = tensor_rows_nested(&t, ROWS_NUMBERS, 0);
        written(&r, 1, out);
        written(&r, r.rows, out);
    }
}
END_TEST

START_TEST(the_logarithm_of_nothing_is_a_word)
{
    static const float lse[] = {-INFINITY, 0.5f, -1.25f, -INFINITY};
    static const struct tensor t = {lse, 2, {2, 2}};
    static char out[ROOM];
    struct tensor_rows r = tensor_rows_nested(&t, ROWS_LOGARITHMS, 0);
    out[written(&r, 1, out)] = '\0';
    ck_assert_str_eq(out, "[[\"-Infinity\",0.5],[-1.25,\"-Infinity\"]]");

    r = tensor_rows_nested(&t, ROWS_LOGARITHMS, 2);
    out[written(&r, 1, out)] = '\0';
    ck_assert_str_eq(out, "[[\"-Infinity\",0.5],[-1.2,\"-Infinity\"]]");
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
    const float *const array[ARRAYS] = {all, all + NUMBERS, all + (size_t)2 * NUMBERS};

    static const size_t sizes[] = {1, 2, 3, 4, 255, 256, 768, NUMBERS};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        /* The arrays' first `sizes[s]` numbers, one after another. */
        static float joined[NUMBERS * ARRAYS];
        for (size_t a = 0; a < ARRAYS; a++)
            memcpy(joined + a * sizes[s], array[a], sizes[s] * sizeof *joined);
        size_t length = base64_encode(joined, ARRAYS * sizes[s] * sizeof *joined, want);

        struct tensor_rows r = tensor_rows_base64(array, ARRAYS, sizes[s]);
        for (size_t step = 1; step <= r.rows; step += 1 + step / 2) {
            ck_assert_uint_eq(written(&r, step, out), length);
            ck_assert_mem_eq(out, want, length);
        }
    }
}
END_TEST

TEST_PROGRAM("tensor_rows", rows_may_be_cut_anywhere_between_brackets,
             the_longest_numbers_stay_within_the_bound,
             the_logarithm_of_nothing_is_a_word,
             base64_of_several_arrays_is_that_of_their_numbers_in_a_row)
