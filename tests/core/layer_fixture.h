/* layer_fixture.h - a whole layer with numbers of its own, planned and run in a test.
 *
 * Functions are inline, so that only tests that use them are linked with BLAS. Each
 * test runs in a process of its own, so that one arena serves all. */
#ifndef TESTS_CORE_LAYER_FIXTURE_H
#define TESTS_CORE_LAYER_FIXTURE_H

#include "core/blas.h"
#include "core/multi_head.h"
#include "support/kernels.h"
#include "support/test.h"

/* The service's defaults. */
static const struct attention_limits layer_limits = {.max_batch = 256,
                                                     .max_tokens = 8192,
                                                     .max_width = 4096,
                                                     .max_heads = 128,
                                                     .max_map_numbers = 64 << 20,
                                                     .answer_limit = 256 << 20};
static struct arena layer_arena;

/* Readies the arena and BLAS; arena_free() ends it. */
static inline void layer_begin(void)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    arena_init(&layer_arena, (size_t)1 << 30, NULL);
}

/* Fails the test when it cannot. */
static inline struct multi_head *layer_plan(const struct attention_kernel *kernel,
                                            const struct attention_input *input)
{
    struct error e = {0};
    struct multi_head *m =
        multi_head_plan_with(kernel, input, &layer_limits, &layer_arena, &e);
    ck_assert_msg(m != NULL, "%s: %s", e.path, e.message);
    return m;
}

static inline const struct multi_head_result *layer_compute(
    const struct attention_kernel *kernel, const struct attention_input *input)
{
    struct error e = {0};
    struct multi_head *m = layer_plan(kernel, input);
    ck_assert_msg(multi_head_run_all(m, &layer_arena, &e), "%s: %s", e.path, e.message);
    return multi_head_result(m);
}

/* Three ragged sequences, 4 heads over 2, all matrices; some take more than one block
 * of rows. All maps, lse and projections are wanted. Its numbers may be changed. */
enum { LAYER_SEQUENCES = 3, LAYER_WIDTH = 24, LAYER_HEADS = 4, LAYER_PAST = 5 };
struct layer {
    struct attention_input input;
    struct tensor item[LAYER_SEQUENCES];
    size_t key_lengths[LAYER_SEQUENCES];
    float tokens[LAYER_SEQUENCES][200 * 24], wq[24 * 24], wk[24 * 12], wv[24 * 12],
        wo[24 * 20], sinks[4], past_key[3 * 2 * 5 * 6], past_value[3 * 2 * 5 * 6];
};
static inline struct layer *layer_new(void)
{
    static const size_t lengths[] = {7, 200, 131};
    struct error e = {0};
    struct test_random r = {5};
    struct layer *l = arena_alloc(&layer_arena, 1, sizeof *l, &e);
    ck_assert(l != NULL);
    for (float *x = &l->tokens[0][0]; x < (float *)(l + 1); x++)
        *x = test_random_float(&r);
    for (size_t b = 0; b < LAYER_SEQUENCES; b++) {
        l->item[b] = (struct tensor){l->tokens[b], 2, {lengths[b], 24}};
        l->key_lengths[b] = lengths[b] + LAYER_PAST - b;
    }
    l->input = (struct attention_input){
        .sequences = {LAYER_SEQUENCES, false, l->item},
        .heads = LAYER_HEADS,
        .kv_heads = 2,
        .want_lse = true,
        .want_projections = true,
        .weights = {true,
                    {l->wq, 2, {24, 24}},
                    {l->wk, 2, {24, 12}},
                    {l->wv, 2, {24, 12}},
                    {l->wo, 2, {24, 20}}},
    };
    return l;
}

/* The same with a past, rope, and every option that leaves the sequences of a batch
 * independent; and everything there is to be seen. */
static inline struct layer *layer_new_full(void)
{
    struct layer *l = layer_new();
    struct attention_input *in = &l->input;
    in->align = ALIGN_BOTTOM_RIGHT;
    in->window =
        (struct window_view){.left_given = true, .left = 90, .right_given = true};
    in->key_lengths = l->key_lengths;
    in->key_length_count = LAYER_SEQUENCES;
    in->softcap = 2.5f;
    in->alibi = true;
    in->rope = (struct rope_input){.given = true, .base = 100, .dims = 4};
    in->sinks = (struct tensor){l->sinks, 1, {LAYER_HEADS}};
    in->past.given = true;
    in->past.key = (struct tensor){l->past_key, 4, {3, 2, LAYER_PAST, 6}};
    in->past.value = (struct tensor){l->past_value, 4, {3, 2, LAYER_PAST, 6}};
    in->map_stage = MAP_STAGE_BIASED;
    in->want_present = true;
    in->want_entropy = true;
    in->want_statistics = true;
    return l;
}

/* The request of sequence b of a layer by itself. */
static inline struct attention_input layer_alone(const struct layer *l, size_t b)
{
    struct attention_input alone = l->input;
    alone.sequences = (struct batch){1, true, &l->item[b]};
    if (alone.key_lengths) {
        alone.key_lengths = &l->key_lengths[b];
        alone.key_length_count = 1;
    }
    struct tensor *const past[] = {&alone.past.key, &alone.past.value};
    for (size_t i = 0; alone.past.given && i < 2; i++)
        *past[i] = (struct tensor){
            past[i]->data + b * 2 * LAYER_PAST * 6, 3, {2, LAYER_PAST, 6}};
    return alone;
}

/* Sequence x of one answer and y of another have the same members and bytes. */
static inline void layer_check_same(const struct multi_head_result *one, size_t x,
                                    const struct multi_head_result *other, size_t y)
{
    const struct sequence_result *a = &one->sequence[x], *b = &other->sequence[y];
    size_t H = one->H, G = one->G, T = a->T, S = a->S;
    size_t own = T; /* a layer attends to itself */
    size_t top = one->map_heads * T * one->top;
    const struct {
        const char *name;
        const void *a, *b;
        size_t count, size;
    } members[] = {
        {"output", a->output, b->output, T * one->width, sizeof(float)},
        {"maps", a->maps, b->maps, one->map_heads * T * a->map_columns, sizeof(float)},
        {"lse", a->lse, b->lse, H * T, sizeof(float)},
        {"query", a->query, b->query, H * T * one->dk, sizeof(float)},
        {"key", a->key, b->key, G * own * one->dk, sizeof(float)},
        {"value", a->value, b->value, G * own * one->dv, sizeof(float)},
        {"top values", a->top_values, b->top_values, top, sizeof(float)},
        {"top indices", a->top_indices, b->top_indices, top, sizeof(int32_t)},
        {"present key", a->present_key, b->present_key, G * S * one->dk, sizeof(float)},
        {"present value", a->present_value, b->present_value, G * S * one->dv,
         sizeof(float)},
        {"entropy", a->entropy, b->entropy, H * T * 2, sizeof(float)},
        {"statistics", a->statistics, b->statistics, H, sizeof *a->statistics},
        {"received", a->received, b->received, H * S, sizeof(float)},
    };
    ck_assert(T == b->T && S == b->S && one->map_heads == other->map_heads);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        ck_assert_msg(!members[i].a == !members[i].b, "%s", members[i].name);
        ck_assert_msg(!members[i].a || memcmp(members[i].a, members[i].b,
                                              members[i].count * members[i].size) == 0,
                      "%s differs", members[i].name);
    }
}

#endif
