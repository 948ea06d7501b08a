/* What may be asked beyond a mask: alone, in mixtures, and at the edges. */
#include <float.h>

#include "core/attention_block.h"
#include "support/attention_case.h"
#include "support/kernels.h"

START_TEST(random_mixtures_of_options_agree_with_float64)
{
    struct test_random r = {20260202};
    for (size_t n = 0; n < 300; n++) {
        struct attention_case *c = attention_case_random(&r, n % 60 ? 5e5 : 5e6);
        attention_case_options(c, &r, n % 3 ? 12 : 40);
        attention_case_agrees(c, kernels, KERNELS, &r);
    }
}
END_TEST

START_TEST(rows_of_several_tiles_agree_with_float64)
{
    struct test_random r = {20260303};
    for (size_t n = 0; n < 60; n++) {
        size_t T = test_random_size(&r, 37, 150), S = test_random_size(&r, 1, 400);
        struct attention_case *c = attention_case_plain(&r, 1, T, S, 8, HEADS_OUTSIDE);
        c->a.causal = n % 2;
        c->a.offset = (ptrdiff_t)test_random_size(&r, 0, S + T) - (ptrdiff_t)T;
        attention_case_options(c, &r, 35);
        attention_case_agrees(c, kernels + 1, 1, &r);
    }
}
END_TEST

static float *copy(const float *x, size_t count)
{
    float *kept = malloc(count * sizeof *x);
    ck_assert_ptr_nonnull(kept);
    memcpy(kept, x, count * sizeof *x);
    return kept;
}

START_TEST(options_leave_no_trace_of_order_and_of_what_else_is_asked)
{
    struct test_random r = {20260404};
    for (size_t n = 0; n < 40 * KERNELS; n++) {
        const struct attention_kernel *kernel = kernels[n % KERNELS];
        struct attention_case *c = attention_case_random(&r, n < 70 ? 2e5 : 3e6);
        attention_case_options(c, &r, 40);
        struct attention *a = &c->a;
        size_t cells = a->H * a->T * a->S, sums = a->H * kernel->row_parts(a);
        ck_assert(attention_case_run(c, kernel, &r));
        float *out = copy(c->out, c->out_count), *maps = copy(c->maps, cells);
        float *received = copy(c->received, sums * a->S);
        ck_assert(attention_case_run(c, kernel, &r));
        ck_assert_mem_eq(out, c->out, c->out_count * sizeof *out);
        ck_assert_mem_eq(maps, c->maps, cells * sizeof *maps);
        ck_assert_mem_eq(received, c->received, sums * a->S * sizeof *received);

        a->maps = a->mean_map = a->lse = a->entropy = a->top_values = NULL;
        a->top_indices = NULL;
        a->map_head_count = 0;
        a->map_stage = MAP_STAGE_WEIGHTS;
        c->want_statistics = c->want_received = false;
        ck_assert(attention_case_run(c, kernel, &r));
        ck_assert_mem_eq(out, c->out, c->out_count * sizeof *out);
        free(out);
        free(maps);
        free(received);
        attention_case_delete(c);
    }
}
END_TEST

static void run_near(struct attention_case *c, size_t near_bytes, struct test_random *r)
{
    c->a.near_bytes = near_bytes;
    ck_assert(attention_case_run(c, &attention_tiled, r));
}

static void check_same(const struct attention_case *c, const float *const kept[5])
{
    const struct attention *a = &c->a;
    const size_t rows = a->H * a->T, cells = rows * a->S;
    ck_assert_mem_eq(kept[0], c->out, c->out_count * sizeof(float));
    ck_assert_mem_eq(kept[1], c->lse, rows * sizeof(float));
    ck_assert_mem_eq(kept[2], c->maps, cells * sizeof(float));
    ck_assert_mem_eq(kept[3], c->mean_map, a->T * a->S * sizeof(float));
    ck_assert_mem_eq(kept[4], c->entropy, 2 * rows * sizeof(float));
}

