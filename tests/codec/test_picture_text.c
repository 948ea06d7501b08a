#include "codec/picture_text.h"

#include <stdio.h>

#include "codec/utf8.h"
#include "support/test.h"

static const struct json_text thin_labels[] = {{"the", 3}, {"cat", 3}, {"is", 2}};

/* The picture as a C string; the caller frees it. */
static char *drawn(const struct attention_request *q, const struct multi_head_result *m)
{
    struct buffer out;
    buffer_init(&out, PICTURE_TEXT_BYTES + 1);
    picture_text_draw(q, m, &out);
    ck_assert(!out.failed);
    size_t length = 0;
    return buffer_take(&out, &length);
}

static const float small_map[] = {0.9f,   0.1f,  0,     0.45f, 0.225f,
                                  0.325f, 0.72f, 0.08f, 0.2f};
static const float small_output[] = {1, -2.5f, 0, 0.33333f, 1e-9f, 12345.678f};
static const struct sequence_result small = {
    .T = 3, .S = 3, .map_columns = 3, .output = small_output, .maps = small_map};
static const struct multi_head_result small_result = {.B = 1,
                                                      .single = true,
                                                      .H = 1,
                                                      .G = 1,
                                                      .dv = 2,
                                                      .width = 2,
                                                      .map_heads = 1,
                                                      .sequence = &small};

START_TEST(a_small_map_has_square_cells_numbers_and_its_outputs)
{
    const struct attention_request q = {0};
    char *text = drawn(&q, &small_result);
    ck_assert_pstr_eq(text, "head 0 of 1 · 3 queries × 3 keys · darkest cell 0.9\n"
                            "   0 1 2 \n"
                            "  ┌──────┐\n"
                            "0 │██    │\n"
                            "1 │▒▒░░░░│\n"
                            "2 │▓▓  ░░│\n"
                            "  └──────┘\n"
                            "   ░ from 0.11  ▒ from 0.34  ▓ from 0.56  █ from 0.79 \n"
                            "\n"
                            "outputs · 3 × 2\n"
                            "0           1       -2.5\n"
                            "1           0     0.3333\n"
                            "2       1e-09  1.235e+04\n"
                            "\n");
    free(text);
}
END_TEST

START_TEST(labels_stand_at_both_sides)
{
    const struct attention_request q = {
        .labels = thin_labels, .label_count = 3, .labels_given = true};
    char *text = drawn(&q, &small_result);
    const char *want = "     t c   \n"
                       "     h a i \n"
                       "     e t s \n"
                       "    ┌──────┐\n"
                       "the │██    │\n"
                       "cat │▒▒░░░░│\n"
                       " is │▓▓  ░░│\n"
                       "    └──────┘\n";
    ck_assert_msg(strstr(text, want) != NULL, "%s", text);
    free(text);
}
END_TEST

START_TEST(labels_of_another_number_of_tokens_are_not_used)
{
    const struct attention_request q = {
        .labels = thin_labels, .label_count = 2, .labels_given = true};
    char *text = drawn(&q, &small_result);
    ck_assert_ptr_null(strstr(text, "the"));
    ck_assert_ptr_nonnull(strstr(text, "0 │██    │\n"));
    free(text);
}
END_TEST

START_TEST(keys_from_a_context_are_not_the_labelled_tokens)
{
    const struct attention_request q = {.input.context.count = 1,
                                        .labels = thin_labels,
                                        .label_count = 3,
                                        .labels_given = true};
    char *text = drawn(&q, &small_result);
    ck_assert_ptr_nonnull(strstr(text, "     0 1 2 \n    ┌──────┐\nthe │"));
    free(text);
}
END_TEST

START_TEST(a_label_cannot_steer_the_terminal)
{
    static const struct json_text hostile[] = {{"\x1B[2J\x07", 5},
                                               {"\r\n\t\0", 4},
                                               {"\xC2\x9B"
                                                "31m\xE2\x80\xAE\x7F",
                                                9}};
    const struct attention_request q = {
        .labels = hostile, .label_count = 3, .labels_given = true};
    char *text = drawn(&q, &small_result);
    size_t length = strlen(text), seen = 0;
    for (size_t i = 0; i < length;) {
        uint32_t c = 0;
        i += utf8_read(text + i, length - i, &c);
        ck_assert_msg(c == '\n' || (c >= 0x20 && c < 0x7F) || (c > 0x9F && c != 0x202E),
                      "U+%04X", (unsigned)c);
        seen += c == UTF8_REPLACEMENT;
    }
    ck_assert_uint_ge(seen, 8);
    free(text);
}
END_TEST

