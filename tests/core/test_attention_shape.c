#include "core/attention_shape.h"
#include "support/attention_refusals.h"
#include "support/test.h"

/* clang-format off */
START_TEST(exactly_one_of_the_two_forms_is_asked_for)
{
    const struct refusal rows[] = {
        {"", "needs sequences, or query, key and value",
         {.heads = 2}},
        {"", "needs sequences, or query, key and value",
         {.weights.given = true}},
        {"/query", "cannot be given together with sequences",
         {.sequences = ONE(3, 4), PROJECTED(MATRIX(3, 4), MATRIX(3, 4), MATRIX(3, 4))}},
        {"/value", "cannot be given together with sequences",
         {.sequences = ONE(3, 4), .value = MATRIX(3, 4)}},
        {"/context", "needs sequences beside it",
         {.context = ONE(3, 4)}},
        {"/context", "cannot be given together with query, key and value",
         {.context = ONE(3, 4), PROJECTED(MATRIX(3, 4), MATRIX(3, 4), MATRIX(3, 4))}},
        {"/query", "is missing: query, key and value go together",
         {.key = MATRIX(3, 4), .value = MATRIX(3, 4)}},
        {"/key", "is missing: query, key and value go together",
         {.query = MATRIX(3, 4), .value = MATRIX(3, 4)}},
        {"/value", "is missing: query, key and value go together",
         {.query = MATRIX(3, 4), .key = MATRIX(3, 4)}},
        {"/weights", "cannot be given together with query, key and value, which are "
                     "projected already",
         {PROJECTED(MATRIX(3, 4), MATRIX(3, 4), MATRIX(3, 4)),
          WEIGHTS(MATRIX(4, 4), MATRIX(4, 4), MATRIX(4, 4))}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

START_TEST(tokens_that_do_not_fit_together_are_refused)
{
    const struct refusal rows[] = {
        {"/sequences/1", "has rows of 5 numbers, expected 4 (as in the first sequence)",
         {.sequences = BATCH(3, 4, 2, 5)}},
        {"/context/1", "has rows of 5 numbers, expected 4 (as in the first sequence)",
         {.sequences = BATCH(3, 4, 2, 4), .context = BATCH(3, 4, 2, 5)}},
        {"/sequences/0", "has rank 1, expected 2",
         {.sequences = {1, false, (const struct tensor[]){VECTOR(3)}}}},
        {"/context", "is a batch, but sequences is one sequence",
         {.sequences = ONE(3, 4), .context = BATCH(3, 4, 2, 4)}},
        {"/context", "is one sequence, but sequences is a batch",
         {.sequences = BATCH(3, 4, 2, 4), .context = ONE(3, 4)}},
        {"/context", "has 1 sequences, expected 2 (as many as sequences)",
         {.sequences = BATCH(3, 4, 2, 4),
          .context = {1, false, (const struct tensor[]){MATRIX(3, 4)}}}},
        {"/context", "has rows of 5 numbers, expected 4 (the width of a token, as there "
                     "are no weights)",
         {.sequences = ONE(3, 4), .context = ONE(3, 5)}},
        {"/heads", "is 3, but sequences has 4 numbers in a row, which cannot be divided "
                   "so",
         {.sequences = ONE(3, 4), .heads = 3}},
        {"/kv_heads", "is 1, expected 2 (heads): without weights keys are as wide as "
                      "queries",
         {.sequences = ONE(3, 4), .heads = 2, .kv_heads = 1}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

/* Threat 79. */
START_TEST(projected_rows_that_do_not_fit_together_are_refused)
{
    const struct refusal rows[] = {
        {"/query", "has rank 1, expected 2, 3 or 4",
         {PROJECTED(VECTOR(4), VECTOR(4), VECTOR(4))}},
        {"/key", "has rank 3, expected 2 (the rank of query)",
         {PROJECTED(MATRIX(3, 4), CUBE(1, 3, 4), MATRIX(3, 4))}},
        {"/value", "has rank 4, expected 3 (the rank of query)",
         {PROJECTED(CUBE(1, 3, 4), CUBE(1, 3, 4), HEADS(1, 1, 3, 4))}},
        {"/key", "has 3 sequences, expected 2 (as many as query)",
         {PROJECTED(CUBE(2, 3, 4), CUBE(3, 3, 4), CUBE(2, 3, 4))}},
        {"/value", "has 1 sequences, expected 2 (as many as query)",
         {PROJECTED(CUBE(2, 3, 4), CUBE(2, 3, 4), CUBE(1, 3, 4))}},
        {"/value", "has 6 tokens, expected 5 (as many as key)",
         {PROJECTED(MATRIX(3, 4), MATRIX(5, 4), MATRIX(6, 4))}},
        {"/heads", "is 3, but query has 4 numbers in a row, which cannot be divided so",
         {PROJECTED(MATRIX(3, 4), MATRIX(5, 4), MATRIX(5, 4)), .heads = 3}},
        {"/key", "has 6 numbers in a row, expected 8 (2 key heads of width 4)",
         {PROJECTED(MATRIX(3, 16), MATRIX(5, 6), MATRIX(5, 4)), .heads = 4,
          .kv_heads = 2}},
        {"/value", "has 5 numbers in a row, which 2 key heads cannot divide",
         {PROJECTED(MATRIX(3, 16), MATRIX(5, 8), MATRIX(5, 5)), .heads = 4,
          .kv_heads = 2}},
        {"/kv_heads", "is 3, which does not divide the 4 heads",
         {PROJECTED(MATRIX(3, 16), MATRIX(5, 12), MATRIX(5, 12)), .heads = 4,
          .kv_heads = 3}},
        {"/value", "has 1 heads, expected 2 (as many as key)",
         {PROJECTED(HEADS(1, 2, 3, 4), HEADS(1, 2, 5, 4), HEADS(1, 1, 5, 4))}},
        {"/heads", "is 3, expected 2 (the heads of query)",
         {PROJECTED(HEADS(1, 2, 3, 4), HEADS(1, 2, 5, 4), HEADS(1, 2, 5, 4)),
          .heads = 3}},
        {"/kv_heads", "is 2, expected 1 (the heads of key)",
         {PROJECTED(HEADS(1, 2, 3, 4), HEADS(1, 1, 5, 4), HEADS(1, 1, 5, 4)),
          .kv_heads = 2}},
        {"/key", "has 5 numbers in a row, expected 4 (as many as query)",
         {PROJECTED(HEADS(1, 2, 3, 4), HEADS(1, 2, 5, 5), HEADS(1, 2, 5, 4))}},
        {"/key", "has 3 heads, which do not divide the 4 of query",
         {PROJECTED(HEADS(1, 4, 3, 4), HEADS(1, 3, 5, 4), HEADS(1, 3, 5, 4))}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

/* Threat 79. */
START_TEST(weights_that_do_not_fit_are_refused)
{
    const struct refusal rows[] = {
        {"/weights/wq", "is missing: weights need wq, wk and wv",
         {.sequences = ONE(3, 4), .weights.given = true}},
        {"/weights/wv", "is missing: weights need wq, wk and wv",
         {.sequences = ONE(3, 4), WEIGHTS(MATRIX(4, 6), MATRIX(4, 6))}},
        {"/weights/wq", "has rank 3, expected 2",
         {.sequences = ONE(3, 4), WEIGHTS(CUBE(1, 4, 6), MATRIX(4, 6), MATRIX(4, 6))}},
        {"/weights/wq", "has 5 rows, expected 4 (the width of a token)",
         {.sequences = ONE(3, 4), WEIGHTS(MATRIX(5, 6), MATRIX(4, 6), MATRIX(4, 6))}},
        {"/weights/wk", "has 5 rows, expected 4 (the width of a token)",
         {.sequences = ONE(3, 4), WEIGHTS(MATRIX(4, 6), MATRIX(5, 6), MATRIX(4, 6))}},
        {"/weights/wk", "has 5 rows, expected 4 (the width of a context token)",
         {.sequences = ONE(3, 5), .context = ONE(2, 4),
          WEIGHTS(MATRIX(5, 6), MATRIX(5, 6), MATRIX(4, 6))}},
        {"/weights/wv", "has 5 rows, expected 4 (the width of a context token)",
         {.sequences = ONE(3, 5), .context = ONE(2, 4),
          WEIGHTS(MATRIX(5, 6), MATRIX(4, 6), MATRIX(5, 6))}},
        {"/heads", "is 4, but weights/wq has 6 columns, which cannot be divided so",
         {.sequences = ONE(3, 4), WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 6)),
          .heads = 4}},
        {"/weights/wk", "has 7 columns, expected 6 (3 key heads of width 2)",
         {.sequences = ONE(3, 4), WEIGHTS(MATRIX(4, 6), MATRIX(4, 7), MATRIX(4, 6)),
          .heads = 3}},
        {"/weights/wk", "has 6 columns, expected 2 (1 key heads of width 2)",
         {.sequences = ONE(3, 4), WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 6)),
          .heads = 3, .kv_heads = 1}},
        {"/weights/wv", "has 7 columns, which 3 key heads cannot divide",
         {.sequences = ONE(3, 4), WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 7)),
          .heads = 3}},
        {"/kv_heads", "is 4, which does not divide the 2 heads",
         {.sequences = ONE(3, 4), WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 6)),
          .heads = 2, .kv_heads = 4}},
        {"/weights/wo", "has 7 rows, expected 9 (the values of all heads, joined)",
         {.sequences = ONE(3, 4), .heads = 3,
          WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 9), MATRIX(7, 4))}},
        {"/weights/bq", "has 5 numbers, expected 6 (the columns of wq)",
         {.sequences = ONE(3, 4),
          WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 7), .bq = VECTOR(5))}},
        {"/weights/bk", "has rank 2, expected 1",
         {.sequences = ONE(3, 4),
          WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 7), .bk = MATRIX(1, 6))}},
        {"/weights/bv", "has 6 numbers, expected 7 (the columns of wv)",
         {.sequences = ONE(3, 4),
          WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 7), .bv = VECTOR(6))}},
        {"/weights/bo", "needs wo beside it",
         {.sequences = ONE(3, 4),
          WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 7), .bo = VECTOR(7))}},
        {"/weights/bo", "has 7 numbers, expected 5 (the columns of wo)",
         {.sequences = ONE(3, 4),
          WEIGHTS(MATRIX(4, 6), MATRIX(4, 6), MATRIX(4, 7), MATRIX(7, 5),
                  .bo = VECTOR(7))}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

/* Threat 80. */
START_TEST(masks_and_maps_that_do_not_fit_are_refused)
{
    const struct refusal rows[] = {
        {"/mask", "has rank 0, expected 1 to 4",
         {.sequences = ONE(3, 4), .mask.kind = MASK_BOOLEAN}},
        {"/mask", "has 4 key columns, expected at most 3",
         {.sequences = ONE(3, 4), MASK(1, 4)}},
        {"/mask", "has 2 query rows, expected 1 or 3",
         {.sequences = ONE(3, 4), MASK(2, 2, 3)}},
        {"/mask", "has 2 heads, expected 1 or 4", /* rank 3 is never [B][T][S] */
         {.sequences = BATCH(3, 4, 3, 4), .heads = 4, MASK(3, 2, 3, 3)}},
        {"/mask", "has 3 sequences, expected 1 or 2",
         {.sequences = BATCH(3, 4, 3, 4), MASK(4, 3, 1, 3, 3)}},
        {"/mask", "has 3 query rows, expected 1 or 5", /* of the longest sequence */
         {.sequences = BATCH(3, 4, 5, 4), MASK(2, 3, 3)}},
        {"/map_heads/1", "is 2, but there are 2 heads, counted from 0",
         {.sequences = ONE(3, 4), .heads = 2, MAPS_OF(2, 1, 2)}},
        {"/map_heads/2", "names head 1 a second time",
         {.sequences = ONE(3, 4), .heads = 2, MAPS_OF(4, 1, 0, 1, 0)}},
        {"/map_heads", "names no head; say \"maps\": \"none\" for no maps",
         {.sequences = ONE(3, 4), .map_heads_given = true}},
        {"/map_heads", "goes with the maps \"heads\" and \"top_k\" only",
         {.sequences = ONE(3, 4), .maps = MAPS_MEAN, MAPS_OF(1, 0)}},
        {"/map_heads", "goes with the maps \"heads\" and \"top_k\" only",
         {.sequences = ONE(3, 4), .maps = MAPS_NONE, MAPS_OF(1, 0)}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

/* Ceilings so low that one more than each is still a small table. */
static const struct attention_limits low = {.max_batch = 2, .max_tokens = 5, .max_width = 8,
                                            .max_heads = 4, .max_map_numbers = 50};

/* Threats 81, 83. */
START_TEST(one_more_than_a_limit_names_the_figure_and_the_setting)
{
    const struct refusal rows[] = {
        {"/sequences", "has 3 sequences, the setting max_batch allows 2",
         {.sequences = {3, false, (const struct tensor[]){MATRIX(1, 4), MATRIX(1, 4),
                                                          MATRIX(1, 4)}}}},
        {"/sequences", "has 6 tokens, the setting max_tokens allows 5",
         {.sequences = ONE(6, 4)}},
        {"/sequences/1", "has 6 tokens, the setting max_tokens allows 5",
         {.sequences = BATCH(5, 4, 6, 4)}},
        {"/context", "has 6 tokens, the setting max_tokens allows 5",
         {.sequences = ONE(5, 4), .context = ONE(6, 4)}},
        {"/sequences", "has 9 numbers in a row, the setting max_width allows 8",
         {.sequences = ONE(5, 9)}},
        {"/context", "has 9 numbers in a row, the setting max_width allows 8",
         {.sequences = ONE(5, 4), .context = ONE(5, 9)}},
        {"/query", "has 3 sequences, the setting max_batch allows 2",
         {PROJECTED(CUBE(3, 1, 4), CUBE(3, 1, 4), CUBE(3, 1, 4))}},
        {"/query", "has 6 tokens, the setting max_tokens allows 5",
         {PROJECTED(MATRIX(6, 4), MATRIX(5, 4), MATRIX(5, 4))}},
        {"/key", "has 6 tokens, the setting max_tokens allows 5",
         {PROJECTED(MATRIX(5, 4), MATRIX(6, 4), MATRIX(6, 4))}},
        {"/value", "has 9 numbers in a row, the setting max_width allows 8",
         {PROJECTED(MATRIX(5, 4), MATRIX(5, 4), MATRIX(5, 9))}},
        {"/query", "has 5 heads, the setting max_heads allows 4",
         {PROJECTED(HEADS(1, 5, 2, 4), HEADS(1, 5, 2, 4), HEADS(1, 5, 2, 4))}},
        {"/heads", "is 5, the setting max_heads allows 4",
         {.sequences = ONE(5, 4), .heads = 5}},
        {"/weights/wq", "has 9 columns, the setting max_width allows 8",
         {.sequences = ONE(5, 4), WEIGHTS(MATRIX(4, 9), MATRIX(4, 9), MATRIX(4, 9))}},
        {"/weights/wo", "has 9 columns, the setting max_width allows 8",
         {.sequences = ONE(5, 4),
          WEIGHTS(MATRIX(4, 4), MATRIX(4, 4), MATRIX(4, 4), MATRIX(4, 9))}},
        {"/value", "makes rows of 4 x 3 numbers (heads x the width of a value), the "
                   "setting max_width allows 8",
         {PROJECTED(MATRIX(2, 8), MATRIX(2, 4), MATRIX(2, 6)), .heads = 4, .kv_heads = 2}},
        {"/weights/wv", "makes rows of 4 x 3 numbers (heads x the width of a value), the "
                        "setting max_width allows 8",
         {.sequences = ONE(2, 4), .heads = 4, .kv_heads = 2,
          WEIGHTS(MATRIX(4, 8), MATRIX(4, 4), MATRIX(4, 6))}},
        {"", "the attention maps have 75 numbers, the setting max_map_numbers allows 50 "
             "(\"maps\": \"none\" needs none)",
         {.sequences = ONE(5, 6), .heads = 3}},
        {"", "the attention maps have 64 numbers, the setting max_map_numbers allows 50 "
             "(\"maps\": \"none\" needs none)",
         {.sequences = BATCH(4, 4, 4, 4), .heads = 2}},
    };
    CHECK_REFUSALS(rows, &low, ERROR_TOO_LARGE);
}
END_TEST

/* Threat 82. */
START_TEST(map_numbers_that_overflow_are_over_the_limit)
{
    const size_t long_rows = (size_t)1 << 31, endless = (size_t)1 << 32;
    const char *message = "the attention maps have 18446744073709551615 numbers, the "
                          "setting max_map_numbers allows 67108864 (\"maps\": \"none\" "
                          "needs none)";
    const struct refusal rows[] = {
        {"", message, {PROJECTED(HEADS(4, 2, long_rows, 1), HEADS(4, 2, long_rows, 1),
                                 HEADS(4, 2, long_rows, 1))}},
        {"", message, {PROJECTED(HEADS(1, 4, long_rows, 1), HEADS(1, 4, long_rows, 1),
                                 HEADS(1, 4, long_rows, 1))}},
        {"", message, {PROJECTED(HEADS(1, 1, endless, 1), HEADS(1, 1, endless, 1),
                                 HEADS(1, 1, endless, 1))}},
    };
    struct attention_limits limits = defaults;
    limits.max_tokens = SIZE_MAX;
    CHECK_REFUSALS(rows, &limits, ERROR_TOO_LARGE);
}
END_TEST

START_TEST(what_fits_says_what_will_be_computed)
{
    const struct {
        struct attention_input input;
        struct attention_shape shape;
    } rows[] = {
        /* Every limit reached and none passed. */
        {{.sequences = BATCH(5, 8, 5, 8), .heads = 4, MAPS_OF(1, 3)},
         {.B = 2, .H = 4, .G = 4, .dk = 2, .dv = 2, .d = 8, .dc = 8, .longest_T = 5,
          .longest_S = 5, .output_width = 8, .map_heads = 1}},
        {{.sequences = ONE(5, 8), .heads = 2},
         {.single = true, .B = 1, .H = 2, .G = 2, .dk = 4, .dv = 4, .d = 8, .dc = 8,
          .longest_T = 5, .longest_S = 5, .output_width = 8, .map_heads = 2}},
        {{.sequences = BATCH(3, 2, 5, 2), .context = BATCH(4, 3, 1, 3), .heads = 4,
          WEIGHTS(MATRIX(2, 8), MATRIX(3, 4), MATRIX(3, 2), MATRIX(4, 7), VECTOR(8),
                  VECTOR(4), VECTOR(2), VECTOR(7)),
          .kv_heads = 2, .maps = MAPS_MEAN, MASK(4, 2, 4, 5, 4)},
         {.B = 2, .H = 4, .G = 2, .dk = 2, .dv = 1, .d = 2, .dc = 3, .longest_T = 5,
          .longest_S = 4, .output_width = 7, .map_heads = 1}},
        {{PROJECTED(MATRIX(3, 8), MATRIX(5, 2), MATRIX(5, 2)), .heads = 4, .kv_heads = 1,
          .maps = MAPS_NONE, MASK(2, 3, 2)},
         {.projected = true, .single = true, .B = 1, .H = 4, .G = 1, .dk = 2, .dv = 2,
          .d = 8, .dc = 2, .longest_T = 3, .longest_S = 5, .output_width = 8}},
        {{PROJECTED(CUBE(1, 3, 4), CUBE(1, 5, 4), CUBE(1, 5, 6)), .heads = 2},
         {.projected = true, .B = 1, .H = 2, .G = 2, .dk = 2, .dv = 3, .d = 4, .dc = 4,
          .longest_T = 3, .longest_S = 5, .output_width = 6, .map_heads = 2}},
        {{PROJECTED(HEADS(2, 4, 1, 3), HEADS(2, 2, 5, 3), HEADS(2, 2, 5, 2)),
          .heads = 4, .kv_heads = 2, MASK(3, 1, 1, 5)},
         {.projected = true, .split_heads = true, .B = 2, .H = 4, .G = 2, .dk = 3,
          .dv = 2, .d = 3, .dc = 3, .longest_T = 1, .longest_S = 5, .output_width = 2,
          .map_heads = 4}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct attention_shape *want = &rows[i].shape;
        struct attention_shape got;
        struct error e = {0};
        ck_assert_msg(attention_shape_of(&rows[i].input, &low, &got, &e),
                      "row %zu: %s %s", i, e.path, e.message);
        ck_assert(got.projected == want->projected && got.single == want->single &&
                  got.split_heads == want->split_heads);
        const size_t figures[][2] = {
            {got.B, want->B}, {got.H, want->H}, {got.G, want->G}, {got.dk, want->dk},
            {got.dv, want->dv}, {got.d, want->d}, {got.dc, want->dc},
            {got.longest_T, want->longest_T}, {got.longest_S, want->longest_S},
            {got.output_width, want->output_width}, {got.map_heads, want->map_heads}};
        for (size_t f = 0; f < sizeof figures / sizeof *figures; f++)
            ck_assert_msg(figures[f][0] == figures[f][1], "row %zu, figure %zu: %zu, not %zu",
                          i, f, figures[f][0], figures[f][1]);
    }
}
END_TEST
/* clang-format on */

TEST_PROGRAM("attention_shape", exactly_one_of_the_two_forms_is_asked_for,
             tokens_that_do_not_fit_together_are_refused,
             projected_rows_that_do_not_fit_together_are_refused,
             weights_that_do_not_fit_are_refused,
             masks_and_maps_that_do_not_fit_are_refused,
             one_more_than_a_limit_names_the_figure_and_the_setting,
             map_numbers_that_overflow_are_over_the_limit,
             what_fits_says_what_will_be_computed)