/* The results over blocks of several sizes; returns how many sizes there were. */
static size_t agree_in_blocks(struct attention_case *c, struct test_random *r)
{
    const struct attention *a = &c->a;
    const size_t cells = a->H * a->T * a->S;
    size_t sizes = 0, before = 0;
    run_near(c, 0, r);
    float *kept[5] = {copy(c->out, c->out_count), copy(c->lse, a->H * a->T),
                      copy(c->maps, cells), copy(c->mean_map, a->T * a->S),
                      copy(c->entropy, 2 * a->H * a->T)};
    size_t sums = a->H * c->parts;
    float *received = copy(c->received, sums * a->S);
    struct head_statistics *statistics = malloc(sums * sizeof *statistics);
    ck_assert_ptr_nonnull(statistics);
    memcpy(statistics, c->statistics, sums * sizeof *statistics);
    for (size_t near = 1; near < (size_t)1 << 30; near += near / 2 + 1) {
        c->a.near_bytes = near;
        sizes += block_rows(a) != before;
        before = block_rows(a);
        run_near(c, near, r);
        check_same(c, (const float *const *)kept);
        ck_assert_uint_eq(sums, a->H * c->parts);
        ck_assert_mem_eq(received, c->received, sums * a->S * sizeof *received);
        ck_assert_mem_eq(statistics, c->statistics, sums * sizeof *statistics);
    }
    for (size_t n = 0; n < 5; n++)
        free(kept[n]);
    free(received);
    free(statistics);
    return sizes;
}

/* Neighbouring groups of rows see other keys each besides the first ones. */
START_TEST(no_bit_of_a_pattern_depends_on_the_rows_of_a_block)
{
    enum { T = 200, S = 700 };
    static uint32_t first[T + 1];
    static struct key_range ranges[2 * T];
    struct test_random r = {20260606};
    for (uint32_t i = 0; i < T; i++) {
        uint32_t from = 64 + i / 6 * 23 % 9 * 70;
        first[i + 1] = 2 * i + 2;
        ranges[2 * i] = (struct key_range){0, 40};
        ranges[2 * i + 1] = (struct key_range){from, from + 20};
    }
    const struct key_pattern pattern = {first, ranges};
    struct attention_case *c = attention_case_plain(&r, 1, T, S, 20, HEADS_OUTSIDE);
    c->a.pattern = &pattern;
    agree_in_blocks(c, &r);
    attention_case_delete(c);
}
END_TEST

START_TEST(no_bit_depends_on_the_rows_of_a_block)
{
    struct test_random r = {20260505};
    for (size_t n = 0; n < 24; n++) {
        size_t T = n % 4 ? test_random_size(&r, 37, 300) : 1600;
        size_t S = T == 1600 ? 5 : test_random_size(&r, 1, 900);
        struct attention_case *c = attention_case_plain(&r, 2, T, S, 20, HEADS_APART);
        struct attention *a = &c->a;
        a->causal = n % 3 == 1;
        a->offset = n % 3 ? (ptrdiff_t)test_random_size(&r, 0, S) - 10 : 0;
        if (n % 2)
            a->window = (struct window_view){true, n % 8 == 3, 290, 7};
        if (n % 6 > 2)
            attention_case_options(c, &r, 35);
        if (n % 5 == 0)
            a->mean_map = c->mean_map;
        size_t sizes = agree_in_blocks(c, &r);
        bool sums = a->pattern || a->statistics || a->received;
        ck_assert_uint_ge(sizes, sums ? 1 : T == 1600 ? 5 : 3);
        attention_case_delete(c);
    }
}
END_TEST

/* One query of one channel and two keys, 0 and `key`; the values are 0 and 1, so that
 * the output is the weight of `key`. */
struct pair {
    float query, key, scale, softcap;
    const float *sink;
    bool finite;
    float weight, lse;
};

