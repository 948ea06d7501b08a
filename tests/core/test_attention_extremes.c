/* Problems at the edges of what is allowed, whose answers are known without computing:
 * every kernel must find them. */
#include <float.h>

#include "core/attention.h"
#include "support/kernels.h"
#include "support/test.h"

/* Runs all packs and tiles on this thread. */
static bool run(const struct attention_kernel *kernel, const struct attention *a)
{
    size_t packed_bytes = (kernel->packed_bytes(a) | 63) + 1;
    size_t scratch_bytes = (kernel->scratch_bytes(a) | 63) + 1;
    void *packed = aligned_alloc(64, packed_bytes);
    void *scratch = aligned_alloc(64, scratch_bytes);
    memset(packed, 0xFF, packed_bytes); /* NaN: unset */
    memset(scratch, 0xFF, scratch_bytes);
    bool finite = true;
    for (size_t i = 0; i < kernel->packs(a); i++)
        kernel->pack(a, i, packed);
    for (size_t i = 0; i < kernel->tiles(a); i++)
        finite &= kernel->run(a, packed, i, scratch);
    free(packed);
    free(scratch);
    return finite;
}

/* Threats 74, 75. */
START_TEST(one_query_and_two_keys_as_large_as_float32_has_them)
{
    const float inf = INFINITY;
    const struct {
        float query, key[2], value[2], scale;
        const float *bias;
        float weight[2], out, lse;
    } rows[] = {
        /* Equal scores. */
        {0, {1, 1}, {FLT_MAX, FLT_MAX}, 1, NULL, {0.5f, 0.5f}, FLT_MAX, logf(2)},
        {0, {1, 1}, {-FLT_MAX, -FLT_MAX}, 1, NULL, {0.5f, 0.5f}, -FLT_MAX, logf(2)},
        {3e38f, {1, 1}, {0, 4}, 0, NULL, {0.5f, 0.5f}, 2, logf(2)},
        {3e38f, {1, 1}, {0, 4}, 1, NULL, {0.5f, 0.5f}, 2, 3e38f},
        {-3e38f, {1, 1}, {0, 4}, 1, NULL, {0.5f, 0.5f}, 2, -3e38f},
        /* One wins by more than float32 can say. */
        {3e38f, {1, -1}, {7, FLT_MAX}, 1, NULL, {1, 0}, 7, 3e38f},
        {3e38f, {1, -1}, {FLT_MAX, 7}, -1, NULL, {0, 1}, 7, 3e38f},
        {0, {1, 1}, {5, 6}, 1, (const float[]){3.4e38f, -3.4e38f}, {1, 0}, 5, 3.4e38f},
        {0,
         {1, 1},
         {5, 7},
         1,
         (const float[]){-3.4e38f, -3.4e38f},
         {0.5f, 0.5f},
         6,
         -3.4e38f},
        /* Masked, or the only one left. */
        {0,
         {1, 1},
         {FLT_MAX, 6},
         1,
         (const float[]){-inf, -3.4e38f},
         {0, 1},
         6,
         -3.4e38f},
        {3e38f, {3e38f, 0}, {FLT_MAX, 6}, 1, (const float[]){-inf, 2}, {0, 1}, 6, 2},
        {0,
         {1, 1},
         {FLT_MAX, FLT_MAX},
         1,
         (const float[]){-inf, -inf},
         {0, 0},
         0,
         -inf},
    };
    for (size_t n = 0; n < sizeof rows / sizeof *rows * KERNELS; n++) {
        size_t i = n / KERNELS;
        float weight[2], mean[2], out, lse;
        const struct attention a = {
            .H = 1,
            .G = 1,
            .T = 1,
            .S = 2,
            .dk = 1,
            .dv = 1,
            .query = {&rows[i].query, 1, 1},
            .key = {rows[i].key, 2, 1},
            .value = {rows[i].value, 2, 1},
            .scale = rows[i].scale,
            .key_length = 2,
            .mask = {.bias = rows[i].bias, .column_stride = 1, .columns = 2},
            .out = &out,
            .out_head_stride = 1,
            .out_row_stride = 1,
            .lse = &lse,
            .mean_map = mean,
            .maps = weight,
            .map_heads = (const size_t[]){0},
            .map_head_count = 1};
        ck_assert_msg(run(kernels[n % KERNELS], &a), "row %zu is not finite", i);
        for (size_t j = 0; j < 2; j++) {
            ck_assert_close(weight[j], rows[i].weight[j], 1e-6, 0);
            ck_assert_close(mean[j], rows[i].weight[j], 1e-6, 0);
        }
        ck_assert_close(out, rows[i].out, 1e-6, 0);
        ck_assert_msg(lse == rows[i].lse || fabsf(lse / rows[i].lse - 1) < 1e-6f,
                      "row %zu: lse is %.9g, want %.9g", i, (double)lse,
                      (double)rows[i].lse);
    }
}
END_TEST

