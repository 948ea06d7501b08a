#include "core/attention_mask.h"
#include "support/test.h"

static const uint8_t allowed[1000];
static const float bias[1000];

START_TEST(a_mask_is_broadcast_from_the_right)
{
    /* In a batch of 2 whose longest has 4 queries and 5 keys, with 3 heads; seen from
     * sequence 1. */
    const struct {
        size_t rank, extent[4];
        size_t S, start, head, row, column, columns;
    } rows[] = {
        {1, {5}, 5, 0, 0, 0, 1, 5},          {1, {1}, 5, 0, 0, 0, 0, 5},
        {1, {3}, 5, 0, 0, 0, 1, 3}, /* keys 3 and 4 are masked */
        {1, {3}, 2, 0, 0, 0, 1, 2},          {2, {4, 5}, 5, 0, 0, 5, 1, 5},
        {2, {4, 5}, 2, 0, 0, 5, 1, 2}, /* a shorter one: the top left corner */
        {2, {4, 1}, 5, 0, 0, 1, 0, 5},       {2, {1, 5}, 5, 0, 0, 0, 1, 5},
        {3, {3, 4, 5}, 5, 0, 20, 5, 1, 5},   {3, {3, 1, 5}, 5, 0, 5, 0, 1, 5},
        {3, {1, 4, 5}, 5, 0, 0, 5, 1, 5},    {4, {2, 3, 4, 5}, 5, 60, 20, 5, 1, 5},
        {4, {2, 1, 1, 4}, 5, 4, 0, 0, 1, 4}, {4, {1, 3, 4, 1}, 5, 0, 4, 1, 0, 5},
        {4, {2, 1, 1, 1}, 5, 1, 0, 0, 0, 5},
    };
    const struct attention_shape shape = {
        .B = 2, .H = 3, .longest_T = 4, .longest_S = 5};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct attention_mask mask = {
            .kind = MASK_BOOLEAN, .allowed = allowed, .rank = rows[i].rank};
        memcpy(mask.extent, rows[i].extent, sizeof mask.extent);
        struct error e = {0};
        ck_assert_msg(attention_mask_check(&mask, &shape, &e), "row %zu: %s", i,
                      e.message);

        struct mask_view got = attention_mask_view(&mask, 1, rows[i].S);
        ck_assert_ptr_eq(got.allowed, allowed + rows[i].start);
        ck_assert_ptr_null(got.bias);
        ck_assert_uint_eq(got.head_stride, rows[i].head);
        ck_assert_uint_eq(got.row_stride, rows[i].row);
        ck_assert_uint_eq(got.column_stride, rows[i].column);
        ck_assert_msg(got.columns == rows[i].columns, "row %zu", i);
    }
}
END_TEST

START_TEST(numbers_are_seen_as_numbers_and_no_mask_as_none)
{
    const struct attention_mask mask = {
        .kind = MASK_ADDITIVE, .bias = bias, .rank = 4, .extent = {3, 1, 2, 5}};
    struct mask_view view = attention_mask_view(&mask, 2, 5);
    ck_assert_ptr_eq(view.bias, bias + 20);
    ck_assert_ptr_null(view.allowed);

    view = attention_mask_view(&(struct attention_mask){0}, 2, 5);
    ck_assert_ptr_null(view.bias);
    ck_assert_ptr_null(view.allowed);
    ck_assert_uint_eq(view.columns, 5);
}
END_TEST

TEST_PROGRAM("attention_mask", a_mask_is_broadcast_from_the_right,
             numbers_are_seen_as_numbers_and_no_mask_as_none)