static void check_pair(const struct attention_kernel *kernel, const struct pair *p,
                       const struct attention *options)
{
    struct test_random r = {1};
    struct attention_case *c = attention_case_plain(&r, 1, 1, 2, 1, HEADS_OUTSIDE);
    struct attention *a = &c->a;
    c->query[0] = p->query;
    c->key[0] = c->value[0] = 0;
    c->key[1] = p->key;
    c->value[1] = 1;
    a->scale = p->scale;
    a->softcap = p->softcap;
    a->sinks = p->sink;
    if (options) {
        a->mask = options->mask;
        a->alibi = options->alibi;
        a->pattern = options->pattern;
        a->keep = options->keep;
        a->dropout = options->dropout;
        a->entropy = options->entropy ? c->entropy : NULL;
    }
    bool finite = attention_case_run(c, kernel, &r);
    ck_assert_msg(finite == p->finite, "%s: %g %g %g: finite %d", kernel->name,
                  (double)p->query, (double)p->key, (double)p->scale, finite);
    if (finite) {
        ck_assert_close(c->out[0], p->weight, 1e-5, 1e-30);
        ck_assert_close(c->maps[1], p->weight, 1e-5, 1e-30);
        ck_assert_close(c->lse[0], p->lse, 1e-6, 1e-7);
    }
    attention_case_delete(c);
}

START_TEST(one_key_beside_zero_as_large_as_float32_has_it)
{
    static const float high = 200, low = -200, most = 3e38f;
    static const struct pair rows[] = {
        /* The product with the scale is in range, the one without is not. */
        {1e20f, -1e20f, 1e-39f, 0, NULL, true, 4.5397868e-5f, 4.5398899e-5f},
        {1e20f, 1e20f, 1e-39f, 0, NULL, true, 0.9999546f, 10.0000454f},
        {1e-20f, 1e-20f, 1e38f, 0, NULL, true, 0.502499979f, 0.69815968f},
        {1e30f, 1e-36f, 1e6f, 0, NULL, true, 0.73105858f, 1.3132617f},
        /* Not finite: refused on both sides. */
        {1e20f, -1e20f, 1, 0, NULL, false, 0, 0},
        {1e20f, 1e20f, 1, 0, NULL, false, 0, 0},
        /* Unless it is capped. */
        {1e20f, -1e20f, 1, 2, NULL, true, 0.11920292f, 0.12692801f},
        {1e20f, 1e20f, 1, 2, NULL, true, 0.88079708f, 2.1269280f},
        {1e-20f, 1e-20f, 1, 1e-38f, NULL, true, 0.5f, 0.69314718f},
        {1, 1, 1, 3e38f, NULL, true, 0.73105858f, 1.3132617f},
        /* A sink takes its part and leaves lse as it is. */
        {0, 0, 1, 0, &low, true, 0.5f, 0.69314718f},
        {0, 0, 1, 0, &high, true, 0, 0.69314718f},
        {200, 1, 1, 0, &high, true, 0.5f, 200},
        {0, 0, 1, 0, &most, true, 0, 0.69314718f},
        {3e38f, 1, 1, 0, &most, true, 0.5f, 3e38f},
    };
    static const uint8_t allowed[] = {1, 1};
    static const float bias[] = {0, 0}, slope[] = {0}, wanted[2];
    static const uint32_t first[] = {0, 1};
    static const struct key_range range[] = {{0, 2}};
    static const struct key_pattern pattern = {first, range};
    const struct attention options[] = {
        {.mask = {.allowed = allowed, .column_stride = 1, .columns = 2}},
        {.mask = {.bias = bias, .column_stride = 1, .columns = 2}},
        {.alibi = slope},
        {.pattern = &pattern},
        {.keep = 2},
        {.dropout = {.rate = 0x1p-24f, .on_scores = true}},
        {.entropy = (float *)(uintptr_t)wanted},
    };
    for (size_t k = 0; k < KERNELS; k++)
        for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
            check_pair(kernels[k], &rows[n], NULL);
            for (size_t o = 0; o < sizeof options / sizeof *options; o++)
                check_pair(kernels[k], &rows[n], &options[o]);
        }
}
END_TEST

