/* What holds to the bit, or for all numbers, whatever the options: through the plan
 * and every kernel. */
#include <float.h>

#include "core/blas.h"
#include "core/multi_head.h"
#include "property/settings.h"
#include "support/kernels.h"

static struct arena arena; /* each test runs in a process of its own */

static void begin(void)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    arena_init(&arena, (size_t)1 << 28, NULL);
}

static float *floats(size_t count)
{
    struct error e = {0};
    float *p = arena_alloc(&arena, count, sizeof *p, &e);
    ck_assert(p != NULL);
    return p;
}

static struct tensor tensor(struct test_random *r, size_t rank, const size_t *extent)
{
    struct tensor t = {.rank = rank};
    memcpy(t.extent, extent, rank * sizeof *extent);
    float *data = floats(tensor_count(&t));
    for (size_t i = 0; i < tensor_count(&t); i++)
        data[i] = 2 * test_random_float(r);
    t.data = data;
    return t;
}

static const struct sequence_result *compute(size_t kernel,
                                             const struct attention_input *in)
{
    struct error e = {0};
    struct multi_head *m =
        multi_head_plan_with(kernels[kernel], in, &property_limits, &arena, &e);
    ck_assert_msg(m && multi_head_run_all(m, &arena, &e), "%s: %s", e.path, e.message);
    return multi_head_result(m)->sequence;
}

/* One sequence of rank 4: H query heads, G key heads, of widths 5 and 3. */
static struct attention_input projected(struct test_random *r, size_t H, size_t G,
                                        size_t T, size_t S)
{
    return (struct attention_input){.query = tensor(r, 4, (size_t[]){1, H, T, 5}),
                                    .key = tensor(r, 4, (size_t[]){1, G, S, 5}),
                                    .value = tensor(r, 4, (size_t[]){1, G, S, 3}),
                                    .want_lse = true,
                                    .want_entropy = true};
}

static void mask_out(struct attention_input *in)
{
    static const uint8_t allowed[4 * 6] = {0};
    in->mask = (struct attention_mask){MASK_BOOLEAN, allowed, NULL, 2, {4, 6}};
}

static void bias_out(struct attention_input *in)
{
    static float bias[6];
    for (size_t j = 0; j < 6; j++)
        bias[j] = -INFINITY;
    in->mask = (struct attention_mask){MASK_ADDITIVE, NULL, bias, 1, {6}};
}

static void pad_out(struct attention_input *in)
{
    static const size_t none = 0;
    in->key_lengths = &none;
    in->key_length_count = 1;
}

static void look_too_far_left(struct attention_input *in)
{
    static const size_t one = 1;
    pad_out(in);
    in->key_lengths = &one;
    in->causal = true;
    in->align = ALIGN_BOTTOM_RIGHT; /* rows 0 to 2 stand before key 0 */
}

static void mask_and_window_miss_each_other(struct attention_input *in)
{
    static const uint8_t last[6] = {0, 0, 0, 0, 0, 1};
    in->mask = (struct attention_mask){MASK_BOOLEAN, last, NULL, 1, {6}};
    in->window = (struct window_view){.right_given = true, .right = 1};
}

START_TEST(a_row_without_keys_is_zeros_however_it_lost_them)
{
    static const struct {
        void (*hide)(struct attention_input *in);
        size_t empty; /* rows, the first ones of 4 */
    } cases[] = {{mask_out, 4},
                 {bias_out, 4},
                 {pad_out, 4},
                 {look_too_far_left, 3},
                 {mask_and_window_miss_each_other, 4}};
    static const float sinks[] = {3, -2};
    begin();
    for (size_t n = 0; n < 4 * sizeof cases / sizeof *cases; n++) {
        struct test_random r = {n + 1};
        struct attention_input in = projected(&r, 2, 1, 4, 6);
        cases[n / 4].hide(&in);
        if (n % 4 > 1) /* they are in a row's sum, but never in its lse */
            in.sinks = (struct tensor){sinks, 1, {2}};
        const struct sequence_result *s = compute(n % KERNELS, &in);
        for (size_t row = 0; row < 8; row++) {
            if (row % 4 >= cases[n / 4].empty)
                continue;
            ck_assert(s->lse[row] == -INFINITY);
            for (size_t c = 0; c < 3; c++)
                ck_assert(s->output[row * 3 + c] == 0.0f);
            for (size_t j = 0; j < 6; j++)
                ck_assert(s->maps[row * 6 + j] == 0.0f);
            ck_assert(s->entropy[row * 2] == 0.0f && s->entropy[row * 2 + 1] == 0.0f);
        }
    }
    arena_free(&arena);
}
END_TEST