START_TEST(a_narrow_mask_a_negative_offset_and_shared_key_heads_meet)
{
    /* 4 heads on 2 key heads, 5 queries that end on the last of 3 keys, the mask
     * knows 2 keys. All scores are equal, so a row's weights are 1 / the keys seen. */
    enum { H = 4, G = 2, T = 5, S = 3 };
    static const float zeros[H * T], value[G * S] = {1, 2, 9, 10, 20, 90};
    static const uint8_t allowed[2] = {1, 1};
    static const size_t seen[T] = {0, 0, 1, 2, 2}, heads[2] = {3, 1};
    for (size_t k = 0; k < KERNELS; k++) {
        float out[H * T], lse[H * T], mean[T * S], maps[2 * T * S];
        const struct attention a = {
            .H = H,
            .G = G,
            .T = T,
            .S = S,
            .dk = 1,
            .dv = 1,
            .query = {zeros, T, 1},
            .key = {zeros, S, 1},
            .value = {value, S, 1},
            .scale = 1,
            .causal = true,
            .offset = S - T,
            .key_length = S,
            .mask = {.allowed = allowed, .column_stride = 1, .columns = 2},
            .out = out,
            .out_head_stride = 1,
            .out_row_stride = H,
            .lse = lse,
            .mean_map = mean,
            .maps = maps,
            .map_heads = heads,
            .map_head_count = 2};
        ck_assert(run(kernels[k], &a));
        for (size_t i = 0; i < T; i++) {
            for (size_t h = 0; h < H; h++) {
                const float *v = value + h / 2 * S;
                double want = seen[i] == 0   ? 0
                              : seen[i] == 1 ? (double)v[0]
                                             : ((double)v[0] + (double)v[1]) / 2;
                ck_assert_close(out[i * H + h], want, 1e-6, 0);
                ck_assert(
                    seen[i] ? fabs((double)lse[h * T + i] - log((double)seen[i])) < 1e-6
                            : lse[h * T + i] == -INFINITY);
            }
            for (size_t j = 0; j < S; j++) {
                double want = j < seen[i] ? 1 / (double)seen[i] : 0;
                ck_assert_close(mean[i * S + j], want, 1e-6, 0);
                ck_assert_close(maps[i * S + j], want, 1e-6, 0);
                ck_assert_close(maps[(T + i) * S + j], want, 1e-6, 0);
            }
        }
    }
}
END_TEST

/* With one key to see the output is its value, to the bit: the sign of a zero and what
 * is too small for a full mantissa, too. Threats 67, 71. */
START_TEST(negative_zero_and_denormals_survive)
{
    enum { WIDTH = 6 };
    static const float value[WIDTH] = {-0.0f,     0.0f,   1e-45f,
                                       -3.3e-42f, 1e-38f, -FLT_MIN};
    static const uint8_t allowed[] = {1, 0};
    static const float hidden[2 * WIDTH] = {
        -0.0f, 0.0f, 1e-45f, -3.3e-42f, 1e-38f, -FLT_MIN, -0.0f, -0.0f, 4, 1, 2, 3};
    static const float query[] = {1}, key[] = {2, 3};
    for (size_t n = 0; n < 2 * KERNELS; n++) {
        size_t S = 1 + n / KERNELS; /* alone, and beside a masked key */
        float out[WIDTH];
        struct attention a = {.H = 1,
                              .G = 1,
                              .T = 1,
                              .S = S,
                              .dk = 1,
                              .dv = WIDTH,
                              .query = {query, 1, 1},
                              .key = {key, S, 1},
                              .value = {S == 1 ? value : hidden, S * WIDTH, WIDTH},
                              .scale = 1,
                              .key_length = S,
                              .out = out,
                              .out_head_stride = WIDTH,
                              .out_row_stride = WIDTH};
        if (S == 2)
            a.mask = (struct mask_view){
                .allowed = allowed, .columns = 2, .column_stride = 1};
        ck_assert(run(kernels[n % KERNELS], &a));
        if (S == 1) {
            ck_assert_mem_eq(out, value, sizeof out);
            continue;
        }
        for (size_t c = 0; c < WIDTH; c++)
            ck_assert_msg(out[c] == hidden[c], "%zu is %g", c, (double)out[c]);
    }
}
END_TEST