START_TEST(a_capped_score_that_is_no_number_is_refused)
{
    enum { DK = 300, KEY = 17 };
    struct test_random r = {3};
    struct attention_case *c = attention_case_plain(&r, 1, 1, 40, DK, HEADS_OUTSIDE);
    memset(c->query, 0, c->query_count * sizeof *c->query);
    c->query[0] = c->query[DK - 1] = 1e20f;
    c->key[KEY * DK] = 1e20f; /* infinity minus infinity, in two parts of a sum */
    c->key[KEY * DK + DK - 1] = -1e20f;
    c->a.softcap = 30;
    c->a.scale = 1;
    ck_assert(!attention_case_run(c, &attention_tiled, &r));
    attention_case_delete(c);
}
END_TEST

START_TEST(a_row_without_keys_is_zero_beside_a_sink_too)
{
    static const float sink[] = {5, -5};
    struct test_random r = {5};
    for (size_t k = 0; k < KERNELS; k++) {
        struct attention_case *c = attention_case_plain(&r, 2, 50, 70, 4, HEADS_INSIDE);
        struct attention *a = &c->a;
        a->sinks = sink;
        a->key_length = 30;
        a->causal = true;
        a->offset = -20;
        a->entropy = c->entropy;
        a->window = (struct window_view){.left_given = true, .left = 3};
        ck_assert(attention_case_run(c, kernels[k], &r));
        for (size_t i = 0; i < 50; i++) {
            bool empty = i < 20; /* row 20 + j stands on key j; key 29 is the last */
            ck_assert((c->lse[i] == -INFINITY) == empty);
            ck_assert((c->out[i * 8] == 0 && c->out[i * 8 + 4] == 0) == empty);
            ck_assert(!empty || (c->entropy[2 * i] == 0 && c->entropy[2 * i + 1] == 0));
        }
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(no_key_at_all_is_answered_with_zeros)
{
    struct test_random r = {6};
    for (size_t k = 0; k < KERNELS; k++)
        for (int stage = MAP_STAGE_WEIGHTS; stage <= MAP_STAGE_BIASED; stage++) {
            struct attention_case *c =
                attention_case_plain(&r, 1, 40, 20, 3, HEADS_OUTSIDE);
            c->a.key_length = 0;
            c->a.map_stage = (enum map_stage)stage;
            attention_case_agrees(c, kernels + k, 1, &r);
        }
}
END_TEST

START_TEST(equal_weights_have_the_entropy_of_their_number)
{
    struct test_random r = {7};
    for (size_t k = 0; k < KERNELS; k++) {
        struct attention_case *c = attention_case_plain(&r, 1, 9, 9, 2, HEADS_OUTSIDE);
        memset(c->query, 0, c->query_count * sizeof *c->query);
        c->a.causal = true;
        c->a.entropy = c->entropy;
        ck_assert(attention_case_run(c, kernels[k], &r));
        for (size_t i = 0; i < 9; i++) {
            ck_assert_close(c->entropy[2 * i], log((double)i + 1), 1e-6, 1e-7);
            ck_assert_close(c->entropy[2 * i + 1], i > 0, 1e-6, 1e-7);
        }
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(of_equal_scores_the_first_keys_are_kept_and_ranked_first)
{
    struct test_random r = {8};
    for (size_t k = 0; k < KERNELS; k++) {
        struct attention_case *c = attention_case_plain(&r, 1, 2, 50, 2, HEADS_OUTSIDE);
        struct attention *a = &c->a;
        memset(c->query, 0, c->query_count * sizeof *c->query);
        c->query[0] = -0.0f; /* scores of 0 and of -0 */
        a->keep = 5;
        a->top = 7;
        a->top_indices = c->top_indices;
        a->top_values = c->top_values;
        ck_assert(attention_case_run(c, kernels[k], &r));
        for (size_t n = 0; n < 14; n++) {
            ck_assert_int_eq(c->top_indices[n], (int)(n % 7));
            ck_assert_close(c->top_values[n], n % 7 < 5 ? 0.2 : 0, 1e-6, 0);
        }
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(a_window_may_be_wider_than_anything)
{
    struct test_random r = {9};
    static const ptrdiff_t offsets[] = {-30, 0, 30, 70, 200};
    for (size_t n = 0; n < 5 * KERNELS; n++) {
        struct attention_case *c =
            attention_case_plain(&r, 1, 20, 60, 3, HEADS_OUTSIDE);
        c->a.offset = offsets[n % 5];
        c->a.window = (struct window_view){true, true, SIZE_MAX, SIZE_MAX};
        attention_case_agrees(c, kernels + n / 5, 1, &r);
    }
}
END_TEST

/* Columns of all blocks: what the products and the softmax take time for. */
static size_t columns(const struct attention *a)
{
    void *scratch = malloc(block_scratch_bytes(a));
    ck_assert_ptr_nonnull(scratch);
    size_t sum = 0;
    for (size_t n = 0; n < block_count(a); n++) {
        struct block b;
        block_begin(&b, a, n, scratch);
        for (size_t s = 0; s < b.span_count; s++)
            sum += b.spans[s].width;
        if (b.span_count > 0)
            ck_assert_uint_lt(b.spans[b.span_count - 1].column +
                                  b.spans[b.span_count - 1].width,
                              b.stride);
    }
    free(scratch);
    return sum;
}

START_TEST(keys_that_nobody_sees_are_not_computed)
{
    enum { T = 3600, BLOCKS = T / BLOCK_ROWS };
    static uint32_t first[T + 1];
    static struct key_range ranges[2 * T];
    for (uint32_t i = 0; i < T; i++) { /* the first 64 keys and a block of 64 */
        first[i + 1] = 2 * i + 2;
        ranges[2 * i] = (struct key_range){0, 64};
        ranges[2 * i + 1] =
            (struct key_range){512 + i / 64 * 32, 512 + i / 64 * 32 + 64};
    }
    const struct key_pattern pattern = {first, ranges};
    const uint8_t allowed = 1;
    const struct attention full = {.T = T, .S = T, .key_length = T, .H = 1, .G = 1};
    struct attention a = full;
    ck_assert_uint_eq(columns(&a), (size_t)BLOCKS * T);
    a.causal = true;
    ck_assert_uint_lt(columns(&a), (size_t)BLOCKS * (T / 2 + 2 * BLOCK_ROWS));
    a.window = (struct window_view){.left_given = true, .left = 128};
    ck_assert_uint_lt(columns(&a), (size_t)BLOCKS * (128 + 2 * BLOCK_ROWS));
    a = full;
    a.key_length = 160;
    ck_assert_uint_eq(columns(&a), (size_t)BLOCKS * 160);
    a = full;
    a.mask = (struct mask_view){.allowed = &allowed, .columns = 320};
    ck_assert_uint_eq(columns(&a), (size_t)BLOCKS * 320);
    a = full;
    a.pattern = &pattern;
    ck_assert_uint_le(columns(&a), (size_t)BLOCKS * (64 + 64 + 32));
}
END_TEST

TEST_PROGRAM("attention_mixtures", random_mixtures_of_options_agree_with_float64,
             rows_of_several_tiles_agree_with_float64,
             options_leave_no_trace_of_order_and_of_what_else_is_asked,
             no_bit_of_a_pattern_depends_on_the_rows_of_a_block,
             no_bit_depends_on_the_rows_of_a_block,
             one_key_beside_zero_as_large_as_float32_has_it,
             a_capped_score_that_is_no_number_is_refused,
             a_row_without_keys_is_zero_beside_a_sink_too,
             no_key_at_all_is_answered_with_zeros,
             equal_weights_have_the_entropy_of_their_number,
             of_equal_scores_the_first_keys_are_kept_and_ranked_first,
             a_window_may_be_wider_than_anything,
             keys_that_nobody_sees_are_not_computed)
