/* Blocks follow the cache; no bit of a result follows the blocks. */
#include "core/attention_block.h"
#include "support/attention_case.h"

static float *copy(const float *x, size_t count)
{
    float *kept = malloc(count * sizeof *x);
    ck_assert_ptr_nonnull(kept);
    memcpy(kept, x, count * sizeof *x);
    return kept;
}

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
        if (block_rows(a) == before)
            continue;
        before = block_rows(a);
        sizes++;
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
        ck_assert_uint_le(sums ? 1 : T == 1600 ? 5 : 3, sizes);
        attention_case_delete(c);
    }
}
END_TEST

TEST_PROGRAM("attention_blocks", no_bit_of_a_pattern_depends_on_the_rows_of_a_block,
             no_bit_depends_on_the_rows_of_a_block)