/* The second key is hidden from the first query. Its weight is no matter; its score is
 * asked for all the same, and has to be a number. Threat 77. */
START_TEST(a_hidden_score_is_refused_only_where_it_is_asked_for)
{
    static const float query[] = {1e20f, 0}, key[] = {0, 1e20f}, value[] = {5, 7};
    static const size_t head[] = {0};
    static const enum map_stage stages[] = {MAP_STAGE_WEIGHTS, MAP_STAGE_BIASED,
                                            MAP_STAGE_SCORES, MAP_STAGE_CAPPED};
    for (size_t n = 0; n < 4 * KERNELS; n++) {
        float out[2], maps[4];
        const enum map_stage stage = stages[n / KERNELS];
        const struct attention a = {.H = 1,
                                    .G = 1,
                                    .T = 2,
                                    .S = 2,
                                    .dk = 1,
                                    .dv = 1,
                                    .query = {query, 2, 1},
                                    .key = {key, 2, 1},
                                    .value = {value, 2, 1},
                                    .scale = 1,
                                    .causal = true,
                                    .key_length = 2,
                                    .out = out,
                                    .out_head_stride = 1,
                                    .out_row_stride = 1,
                                    .maps = maps,
                                    .map_heads = head,
                                    .map_head_count = 1,
                                    .map_stage = stage};
        bool shown = stage == MAP_STAGE_SCORES || stage == MAP_STAGE_CAPPED;
        ck_assert_msg(run(kernels[n % KERNELS], &a) == !shown, "%zu", n);
        if (!shown)
            ck_assert(out[0] == 5 && out[1] == 6);
    }
}
END_TEST

/* One query, of 1, and `S` keys, of which key 0 and 1 are `key`, the others far below.
 */
enum { MOST_KEYS = 1024, VALUES = 3 };
struct few {
    size_t S;
    float key[2], value[2][VALUES]; /* the values of the other keys are 0 */
    const uint8_t *allowed;         /* of two keys */
    float dropped;
    float out[VALUES];
};

static bool run_few(const struct attention_kernel *kernel, const struct few *f,
                    float *out)
{
    static const float query[] = {1};
    static float key[MOST_KEYS], value[MOST_KEYS * VALUES];
    for (size_t j = 0; j < f->S; j++)
        key[j] = j < 2 ? f->key[j] : -1000.0f;
    memset(value, 0, sizeof value);
    memcpy(value, f->value, sizeof f->value);
    const struct attention a = {
        .H = 1,
        .G = 1,
        .T = 1,
        .S = f->S,
        .dk = 1,
        .dv = VALUES,
        .query = {query, 1, 1},
        .key = {key, f->S, 1},
        .value = {value, f->S * VALUES, VALUES},
        .scale = 1,
        .key_length = f->S,
        .mask = {.allowed = f->allowed, .columns = 2, .column_stride = 1},
        .dropout = {.rate = f->dropped},
        .out = out,
        .out_head_stride = VALUES,
        .out_row_stride = VALUES};
    return run(kernel, &a);
}

/* Values as large as there are take nothing from the others: seen, their part is there,
 * however small their weight; hidden, not a bit is another. Threats 67, 74. */
START_TEST(large_values_are_seen_as_they_are_and_hidden_without_a_trace)
{
    static const uint8_t first[] = {1, 0};
    static const struct few cases[] = {
        {1024, {0, -80}, {{1, 1, 1}, {3.4e38f, 0, 1}}, NULL, 0, {6137.4873f, 1, 1}},
        {1024, {0, -86.3f}, {{1, 2, 0}, {3.4e38f, 0, 0}}, NULL, 0, {12.26844f, 2, 0}},
        {2, {0, -80}, {{FLT_MAX, 1, 1}, {FLT_MAX, 1, 0}}, NULL, 0, {FLT_MAX, 1, 1}},
        {2,
         {0, 0},
         {{FLT_MAX, 1, 1}, {FLT_MAX, 1e-45f, 1}},
         NULL,
         0,
         {FLT_MAX, 0.5f, 1}},
        {2,
         {0, 0},
         {{-FLT_MAX, 3e38f, 2}, {-FLT_MAX, -3e38f, 4}},
         NULL,
         0,
         {-FLT_MAX, 0, 3}},
        {2,
         {1, 0},
         {{1.2345678e-38f, 1e-45f, 5}, {3.4e38f, FLT_MAX, 7}},
         first,
         0,
         {1.2345678e-38f, 1e-45f, 5}},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases * KERNELS; n++) {
        const struct few *f = &cases[n / KERNELS];
        float out[VALUES];
        ck_assert(run_few(kernels[n % KERNELS], f, out));
        for (size_t c = 0; c < VALUES; c++)
            if (f->allowed)
                ck_assert(out[c] == f->out[c]);
            else
                ck_assert_close(out[c], f->out[c], 2e-5, 0);
    }
}
END_TEST