START_TEST(a_wide_character_takes_two_columns_and_a_long_label_is_cut)
{
    static const struct json_text labels[] = {
        {"\xE6\xBC\xA2\xE5\xAD\x97", 6}, {"ABCDEFGHIJKLMNOP", 16}, {"", 0}};
    const struct attention_request q = {
        .labels = labels, .label_count = 3, .labels_given = true};
    char *text = drawn(&q, &small_result);
    ck_assert_msg(strstr(text, "\n        \xE6\xBC\xA2\xE5\xAD\x97 │██    │\n"
                               "ABCDEFGHIJKL │▒▒░░░░│\n"
                               "             │▓▓  ░░│\n") != NULL,
                  "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "\n              \xE6\xBC\xA2K   \n"));
    ck_assert_ptr_null(strchr(text, 'M'));
    free(text);
}
END_TEST

START_TEST(every_returned_head_of_every_sequence_has_its_title)
{
    static const size_t heads[] = {5, 2};
    static const float maps[] = {1, 1}, output[9] = {0};
    static const struct sequence_result sequences[] = {
        {.T = 1, .S = 1, .map_columns = 1, .output = output, .maps = maps},
        {.T = 1, .S = 1, .map_columns = 1, .output = output, .maps = maps}};
    static const struct multi_head_result m = {
        .B = 2, .H = 8, .dv = 9, .width = 9, .map_heads = 2, .sequence = sequences};
    const struct attention_request q = {
        .input = {.map_heads_given = true, .map_heads = heads, .map_head_count = 2}};
    static const char *const titles[] = {
        "head 5 of 8 · sequence 0 · 1 query × 1 key ·",
        "head 2 of 8 · sequence 0 · 1 query × 1 key ·",
        "head 5 of 8 · sequence 1 · 1 query × 1 key ·",
        "head 2 of 8 · sequence 1 · 1 query × 1 key ·"};
    char *text = drawn(&q, &m), *at = text;
    for (size_t i = 0; i < 4; i++) {
        at = strstr(at, titles[i]);
        ck_assert_msg(at != NULL, "%s is missing", titles[i]);
    }
    ck_assert_ptr_null(strstr(text, "outputs"));
    free(text);
}
END_TEST

START_TEST(a_mean_map_says_so_and_outputs_of_split_heads_are_joined)
{
    static const float output[] = {1, 2, 3, 4, 5, 6, 7, 8}; /* [2][2][2] */
    static const struct sequence_result sequence = {
        .T = 2, .S = 2, .map_columns = 2, .output = output, .maps = small_map};
    static const struct multi_head_result m = {.B = 1,
                                               .split_heads = true,
                                               .mean_map = true,
                                               .H = 2,
                                               .dv = 2,
                                               .width = 4,
                                               .sequence = &sequence};
    const struct attention_request q = {0};
    char *text = drawn(&q, &m);
    ck_assert_ptr_nonnull(strstr(text, "mean of 2 heads · sequence 0 · 2 queries"));
    ck_assert_msg(strstr(text,
                         "outputs · sequence 0 · 2 × 4\n"
                         "0           1          2          5          6\n"
                         "1           3          4          7          8\n") != NULL,
                  "%s", text);
    free(text);
}
END_TEST

START_TEST(a_request_without_maps_is_told_so)
{
    static const struct sequence_result sequence = {
        .T = 3, .S = 3, .map_columns = 3, .output = small_output};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    m.map_heads = 0;
    const struct attention_request q = {0};
    char *text = drawn(&q, &m);
    ck_assert_ptr_nonnull(
        strstr(text, "No maps: the request says \"maps\": \"none\"."));
    ck_assert_ptr_nonnull(strstr(text, "outputs · 3 × 2\n"));
    free(text);
}
END_TEST

START_TEST(an_all_masked_map_is_blank)
{
    static const float nothing[9] = {0};
    static const struct sequence_result sequence = {
        .T = 3, .S = 3, .map_columns = 3, .output = small_output, .maps = nothing};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    const struct attention_request q = {0};
    char *text = drawn(&q, &m);
    ck_assert_ptr_nonnull(strstr(text, "darkest cell 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "1 │      │\n"));
    ck_assert_ptr_null(strstr(text, "from"));
    free(text);
}
END_TEST

/* Bytes between the frame's bars on the line of the first row. */
static size_t cells_of_first_row(const char *text)
{
    const char *row = strstr(text, "0 │");
    ck_assert_ptr_nonnull(row);
    row += strlen("0 │");
    size_t cells = 0;
    for (uint32_t c = 0; (row += utf8_read(row, strlen(row), &c), c != 0x2502);)
        cells++;
    return cells;
}

START_TEST(a_large_map_is_averaged_down_to_a_terminal)
{
    enum { T = 250, S = 401 };
    float *map = calloc(T * S, sizeof *map), *output = calloc(T * 9, sizeof *output);
    for (size_t j = 0; j < 5; j++)
        map[j] = 0.6f; /* row 0 alone: its cell holds 3 x 5 weights */
    const struct sequence_result sequence = {
        .T = T, .S = S, .map_columns = S, .output = output, .maps = map};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    m.width = 9;
    const struct attention_request q = {0};

    char *text = drawn(&q, &m);
    ck_assert_ptr_nonnull(strstr(text, "250 queries × 401 keys · darkest cell 0.2\n"));
    ck_assert_ptr_nonnull(strstr(text, "each cell is the mean of 3 × 5 weights\n"));
    ck_assert_uint_eq(cells_of_first_row(text), 81);
    ck_assert_ptr_nonnull(strstr(text, "\n249 │"));
    free(text);
    free(map);
    free(output);
}
END_TEST

START_TEST(cells_are_two_columns_wide_as_long_as_that_fits)
{
    static const struct {
        size_t S, columns;
    } cases[] = {{1, 2}, {32, 64}, {33, 33}, {100, 100}, {101, 51}};
    float *map = calloc(101, sizeof *map);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct sequence_result sequence = {.T = 1,
                                                 .S = cases[i].S,
                                                 .map_columns = cases[i].S,
                                                 .output = small_output,
                                                 .maps = map};
        struct multi_head_result m = small_result;
        m.sequence = &sequence;
        const struct attention_request q = {0};
        char *text = drawn(&q, &m);
        ck_assert_uint_eq(cells_of_first_row(text), cases[i].columns);
        free(text);
    }
    free(map);
}
END_TEST

START_TEST(scores_are_shaded_from_the_least_and_hidden_ones_are_dots)
{
    static const float scores[] = {-1,        -INFINITY, -INFINITY, 0,        3,
                                   -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    static const struct sequence_result sequence = {
        .T = 3, .S = 3, .map_columns = 3, .output = small_output, .maps = scores};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    const struct attention_request q = {.input.map_stage = MAP_STAGE_BIASED};
    char *text = drawn(&q, &m);
    const char *want =
        "head 0 of 1 · 3 queries × 3 keys · biased scores from -1 to 3\n"
        "   0 1 2 \n"
        "  ┌──────┐\n"
        "0 │  ····│\n"
        "1 │░░██··│\n"
        "2 │······│\n"
        "  └──────┘\n"
        "   blank from -1  ░ from -0.5  ▒ from 0.5  ▓ from 1.5  █ from 2.5  · hidden \n"
        "\n";
    ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s", text);
    free(text);
}
END_TEST

START_TEST(scores_that_are_all_alike_or_all_hidden)
{
    static const float alike[] = {-2, -2};
    static const float none[] = {-INFINITY, -INFINITY};
    static const struct {
        const float *scores;
        const char *title, *row;
    } cases[] = {{alike, "· scores from -2 to -2\n", "0 │████│\n"},
                 {none, "· scores, all hidden\n", "0 │····│\n"}};
    for (size_t i = 0; i < 2; i++) {
        const struct sequence_result sequence = {.T = 1,
                                                 .S = 2,
                                                 .map_columns = 2,
                                                 .output = small_output,
                                                 .maps = cases[i].scores};
        struct multi_head_result m = small_result;
        m.sequence = &sequence;
        const struct attention_request q = {.input.map_stage = MAP_STAGE_SCORES};
        char *text = drawn(&q, &m);
        ck_assert_msg(strstr(text, cases[i].title) != NULL, "%s", text);
        ck_assert_msg(strstr(text, cases[i].row) != NULL, "%s", text);
        ck_assert_ptr_null(strstr(text, "from -2  "));
        free(text);
    }
}
END_TEST

START_TEST(scores_that_share_a_cell_are_the_mean_of_those_that_are_seen)
{
    enum { S = 250 };
    float scores[S];
    for (size_t j = 0; j < S; j++)
        scores[j] = j < 3 ? (float)j : -INFINITY; /* the first cell is 0, 1, 2 */
    scores[3] = 5;                                /* the second 5 and two hidden */
    const struct sequence_result sequence = {
        .T = 1, .S = S, .map_columns = S, .output = small_output, .maps = scores};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    const struct attention_request q = {.input.map_stage = MAP_STAGE_CAPPED};
    char *text = drawn(&q, &m);
    ck_assert_msg(strstr(text, "· capped scores from 1 to 5\n") != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "0 │ █····"));
    ck_assert_ptr_nonnull(strstr(text, "each cell is the mean of 1 × 3 capped scores, "
                                       "hidden ones left out\n"));
    free(text);
}
END_TEST

static const int32_t top_indices[] = {2, 0, 1, 2, 0, 1};

START_TEST(the_largest_weights_of_each_row_stand_at_their_keys)
{
    static const float values[] = {0.75f, 0.25f, 0.5f, 0.125f, 0, 0};
    static const struct sequence_result sequence = {.T = 3,
                                                    .S = 3,
                                                    .map_columns = 3,
                                                    .output = small_output,
                                                    .top_indices = top_indices,
                                                    .top_values = values};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    m.top = 2;
    const struct attention_request q = {0};
    char *text = drawn(&q, &m);
    const char *want = "head 0 of 1 · 3 queries × 3 keys · the 2 largest of each row · "
                       "darkest cell 0.75\n"
                       "   0 1 2 \n"
                       "  ┌──────┐\n"
                       "0 │░░  ██│\n"
                       "1 │  ▓▓░░│\n"
                       "2 │      │\n"
                       "  └──────┘\n";
    ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s", text);
    free(text);
}
END_TEST

START_TEST(among_the_largest_scores_what_is_left_out_is_a_dot)
{
    static const float values[] = {4, 0, 4, 2, -INFINITY, -INFINITY};
    static const struct sequence_result sequence = {.T = 3,
                                                    .S = 3,
                                                    .map_columns = 3,
                                                    .output = small_output,
                                                    .top_indices = top_indices,
                                                    .top_values = values};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    m.top = 2;
    const struct attention_request q = {.input.map_stage = MAP_STAGE_BIASED};
    char *text = drawn(&q, &m);
    const char *want = "0 │  ··██│\n"
                       "1 │··██▒▒│\n"
                       "2 │······│\n";
    ck_assert_msg(strstr(text, want) != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "· hidden, or not among the largest"));
    free(text);
}
END_TEST

START_TEST(a_map_with_fewer_columns_than_keys_says_so)
{
    static const float map[] = {1, 0, 0.5f, 0.5f, 0, 1};
    static const struct sequence_result sequence = {
        .T = 3, .S = 3, .map_columns = 2, .output = small_output, .maps = map};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    const struct attention_request q = {
        .labels = thin_labels, .label_count = 3, .labels_given = true};
    char *text = drawn(&q, &m);
    const char *want =
        "head 0 of 1 · 3 queries × 2 mixtures of 3 keys · darkest cell 1\n"
        "     0 1 \n"
        "    ┌────┐\n"
        "the │██  │\n"
        "cat │▒▒▒▒│\n"
        " is │  ██│\n";
    ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s", text);
    free(text);
}
END_TEST

START_TEST(a_method_without_maps_is_named)
{
    static const struct sequence_result sequence = {
        .T = 3, .S = 3, .output = small_output};
    struct multi_head_result m = small_result;
    m.sequence = &sequence;
    m.method = METHOD_LINEAR;
    const struct attention_request q = {.input.method.name = METHOD_LINEAR};
    char *text = drawn(&q, &m);
    ck_assert_ptr_nonnull(strstr(text, "No maps: the method linear has none."));
    free(text);
}
END_TEST

START_TEST(a_flood_of_maps_ends_within_the_bound_and_is_counted)
{
    enum { T = 100, B = 100 };
    static char mark[4 * 9 + 1];
    for (size_t i = 0; i < 4;
         i++) /* the most bytes a glyph may have, again and again */
        memcpy(mark + 9 * i, "\xE6\xBC\xA2\xEF\xB8\x8F\xE3\x82\x99", 9);
    struct json_text labels[T];
    for (size_t i = 0; i < T; i++)
        labels[i] = (struct json_text){mark, 36};
    float *map = calloc(2 * T * T, sizeof *map);
    for (size_t i = 0; i < 2 * T * T; i++)
        map[i] = 1;
    struct sequence_result sequences[B];
    for (size_t b = 0; b < B; b++)
        sequences[b] = (struct sequence_result){
            .T = T, .S = T, .map_columns = T, .output = map, .maps = map};
    struct multi_head_result m = small_result;
    m.single = false;
    m.B = B;
    m.map_heads = 2;
    m.sequence = sequences;
    const struct attention_request q = {
        .labels = labels, .label_count = T, .labels_given = true};

    char *text = drawn(&q, &m);
    size_t titles = 0, left = 0;
    for (const char *at = text; (at = strstr(at, "head ")); at++)
        titles++;
    const char *last = strstr(text, "Maps not drawn: ");
    ck_assert_ptr_nonnull(last);
    ck_assert_int_eq(sscanf(last, "Maps not drawn: %zu.", &left), 1);
    ck_assert_uint_eq(titles + left, 2 * B);
    ck_assert_uint_gt(titles, 8);
    free(text);
    free(map);
}
END_TEST

START_TEST(sequences_without_maps_end_within_the_bound_too)
{
    enum { B = 10000 };
    struct sequence_result *sequences = calloc(B, sizeof *sequences);
    for (size_t b = 0; b < B; b++)
        sequences[b] = (struct sequence_result){
            .T = 3, .S = 3, .map_columns = 3, .output = small_output};
    struct multi_head_result m = small_result;
    m.single = false;
    m.B = B;
    m.map_heads = 0;
    m.sequence = sequences;
    const struct attention_request q = {0};
    char *text = drawn(&q, &m);
    ck_assert_ptr_nonnull(strstr(text, "Sequences not drawn: "));
    free(text);
    free(sequences);
}
END_TEST

TEST_PROGRAM("picture_text", a_small_map_has_square_cells_numbers_and_its_outputs,
             labels_stand_at_both_sides,
             labels_of_another_number_of_tokens_are_not_used,
             keys_from_a_context_are_not_the_labelled_tokens,
             a_label_cannot_steer_the_terminal,
             a_wide_character_takes_two_columns_and_a_long_label_is_cut,
             every_returned_head_of_every_sequence_has_its_title,
             a_mean_map_says_so_and_outputs_of_split_heads_are_joined,
             a_request_without_maps_is_told_so, an_all_masked_map_is_blank,
             a_large_map_is_averaged_down_to_a_terminal,
             cells_are_two_columns_wide_as_long_as_that_fits,
             scores_are_shaded_from_the_least_and_hidden_ones_are_dots,
             scores_that_are_all_alike_or_all_hidden,
             scores_that_share_a_cell_are_the_mean_of_those_that_are_seen,
             the_largest_weights_of_each_row_stand_at_their_keys,
             among_the_largest_scores_what_is_left_out_is_a_dot,
             a_map_with_fewer_columns_than_keys_says_so, a_method_without_maps_is_named,
             a_flood_of_maps_ends_within_the_bound_and_is_counted,
             sequences_without_maps_end_within_the_bound_too)
