#include "core/attention_options.h"

#include "core/attention_past.h"
#include "support/attention_refusals.h"

/* clang-format off */
#define FIVE           .sequences = ONE(5, 4)
#define PAIR           .sequences = BATCH(5, 4, 3, 4)
#define LENGTHS(n, ...) .key_lengths = (const size_t[]){__VA_ARGS__}, .key_length_count = (n)
#define ROPE(...)      .rope = {.given = true, .base = 10000, __VA_ARGS__}
#define LISTED(...)    .positions = (const int64_t[]){__VA_ARGS__}
#define PAST(k, v)     .past = {true, k, v}
#define NUMBERS(...)   {(const float[]){__VA_ARGS__}, 1, \
                        {sizeof((const float[]){__VA_ARGS__}) / sizeof(float)}}

START_TEST(figures_out_of_range_are_refused)
{
    const struct refusal rows[] = {
        {"/scale", "must be a finite number",
         {FIVE, .scale_given = true, .scale = INFINITY}},
        {"/softcap", "must be a finite number above 0", {FIVE, .softcap = -1}},
        {"/softcap", "must be a finite number above 0", {FIVE, .softcap = INFINITY}},
        {"/softcap", "must be a finite number above 0", {FIVE, .softcap = NAN}},
        {"/dropout/rate", "must be at least 0 and below 1", {FIVE, .dropout.rate = 1}},
        {"/dropout/rate", "must be at least 0 and below 1", {FIVE, .dropout.rate = -0.1f}},
        {"/dropout/rate", "must be at least 0 and below 1", {FIVE, .dropout.rate = NAN}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

START_TEST(key_lengths_count_the_keys_of_each_sequence)
{
    const struct refusal rows[] = {
        {"/key_lengths", "has 1 numbers, expected 2 (as many as sequences)",
         {PAIR, LENGTHS(1, 3)}},
        {"/key_lengths", "has 2 numbers, expected 1 (as many as sequences)",
         {FIVE, LENGTHS(2, 3, 3)}},
        {"/key_lengths", "is 6, but there are 5 keys", {FIVE, LENGTHS(1, 6)}},
        {"/key_lengths/1", "is 4, but there are 3 keys", {PAIR, LENGTHS(2, 5, 4)}},
        {"/key_lengths/1", "is 6, but there are 5 keys", /* 2 of the past */
         {PAIR, PAST(HEADS(2, 1, 2, 4), HEADS(2, 1, 2, 4)), LENGTHS(2, 7, 6)}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

START_TEST(numbers_a_head_are_as_many_as_heads_and_finite)
{
    const struct refusal rows[] = {
        {"/alibi", "has rank 2, expected 1", {FIVE, .alibi = true, .alibi_slopes = MATRIX(1, 1)}},
        {"/alibi", "has 3 numbers, expected 2 (one a head)",
         {FIVE, .heads = 2, .alibi = true, .alibi_slopes = VECTOR(3)}},
        {"/alibi/1", "must be a finite number",
         {FIVE, .heads = 2, .alibi = true, .alibi_slopes = NUMBERS(1, NAN)}},
        {"/alibi", "has slopes, but is false", {FIVE, .alibi_slopes = VECTOR(1)}},
        {"/sinks", "has 1 numbers, expected 2 (one a head)",
         {FIVE, .heads = 2, .sinks = VECTOR(1)}},
        {"/sinks/0", "must be a finite number",
         {FIVE, .heads = 2, .sinks = NUMBERS(-INFINITY, 0)}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

START_TEST(a_rope_that_does_not_fit_is_refused)
{
    const struct refusal rows[] = {
        {"/rope/base", "must be a finite number above 0", {FIVE, .rope = {.given = true}}},
        {"/rope/base", "must be a finite number above 0",
         {FIVE, .rope = {.given = true, .base = HUGE_VAL}}},
        {"/rope/dims", "is 6, but a key has 4 numbers", {FIVE, ROPE(.dims = 6)}},
        {"/rope/dims", "is 3, but channels turn in pairs", {FIVE, ROPE(.dims = 3)}},
        {"/rope/dims", "is needed, as channels turn in pairs and a key has 5",
         {.sequences = ONE(3, 5), ROPE()}},
        {"/rope/sin", "is missing: cos and sin go together",
         {FIVE, ROPE(.cosines = MATRIX(5, 2))}},
        {"/rope/cos", "is missing: cos and sin go together",
         {FIVE, ROPE(.sines = MATRIX(5, 2))}},
        {"/rope/cos", "has rank 1, expected 2",
         {FIVE, ROPE(.cosines = VECTOR(2), .sines = MATRIX(5, 2))}},
        {"/rope/cos", "has 2 columns, expected 1 (half of dims)",
         {FIVE, ROPE(.dims = 2, .cosines = MATRIX(5, 2), .sines = MATRIX(5, 2))}},
        {"/rope/sin", "has 4 rows, expected 5 (as many as cos)",
         {FIVE, ROPE(.cosines = MATRIX(5, 2), .sines = MATRIX(4, 2))}},
        {"/rope/cos", "has rows for 4 positions, but 5 tokens stand from 0 on",
         {FIVE, ROPE(.cosines = MATRIX(4, 2), .sines = MATRIX(4, 2))}},
        {"/rope/cos", "has rows for 6 positions, but 5 tokens stand from 2 on",
         {FIVE, PAST(CUBE(1, 2, 4), CUBE(1, 2, 4)),
          ROPE(.cosines = MATRIX(6, 2), .sines = MATRIX(6, 2))}},
        {"/rope/cos", "has rows for 5 positions, but 6 tokens stand from 0 on", /* keys */
         {FIVE, .context = ONE(6, 4),
          ROPE(.cosines = MATRIX(5, 2), .sines = MATRIX(5, 2))}},
        {"/rope/positions", "is -1, but positions are 0 or more",
         {FIVE, ROPE(.offset_given = true, .offset = -1)}},
        {"/rope/positions", "are at most 9007199254740992, but 5 tokens stand from "
                            "9007199254740990 on",
         {FIVE, ROPE(.offset_given = true, .offset = ATTENTION_MAX_POSITION - 2)}},
        {"/rope/positions", "are at most 9007199254740992, but 5 tokens stand from "
                            "9223372036854775807 on",
         {FIVE, ROPE(.offset_given = true, .offset = INT64_MAX)}},
        {"/rope/positions", "is both a list and an offset, which exclude each other",
         {FIVE, ROPE(.offset_given = true, LISTED(0, 1, 2, 3, 4), .position_rank = 1,
                     .position_extent = {5})}},
        {"/rope/positions", "has rank 3, expected 1 or 2",
         {FIVE, ROPE(LISTED(0), .position_rank = 3)}},
        {"/rope/positions", "has 3 rows, expected 2 (as many as sequences)",
         {PAIR, ROPE(LISTED(0), .position_rank = 2, .position_extent = {3, 5})}},
        {"/rope/positions", "has 3 positions in a row, expected 5 (the query tokens)",
         {PAIR, ROPE(LISTED(0), .position_rank = 2, .position_extent = {2, 3})}},
        {"/rope/positions", "has 4 positions, expected 5 (the query tokens)",
         {PAIR, ROPE(LISTED(0), .position_rank = 1, .position_extent = {4})}},
        {"/rope/positions/3", "is -2, expected 0 to 9007199254740991",
         {FIVE, ROPE(LISTED(0, 1, 0, -2, 0), .position_rank = 1, .position_extent = {5})}},
        {"/rope/positions/1/0", "is 7, expected 0 to 6 (the rows of cos)",
         {.sequences = BATCH(2, 4, 2, 4),
          ROPE(LISTED(0, 1, 7, 3), .position_rank = 2, .position_extent = {2, 2},
               .cosines = MATRIX(7, 2), .sines = MATRIX(7, 2))}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

START_TEST(a_past_that_does_not_fit_is_refused)
{
    const struct refusal rows[] = {
        {"/past/value", "is missing: past needs key and value",
         {FIVE, PAST(CUBE(1, 2, 4), {0})}},
        {"/past/key", "is missing: past needs key and value", {FIVE, .past.given = true}},
        {"/past/key", "has rank 2, expected 3 or 4", {FIVE, PAST(MATRIX(2, 4), MATRIX(2, 4))}},
        {"/past/key", "has rank 3, expected 4 (a batch was given)",
         {PAIR, PAST(CUBE(1, 2, 4), CUBE(1, 2, 4))}},
        {"/past/value", "has rank 4, expected 3 (the rank of past/key)",
         {FIVE, PAST(CUBE(1, 2, 4), HEADS(1, 1, 2, 4))}},
        {"/past/value", "has 3 tokens, expected 2 (as many as past/key)",
         {FIVE, PAST(CUBE(1, 2, 4), CUBE(1, 3, 4))}},
        {"/past/key", "has 1 sequences, expected 2 (as many as the request)",
         {PAIR, PAST(HEADS(1, 1, 2, 4), HEADS(1, 1, 2, 4))}},
        {"/past/value", "has 3 sequences, expected 2 (as many as the request)",
         {PAIR, PAST(HEADS(2, 1, 2, 4), HEADS(3, 1, 2, 4))}},
        {"/past/key", "has 4 heads, expected 2 (the key heads)",
         {PROJECTED(MATRIX(3, 8), MATRIX(5, 4), MATRIX(5, 6)), .heads = 4, .kv_heads = 2,
          PAST(CUBE(4, 2, 2), CUBE(2, 2, 3))}},
        {"/past/key", "has 3 numbers in a row, expected 2 (as those of the request)",
         {PROJECTED(MATRIX(3, 8), MATRIX(5, 4), MATRIX(5, 6)), .heads = 4, .kv_heads = 2,
          PAST(CUBE(2, 2, 3), CUBE(2, 2, 3))}},
        {"/past/value", "has 2 numbers in a row, expected 3 (as those of the request)",
         {PROJECTED(MATRIX(3, 8), MATRIX(5, 4), MATRIX(5, 6)), .heads = 4, .kv_heads = 2,
          PAST(CUBE(2, 2, 2), CUBE(2, 2, 2))}},
        {"/mask", "has 5 query rows, expected 1 or 3",
         {.sequences = ONE(3, 4), PAST(CUBE(1, 2, 4), CUBE(1, 2, 4)), MASK(2, 5, 5)}},
        {"/mask", "has 6 key columns, expected at most 5", /* 2 of the past */
         {.sequences = ONE(3, 4), PAST(CUBE(1, 2, 4), CUBE(1, 2, 4)), MASK(2, 3, 6)}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

START_TEST(what_cannot_be_seen_is_refused)
{
    const struct refusal rows[] = {
        {"/map_stage", "needs maps, which are \"none\"",
         {FIVE, .maps = MAPS_NONE, .map_stage = MAP_STAGE_SCORES}},
        {"/top_k", "goes with the maps \"top_k\" only", {FIVE, .top_k = 3}},
        {"/top_k", "is missing: how many of each row?", {FIVE, .maps = MAPS_TOP_K}},
        {"/top_k", "is 6, but sequence 0 has 5 keys",
         {FIVE, .maps = MAPS_TOP_K, .top_k = 6}},
        {"/top_k", "is 4, but sequence 1 has 3 keys",
         {PAIR, .maps = MAPS_TOP_K, .top_k = 4}},
    };
    CHECK_REFUSALS(rows, &defaults, ERROR_INVALID_INPUT);
}
END_TEST

START_TEST(limits_count_the_past_and_what_is_answered)
{
    static const struct attention_limits low = {.max_batch = 2, .max_tokens = 6,
                                                .max_width = 8, .max_heads = 4,
                                                .max_map_numbers = 29};
    const struct refusal rows[] = {
        {"/past/key", "has 2 tokens, with those of the request 7, the setting max_tokens allows 6",
         {FIVE, PAST(CUBE(1, 2, 4), CUBE(1, 2, 4))}},
        {"/past/key", "has 18446744073709551615 tokens, with those of the request "
                      "18446744073709551615, the setting max_tokens allows 6",
         {FIVE, PAST(CUBE(1, SIZE_MAX, 4), CUBE(1, SIZE_MAX, 4))}},
        {"", "the attention maps have 30 numbers, the setting max_map_numbers allows 29 "
             "(\"maps\": \"none\" needs none)",
         {FIVE, PAST(CUBE(1, 1, 4), CUBE(1, 1, 4))}},
        {"", "the attention maps have 30 numbers, the setting max_map_numbers allows 29 "
             "(\"maps\": \"none\" needs none)", /* indices and values */
         {FIVE, .maps = MAPS_TOP_K, .top_k = 3}},
        {"", "the attention maps have 40 numbers, the setting max_map_numbers allows 29 "
             "(\"maps\": \"none\" needs none)", /* as wide as its rank */
         {FIVE, .method = {.name = METHOD_LINFORMER, .rank = 8}}},
    };
    CHECK_REFUSALS(rows, &low, ERROR_TOO_LARGE);
}
END_TEST

START_TEST(options_at_their_bounds_are_accepted)
{
    const struct attention_input rows[] = {
        {FIVE, .softcap = 1e-30f, .dropout.rate = 0.999f, .maps = MAPS_TOP_K, .top_k = 5},
        {PAIR, LENGTHS(2, 0, 3), .alibi = true},
        {PAIR, PAST(HEADS(2, 1, 2, 4), HEADS(2, 1, 2, 4)), LENGTHS(2, 7, 5), MASK(2, 5, 7),
         .maps = MAPS_TOP_K, .top_k = 5},
        {FIVE, PAST(HEADS(1, 1, 2, 4), HEADS(1, 1, 2, 4))},
        {FIVE, ROPE(.offset_given = true, .offset = ATTENTION_MAX_POSITION - 5)},
        {FIVE, ROPE(.dims = 2, .cosines = MATRIX(5, 1), .sines = MATRIX(5, 1))},
        {PAIR, ROPE(LISTED(4, 4, 0, 1, 2), .position_rank = 1, .position_extent = {5},
                    .cosines = MATRIX(5, 2), .sines = MATRIX(5, 2))},
        {FIVE, .rope = {.given = true, .cosines = MATRIX(5, 2), .sines = MATRIX(5, 2)}},
        {FIVE, .maps = MAPS_NONE, .want_entropy = true, .want_statistics = true,
         .want_present = true},
        {FIVE, .maps = MAPS_MEAN, .map_stage = MAP_STAGE_BIASED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct attention_shape shape;
        struct error e = {0};
        ck_assert_msg(attention_shape_of(&rows[i], &defaults, &shape, &e),
                      "row %zu: %s %s", i, e.path, e.message);
    }
}
END_TEST

START_TEST(keys_share_positions_only_with_the_tokens_they_are)
{
    const struct attention_input past = {PAIR, PAST(HEADS(2, 1, 2, 4), HEADS(2, 1, 2, 4))};
    const struct attention_input context = {FIVE, .context = ONE(5, 4)};
    const struct attention_input alike = {PROJECTED(MATRIX(5, 4), MATRIX(5, 4), MATRIX(5, 4))};
    const struct attention_input apart = {PROJECTED(MATRIX(5, 4), MATRIX(6, 4), MATRIX(6, 4)),
                                          ROPE(.offset_given = true, .offset = 9)};
    ck_assert(attention_options_shared_positions(&past, 1));
    ck_assert(!attention_options_shared_positions(&context, 0));
    ck_assert(attention_options_shared_positions(&alike, 0));
    ck_assert(!attention_options_shared_positions(&apart, 0));
    ck_assert_int_eq(attention_options_first_position(&past), 2);
    ck_assert_int_eq(attention_options_first_position(&apart), 9);
    ck_assert_uint_eq(attention_shape_S(&past, 1), 5);
    ck_assert_uint_eq(attention_past_length(&past), 2);
}
END_TEST
/* clang-format on */

TEST_PROGRAM("attention_options", figures_out_of_range_are_refused,
             key_lengths_count_the_keys_of_each_sequence,
             numbers_a_head_are_as_many_as_heads_and_finite,
             a_rope_that_does_not_fit_is_refused, a_past_that_does_not_fit_is_refused,
             what_cannot_be_seen_is_refused, limits_count_the_past_and_what_is_answered,
             options_at_their_bounds_are_accepted,
             keys_share_positions_only_with_the_tokens_they_are)