/* A mean of any number of the largest numbers is no larger than they are, though it may
 * be rounded to more. What dropout makes larger than there are numbers is refused. */
START_TEST(a_mean_of_the_largest_numbers_is_one)
{
    for (size_t n = 0; n < 2 * MOST_KEYS; n++) {
        static float query[1], key[MOST_KEYS], value[MOST_KEYS];
        size_t S = 1 + n / 2;
        float out;
        for (size_t j = 0; j < S; j++)
            value[j] = n % 2 ? FLT_MAX : -FLT_MAX;
        struct attention a = {.H = 1,
                              .G = 1,
                              .T = 1,
                              .S = S,
                              .dk = 1,
                              .dv = 1,
                              .query = {query, 1, 1},
                              .key = {key, S, 1},
                              .value = {value, S, 1},
                              .scale = 1,
                              .key_length = S,
                              .out = &out,
                              .out_head_stride = 1,
                              .out_row_stride = 1};
        ck_assert(run(&attention_tiled, &a));
        ck_assert_close(out, value[0], 1e-5, 0);
    }
    static const struct few one = {1, {0, 0}, {{3e38f, 1, 1}}, NULL, 0.5f, {0}};
    size_t refused = 0;
    for (size_t k = 0; k < KERNELS; k++) {
        float out[VALUES];
        refused += !run_few(kernels[k], &one, out) || out[0] == 0;
    }
    ck_assert_uint_eq(refused, KERNELS);
}
END_TEST

/* By a mask, and by slopes; the answer would be another where all are beyond. */
START_TEST(a_biased_score_beyond_float32_is_refused)
{
    static const float query[] = {1}, value[] = {1, 2}, slope[] = {3e38f};
    static const struct {
        float key[2], bias[2];
        const float *slope;
        bool in_range;
    } cases[] = {
        {{0, -1e32f}, {-FLT_MAX, -3e38f}, NULL, true},
        {{0, -1e30f}, {-FLT_MAX, -FLT_MAX}, NULL, true},
        {{0, -1e32f}, {0, -FLT_MAX}, NULL, false},
        {{0, 1e32f}, {0, FLT_MAX}, NULL, false},
        {{0, 0}, {-1e38f, -1e38f}, slope, false},
        {{0, -1e38f}, {0, 0}, slope, false},
        {{-1e38f, 0}, {-INFINITY, 0}, slope, true},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases * KERNELS; n++) {
        size_t i = n / KERNELS;
        float out;
        const struct attention a = {
            .H = 1,
            .G = 1,
            .T = 1,
            .S = 2,
            .dk = 1,
            .dv = 1,
            .query = {query, 1, 1},
            .key = {cases[i].key, 2, 1},
            .value = {value, 2, 1},
            .scale = 1,
            .key_length = 2,
            .mask = {.bias = cases[i].bias, .column_stride = 1, .columns = 2},
            .alibi = cases[i].slope,
            .out = &out,
            .out_head_stride = 1,
            .out_row_stride = 1};
        ck_assert_msg(run(kernels[n % KERNELS], &a) == cases[i].in_range, "%zu", i);
    }
}
END_TEST

TEST_PROGRAM("attention_extremes",
             large_values_are_seen_as_they_are_and_hidden_without_a_trace,
             a_mean_of_the_largest_numbers_is_one,
             a_biased_score_beyond_float32_is_refused,
             a_hidden_score_is_refused_only_where_it_is_asked_for,
             negative_zero_and_denormals_survive,
             one_query_and_two_keys_as_large_as_float32_has_them,
             a_narrow_mask_a_negative_offset_and_shared_key_heads_meet)