START_TEST(what_follows_an_empty_row_is_the_bias_alone)
{
    static const uint8_t allowed[] = {0, 0, 1, 1};
    begin();
    for (size_t k = 0; k < KERNELS; k++) {
        struct test_random r = {7};
        struct tensor x = tensor(&r, 2, (size_t[]){2, 4});
        struct attention_input in = {
            .sequences = {1, true, &x},
            .weights = {true, tensor(&r, 2, (size_t[]){4, 4}),
                        tensor(&r, 2, (size_t[]){4, 4}),
                        tensor(&r, 2, (size_t[]){4, 4}),
                        .wo = tensor(&r, 2, (size_t[]){4, 3}),
                        .bo = tensor(&r, 1, (size_t[]){3})},
            .mask = {MASK_BOOLEAN, allowed, NULL, 2, {2, 2}},
        };
        const struct sequence_result *s = compute(k, &in);
        for (size_t c = 0; c < 3; c++) {
            ck_assert(s->output[c] == in.weights.bo.data[c]);
            ck_assert(s->output[3 + c] != in.weights.bo.data[c]);
        }
    }
    arena_free(&arena);
}
END_TEST

static void hide_key(struct attention_input *in, size_t j, bool additive)
{
    static uint8_t allowed[40];
    static float bias[40];
    for (size_t n = 0; n < 40; n++) {
        allowed[n] = n != j;
        bias[n] = n == j ? -INFINITY : 0;
    }
    in->mask = additive ? (struct attention_mask){MASK_ADDITIVE, NULL, bias, 1, {40}}
                        : (struct attention_mask){MASK_BOOLEAN, allowed, NULL, 1, {40}};
}

START_TEST(a_huge_hidden_key_or_value_changes_no_bit)
{
    begin();
    for (size_t n = 0; n < 8 * KERNELS; n++) {
        struct test_random r = {n + 1};
        struct attention_input in = projected(&r, 4, 2, 33, 40);
        size_t j = test_random_size(&r, 0, 39), valid = 39;
        if (n & 4) { /* padding hides the last one */
            j = 39;
            in.key_lengths = &valid;
            in.key_length_count = 1;
        } else
            hide_key(&in, j, n & 1);
        if (n & 2)
            in.softcap = 5;
        const struct sequence_result *before = compute(n / 8, &in);
        for (size_t g = 0; g < 2; g++) {
            for (size_t c = 0; c < 5; c++)
                ((float *)(uintptr_t)in.key.data)[(g * 40 + j) * 5 + c] = FLT_MAX;
            for (size_t c = 0; c < 3; c++)
                ((float *)(uintptr_t)in.value.data)[(g * 40 + j) * 3 + c] = -FLT_MAX;
        }
        const struct sequence_result *after = compute(n / 8, &in);
        ck_assert_mem_eq(before->output, after->output,
                         (size_t)(4 * 33 * 3) * sizeof(float));
        ck_assert_mem_eq(before->maps, after->maps,
                         (size_t)(4 * 33 * 40) * sizeof(float));
        ck_assert_mem_eq(before->lse, after->lse, (size_t)(4 * 33) * sizeof(float));
    }
    arena_free(&arena);
}
END_TEST

START_TEST(minus_zero_and_the_smallest_numbers_are_handed_through)
{
    static const float numbers[] = {-0.0f,   0x1p-149f, -0x1p-149f, 0x1.fffffcp-127f,
                                    FLT_MIN, -FLT_MIN,  0.0f,       1};
    const struct tensor rows = {numbers, 2, {1, 8}};
    begin();
    for (size_t k = 0; k < KERNELS; k++) {
        const struct attention_input in = {.sequences = {1, true, &rows},
                                           .heads = 2,
                                           .want_projections = true,
                                           .want_present = true};
        const struct sequence_result *s = compute(k, &in);
        const float *const same[] = {s->query, s->key, s->value, s->present_key,
                                     s->present_value};
        for (size_t n = 0; n < sizeof same / sizeof *same; n++)
            ck_assert_mem_eq(same[n], numbers, sizeof numbers);
        /* One key: its weight is 1. Zeros may lose their sign in a sum. */
        for (size_t c = 0; c < 8; c++)
            ck_assert_msg(s->output[c] == numbers[c], "output %zu is %a", c,
                          (double)s->output[c]);
    }
    arena_free(&arena);
}
END_TEST

