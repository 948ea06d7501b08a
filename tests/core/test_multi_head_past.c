/* Earlier tokens, and where tokens stand: a past, a present, and rope. */
#include "core/layer_fixture.h"

#include <float.h>

/* A causal layer over one sequence of 23 tokens, turned by their positions. */
static struct attention_input whole_sequence(const struct layer *l, struct tensor *item)
{
    struct attention_input in = layer_alone(l, 0);
    *item = (struct tensor){l->tokens[1], 2, {23, LAYER_WIDTH}};
    in.sequences.item = item;
    in.causal = true;
    in.rope = (struct rope_input){.given = true, .base = 10000};
    in.want_present = true;
    in.want_projections = false;
    return in;
}

/* Float32 sums of some products around 1, in another order. */
static void check_near(const float *got, const float *want, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_close(got[i], want[i], 1e-5, 5e-6);
}

START_TEST(chunk_by_chunk_with_the_present_as_past_gives_the_whole)
{
    layer_begin();
    static const size_t chunks[] = {5, 1, 9, 1, 7};
    struct tensor all, part;
    const struct layer *l = layer_new();
    for (size_t n = 0; n < 2 * KERNELS; n++) {
        const struct attention_input whole = whole_sequence(l, &all);
        struct attention_input in = whole;
        in.align = n % 2 ? ALIGN_BOTTOM_RIGHT : ALIGN_TOP_LEFT;
        const struct sequence_result *want =
            layer_compute(kernels[n / 2], &whole)->sequence;
        size_t done = 0;
        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
            part = (struct tensor){
                all.data + done * LAYER_WIDTH, 2, {chunks[c], LAYER_WIDTH}};
            in.sequences.item = &part;
            const struct sequence_result *got =
                layer_compute(kernels[n / 2], &in)->sequence;
            check_near(got->output, want->output + done * 20, chunks[c] * 20);
            done += chunks[c];
            ck_assert_uint_eq(got->S, done);
            for (size_t h = 0; h < LAYER_HEADS; h++)
                check_near(got->lse + h * chunks[c],
                           want->lse + h * 23 + done - chunks[c], chunks[c]);
            in.past.given = true;
            in.past.key = (struct tensor){got->present_key, 3, {2, done, 6}};
            in.past.value = (struct tensor){got->present_value, 3, {2, done, 6}};
        }
        check_near(in.past.key.data, want->present_key, 2 * 23 * 6);
        check_near(in.past.value.data, want->present_value, 2 * 23 * 6);
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(positions_mean_the_same_however_they_are_given)
{
    layer_begin();
    enum { DIMS = 4, FIRST = 11, T = 200, MOST = FIRST + T };
    static int64_t listed[LAYER_SEQUENCES * T];
    static float cosines[MOST * DIMS / 2], sines[MOST * DIMS / 2];
    for (size_t i = 0; i < LAYER_SEQUENCES * T; i++)
        listed[i] = FIRST + (int64_t)(i % T);
    for (size_t i = 0; i < MOST * DIMS / 2; i++) {
        double angle = (double)(i / 2) * (i % 2 ? 0.1 : 1); /* base 100 */
        cosines[i] = (float)cos(angle);
        sines[i] = (float)sin(angle);
    }
    const struct rope_input offset = {.given = true,
                                      .base = 100,
                                      .dims = DIMS,
                                      .offset_given = true,
                                      .offset = FIRST};
    struct rope_input row = offset, rows, tables = offset;
    row.offset_given = false;
    row.positions = listed;
    row.position_rank = 1;
    row.position_extent[0] = T;
    rows = row;
    rows.position_rank = 2;
    rows.position_extent[0] = LAYER_SEQUENCES;
    rows.position_extent[1] = T;
    tables.cosines = (struct tensor){cosines, 2, {MOST, DIMS / 2}};
    tables.sines = (struct tensor){sines, 2, {MOST, DIMS / 2}};

    struct layer *l = layer_new_full();
    const struct rope_input ways[] = {row, rows, tables};
    l->input.rope = offset;
    const struct multi_head_result *want =
        layer_compute(&attention_reference, &l->input);
    for (size_t way = 0; way < 3; way++) {
        l->input.rope = ways[way];
        for (size_t b = 0; b < LAYER_SEQUENCES; b++)
            layer_check_same(layer_compute(&attention_reference, &l->input), b, want,
                             b);
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(where_all_tokens_are_shifted_scores_stay)
{
    layer_begin();
    struct tensor all;
    struct attention_input in = whole_sequence(layer_new(), &all);
    const struct sequence_result *here =
        layer_compute(&attention_reference, &in)->sequence;
    in.rope.offset_given = true;
    in.rope.offset = 1000;
    const struct sequence_result *there =
        layer_compute(&attention_reference, &in)->sequence;
    check_near(there->output, here->output, 23 * 20);
    /* but the keys themselves do turn */
    ck_assert_mem_ne(there->present_key, here->present_key, 6 * sizeof(float));
    arena_free(&layer_arena);
}
END_TEST

START_TEST(keys_of_a_context_count_from_the_past_on_whatever_the_queries_do)
{
    layer_begin();
    struct layer *l = layer_new_full();
    l->input.context = l->input.sequences; /* the same tokens, but a context */
    l->input.map_stage = MAP_STAGE_WEIGHTS;
    const struct multi_head_result *want =
        layer_compute(&attention_reference, &l->input);
    l->input.rope.offset_given = true;
    l->input.rope.offset = LAYER_PAST;
    const struct multi_head_result *same =
        layer_compute(&attention_reference, &l->input);
    l->input.rope.offset = LAYER_PAST + 1;
    const struct multi_head_result *moved =
        layer_compute(&attention_reference, &l->input);
    for (size_t b = 0; b < LAYER_SEQUENCES; b++) {
        size_t keys = 2 * (want->sequence[b].S - LAYER_PAST) * 6 * sizeof(float);
        layer_check_same(same, b, want, b);
        ck_assert_mem_eq(moved->sequence[b].key, want->sequence[b].key, keys);
        ck_assert_mem_ne(moved->sequence[b].query, want->sequence[b].query,
                         2 * LAYER_WIDTH * sizeof(float));
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_last_token_stands_on_the_last_valid_key_or_after_the_past)
{
    layer_begin();
    static const float query[3], own[2], past[4];
    static const size_t three[] = {3};
    /* 3 queries, 4 keys of the past and 2 own; every key scores alike, so weights say
     * how many each row sees. */
    struct attention_input in = {
        .query = {query, 2, {3, 1}},
        .key = {own, 2, {2, 1}},
        .value = {own, 2, {2, 1}},
        .past = {true, {past, 3, {1, 4, 1}}, {past, 3, {1, 4, 1}}},
        .causal = true};
    const struct {
        enum align align;
        const size_t *key_lengths;
        double seen[3];
    } rows[] = {
        {ALIGN_TOP_LEFT, NULL, {5, 6, 6}},
        {ALIGN_BOTTOM_RIGHT, NULL, {4, 5, 6}},
        {ALIGN_TOP_LEFT, three, {3, 3, 3}},
        {ALIGN_BOTTOM_RIGHT, three, {1, 2, 3}},
    };
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++)
        for (size_t k = 0; k < KERNELS; k++) {
            in.align = rows[n].align;
            in.key_lengths = rows[n].key_lengths;
            in.key_length_count = rows[n].key_lengths ? 1 : 0;
            const struct sequence_result *got =
                layer_compute(kernels[k], &in)->sequence;
            for (size_t i = 0; i < 3; i++)
                ck_assert_close(got->maps[i * 6], 1 / rows[n].seen[i], 1e-6, 0);
        }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_present_of_an_input_that_is_one_array_is_that_array)
{
    layer_begin();
    static const float numbers[24];
    struct attention_input in = {.query = {numbers, 4, {1, 2, 3, 4}},
                                 .key = {numbers, 4, {1, 2, 3, 4}},
                                 .value = {numbers, 4, {1, 2, 3, 4}},
                                 .want_present = true};
    struct multi_head *m = layer_plan(&attention_reference, &in);
    ck_assert_uint_eq(multi_head_tasks(m, 0) + multi_head_tasks(m, 1), 0);
    ck_assert_ptr_eq(multi_head_result(m)->sequence->present_key, numbers);

    in.query = in.key = in.value = (struct tensor){numbers, 2, {3, 8}};
    in.heads = 2; /* side by side in a row, so there is something to do */
    m = layer_plan(&attention_reference, &in);
    ck_assert_uint_eq(multi_head_tasks(m, 0), 2);
    arena_free(&layer_arena);
}
END_TEST

START_TEST(turning_out_of_the_range_is_refused_at_rope)
{
    layer_begin();
    static const float large[] = {FLT_MAX, FLT_MAX};
    const struct attention_input in = {
        .query = {large, 2, {1, 2}},
        .key = {large, 2, {1, 2}},
        .value = {large, 2, {1, 2}},
        .rope = {.given = true, .base = 10000, .offset_given = true, .offset = 1}};
    struct error e = {0};
    struct multi_head *m = layer_plan(&attention_reference, &in);
    ck_assert(!multi_head_run_all(m, &layer_arena, &e));
    ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
    ck_assert_str_eq(e.path, "/rope");
    ck_assert_str_eq(e.message, "turning these numbers leaves float32's range");
    arena_free(&layer_arena);
}
END_TEST

START_TEST(a_huge_number_of_the_past_that_is_hidden_does_not_leak)
{
    layer_begin();
    static const float ones[] = {1, 1}, past[] = {FLT_MAX, 1};
    static const uint8_t allowed[] = {0, 1, 1};
    const struct attention_input in = {
        .query = {ones, 2, {1, 1}},
        .key = {ones, 2, {1, 1}},
        .value = {ones, 2, {1, 1}},
        .past = {true, {past, 3, {1, 2, 1}}, {past, 3, {1, 2, 1}}},
        .mask = {MASK_BOOLEAN, .allowed = allowed, .rank = 1, .extent = {3}}};
    for (size_t k = 0; k < KERNELS; k++) {
        const struct sequence_result *got = layer_compute(kernels[k], &in)->sequence;
        ck_assert(got->output[0] == 1 && got->maps[0] == 0 && got->maps[2] == 0.5f);
    }
    arena_free(&layer_arena);
}
END_TEST

TEST_PROGRAM("multi_head_past", chunk_by_chunk_with_the_present_as_past_gives_the_whole,
             positions_mean_the_same_however_they_are_given,
             where_all_tokens_are_shifted_scores_stay,
             keys_of_a_context_count_from_the_past_on_whatever_the_queries_do,
             the_last_token_stands_on_the_last_valid_key_or_after_the_past,
             the_present_of_an_input_that_is_one_array_is_that_array,
             turning_out_of_the_range_is_refused_at_rope,
             a_huge_number_of_the_past_that_is_hidden_does_not_leak)
