#include "core/attention_panels.h"

#include "core/vector_kernels.h"
#include "support/attention_case.h"

/* What a panel holds at (row, column): the number, or 0 beyond the last column. */
static void panels_hold(const float *(*panel_of)(const struct attention *a,
                                                 const float *packed, size_t h,
                                                 size_t first),
                        const struct attention_case *c, const float *packed, bool keys)
{
    const struct attention *a = &c->a;
    size_t columns = keys ? a->S : a->dv, rows = keys ? a->dk : a->S;
    for (size_t g = 0; g < a->G; g++)
        for (size_t first = 0; first < columns; first += TILE_WIDTH) {
            size_t width = attention_panel_width(columns, first);
            const float *panel = panel_of(a, packed, g * (a->H / a->G), first);
            for (size_t n = 0; n < rows * width; n++) {
                size_t row = n / width, column = first + n % width;
                size_t key = keys ? column : row, e = keys ? row : column;
                const struct heads_view *v = keys ? &a->key : &a->value;
                float want = 0;
                if (column < columns)
                    want = v->data[g * v->head_stride + key * v->row_stride + e];
                if (panel[n] != want)
                    ck_abort_msg("head %zu, panel %zu, number %zu", g, first, n);
            }
        }
}

START_TEST(every_key_and_value_stands_in_its_panel_and_the_rest_is_zero)
{
    static const size_t sizes[][2] = {{1, 1},   {16, 3},  {63, 64},  {65, 80},
                                      {200, 5}, {513, 2}, {1030, 33}};
    struct test_random r = {41};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        struct attention_case *c =
            attention_case_plain(&r, 2, 1, sizes[n][0], sizes[n][1], HEADS_APART);
        size_t bytes = attention_panels_bytes(&c->a);
        float *packed = malloc(bytes);
        ck_assert_ptr_nonnull(packed);
        memset(packed, 0xFF, bytes);
        for (size_t pack = attention_panels_packs(&c->a); pack-- > 0;)
            attention_panels_pack(&c->a, pack, packed);
        panels_hold(attention_panel_keys, c, packed, true);
        panels_hold(attention_panel_values, c, packed, false);
        free(packed);
        attention_case_delete(c);
    }
}
END_TEST

TEST_PROGRAM("attention_panels",
             every_key_and_value_stands_in_its_panel_and_the_rest_is_zero)