/* The keys [from, from + count) of a request with a mask [T][S]. */
static struct attention_input slice(const struct attention_input *whole, size_t from,
                                    size_t count)
{
    struct attention_input part = *whole;
    const struct tensor *const all[] = {&whole->key, &whole->value};
    struct tensor *const some[] = {&part.key, &part.value};
    size_t G = whole->key.extent[1], S = whole->key.extent[2],
           T = whole->mask.extent[0];
    for (size_t n = 0; n < 2; n++) {
        size_t width = all[n]->extent[3];
        float *rows = floats(G * count * width);
        for (size_t g = 0; g < G; g++)
            memcpy(rows + g * count * width, all[n]->data + (g * S + from) * width,
                   count * width * sizeof *rows);
        *some[n] = (struct tensor){rows, 4, {1, G, count, width}};
    }
    float *bias = floats(T * count);
    for (size_t i = 0; i < T * count; i++)
        bias[i] = whole->mask.bias[i / count * S + from + i % count];
    part.mask.bias = bias;
    part.mask.extent[1] = count;
    part.maps = MAPS_NONE;
    return part;
}

/* Row `row` of an answer put together from parts: weighed by their share of the sum
 * of exponentials, which is exp(lse). */
static void check_merged(const struct sequence_result *whole,
                         const struct sequence_result *const part[4], size_t row)
{
    double most = -HUGE_VAL, sum = 0;
    for (size_t n = 0; n < 4; n++)
        most = fmax(most, (double)part[n]->lse[row]);
    if (most == -HUGE_VAL) {
        ck_assert(whole->lse[row] == -INFINITY);
        return;
    }
    for (size_t n = 0; n < 4; n++)
        sum += exp((double)part[n]->lse[row] - most);
    ck_assert_close(whole->lse[row], most + log(sum), 2e-7, 1e-6);
    for (size_t c = 0; c < 3; c++) {
        double merged = 0;
        for (size_t n = 0; n < 4; n++)
            merged += exp((double)part[n]->lse[row] - most) / sum *
                      (double)part[n]->output[row * 3 + c];
        ck_assert_close(whole->output[row * 3 + c], merged, 1e-6, 2e-6);
    }
}

START_TEST(parts_computed_apart_are_merged_by_their_lse)
{
    static const size_t from[] = {0, 1, 20, 53, 70};
    begin();
    for (size_t n = 0; n < 10; n++) {
        struct test_random r = {n + 1};
        struct attention_input in = projected(&r, 4, 2, 37, 70);
        float *bias = floats((size_t)37 * 70);
        for (size_t i = 0; i < 37; i++)
            for (size_t j = 0; j < 70; j++) /* row 5 is empty, some are in a part */
                bias[i * 70 + j] = i == 5 || (i % 3 == 0 && j < 20)
                                       ? -INFINITY
                                       : test_random_float(&r);
        in.mask = (struct attention_mask){MASK_ADDITIVE, NULL, bias, 2, {37, 70}};
        const struct sequence_result *whole = compute(n % KERNELS, &in), *part[4];
        for (size_t p = 0; p < 4; p++) {
            struct attention_input some = slice(&in, from[p], from[p + 1] - from[p]);
            part[p] = compute(n % KERNELS, &some);
            ck_assert_ptr_null(part[p]->maps);
        }
        for (size_t row = 0; row < (size_t)4 * 37; row++)
            check_merged(whole, part, row);
    }
    arena_free(&arena);
}
END_TEST

TEST_PROGRAM("invariants", a_row_without_keys_is_zeros_however_it_lost_them,
             what_follows_an_empty_row_is_the_bias_alone,
             a_huge_hidden_key_or_value_changes_no_bit,
             minus_zero_and_the_smallest_numbers_are_handed_through,
             parts_computed_apart_are_merged_by_their_lse)
