/* Every pattern against its definition, cell by cell. */
#include "core/key_patterns.h"

#include "core/random.h"
#include "support/test.h"

enum { MOST = 120 };

/* One problem, the parameters of all three methods, and what they should see. */
struct pattern_case {
    struct attention a;
    struct method_input m;
    size_t rows[MOST + 1], columns[MOST * MOST], global[MOST];
    bool want[MOST][MOST];
    struct arena arena;
    struct error e;
};

static void begin(struct pattern_case *c, struct test_random *r)
{
    *c = (struct pattern_case){
        .a = {.T = test_random_size(r, 1, MOST),
              .S = test_random_size(r, 1, MOST),
              .offset = (ptrdiff_t)test_random_size(r, 0, 20) - 10},
        .m = {.block = test_random_size(r, 1, 9), .seed = test_random_next(r)}};
    arena_init(&c->arena, (size_t)1 << 20, NULL);
}

static void check(struct pattern_case *c, const struct key_pattern *pattern)
{
    ck_assert_msg(pattern, "%s: %s", c->e.path, c->e.message);
    ck_assert_uint_eq(pattern->first[0], 0);
    for (size_t i = 0; i < c->a.T; i++) {
        bool sees[MOST] = {false};
        ck_assert_uint_le(pattern->first[i], pattern->first[i + 1]);
        for (uint32_t n = pattern->first[i]; n < pattern->first[i + 1]; n++) {
            const struct key_range *range = &pattern->ranges[n];
            ck_assert(range->from < range->to && range->to <= c->a.S);
            ck_assert(n == pattern->first[i] || range->from > range[-1].to);
            for (uint32_t j = range->from; j < range->to; j++)
                sees[j] = true;
        }
        for (size_t j = 0; j < c->a.S; j++)
            ck_assert_msg(sees[j] == c->want[i][j],
                          "T %zu S %zu offset %td block %zu: query %zu, key %zu",
                          c->a.T, c->a.S, c->a.offset, c->m.block, i, j);
    }
    arena_free(&c->arena);
}

static size_t divided_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

/* A layout with each block named with a chance of `chance` out of 4. */
static void draw_layout(struct pattern_case *c, struct test_random *r, size_t chance)
{
    struct method_input *m = &c->m;
    size_t rows = divided_up(c->a.T, m->block), columns = divided_up(c->a.S, m->block);
    for (size_t p = 0; p < rows; p++) {
        c->rows[p] = m->layout_column_count;
        for (size_t q = 0; q < columns; q++) {
            if (test_random_size(r, 1, 4) > chance)
                continue;
            c->columns[m->layout_column_count++] = q;
            for (size_t i = p * m->block; i < (p + 1) * m->block; i++)
                for (size_t j = q * m->block; j < (q + 1) * m->block; j++)
                    if (i < c->a.T && j < c->a.S)
                        c->want[i][j] = true;
        }
    }
    c->rows[rows] = m->layout_column_count;
    m->layout_row_count = rows + 1;
    m->layout_rows = c->rows;
    m->layout_columns = c->columns;
}

START_TEST(block_sparse_sees_the_named_blocks)
{
    struct test_random r = {1};
    for (int n = 0; n < 300; n++) {
        static struct pattern_case c;
        begin(&c, &r);
        draw_layout(&c, &r, test_random_size(&r, 0, 3));
        check(&c, key_pattern_block_sparse(&c.a, &c.m, &c.arena, &c.e));
    }
}
END_TEST

/* All keys: as one range, which is what the exact kernels do without a pattern. */
static void check_all(struct pattern_case *c, const struct key_pattern *pattern)
{
    ck_assert(pattern);
    for (size_t i = 0; i < c->a.T; i++) {
        ck_assert_uint_eq(pattern->first[i + 1], i + 1);
        ck_assert_uint_eq(pattern->ranges[i].from, 0);
        ck_assert_uint_eq(pattern->ranges[i].to, c->a.S);
    }
    arena_free(&c->arena);
}

START_TEST(a_full_layout_is_one_range_a_row)
{
    struct test_random r = {2};
    for (int n = 0; n < 50; n++) {
        static struct pattern_case c;
        begin(&c, &r);
        draw_layout(&c, &r, 4);
        check_all(&c, key_pattern_block_sparse(&c.a, &c.m, &c.arena, &c.e));
    }
}
END_TEST

static void draw_longformer(struct pattern_case *c, struct test_random *r)
{
    c->m.window = test_random_size(r, 0, 6);
    c->m.global = c->global;
    c->m.global_count = test_random_size(r, 0, 4);
    for (size_t n = 0; n < c->m.global_count; n++)
        c->global[n] = test_random_size(r, 0, c->a.T - 1);

    for (size_t i = 0; i < c->a.T; i++)
        for (size_t j = 0; j < c->a.S; j++) {
            long apart = labs((long)i + c->a.offset - (long)j);
            c->want[i][j] = apart <= (long)c->m.window;
            for (size_t n = 0; n < c->m.global_count; n++)
                if (c->global[n] == i || (long)c->global[n] + c->a.offset == (long)j)
                    c->want[i][j] = true;
        }
}

START_TEST(longformer_sees_its_window_and_the_global_tokens)
{
    struct test_random r = {3};
    for (int n = 0; n < 300; n++) {
        static struct pattern_case c;
        begin(&c, &r);
        draw_longformer(&c, &r);
        check(&c, key_pattern_longformer(&c.a, &c.m, &c.arena, &c.e));
    }
}
END_TEST

START_TEST(a_window_of_all_keys_is_one_range_a_row)
{
    static const size_t windows[] = {MOST, SIZE_MAX};
    struct test_random r = {4};
    for (size_t n = 0; n < 40; n++) {
        static struct pattern_case c;
        begin(&c, &r);
        draw_longformer(&c, &r);
        c.a.offset = 0;
        c.a.T = c.a.S;
        c.m.global_count = 0;
        c.m.window = windows[n % 2];
        check_all(&c, key_pattern_longformer(&c.a, &c.m, &c.arena, &c.e));
    }
}
END_TEST

static long block_of(const struct pattern_case *c, size_t i)
{
    return (long)floor(((double)i + (double)c->a.offset) / (double)c->m.block);
}

static bool in_window_or_global(const struct pattern_case *c, long own, size_t block)
{
    return block < c->m.global_count || labs(own - (long)block) <= 1;
}

/* The blocks that row i sees at random, by the words of the header. */
static void draw_blocks(struct pattern_case *c, size_t i)
{
    size_t others[MOST], count = 0, blocks = divided_up(c->a.S, c->m.block);
    long own = block_of(c, i);
    for (size_t block = 0; block < blocks; block++)
        if (!in_window_or_global(c, own, block))
            others[count++] = block;

    bool taken[MOST] = {false};
    size_t random = c->m.random < count ? c->m.random : count;
    uint64_t stream = random_stream(c->m.seed, (uint64_t)own);
    for (size_t n = 0; n < random; n++) {
        uint64_t t = random_below(stream, n, count - random + n + 1);
        taken[taken[t] ? count - random + n : t] = true;
    }
    size_t drawn = 0;
    for (size_t t = 0; t < count; t++) {
        drawn += taken[t];
        for (size_t j = 0; taken[t] && j < c->a.S; j++)
            if (j / c->m.block == others[t])
                c->want[i][j] = true;
    }
    ck_assert_uint_eq(drawn, random);
}

static void draw_bigbird(struct pattern_case *c, struct test_random *r)
{
    c->m.global_count = test_random_size(r, 0, 3);
    c->m.random = test_random_size(r, 0, 5);
    for (size_t i = 0; i < c->a.T; i++) {
        long own = block_of(c, i);
        for (size_t j = 0; j < c->a.S; j++)
            c->want[i][j] = in_window_or_global(c, own, j / c->m.block) ||
                            (own >= 0 && own < (long)c->m.global_count);
        draw_blocks(c, i);
    }
}

START_TEST(bigbird_sees_window_global_and_random_blocks)
{
    struct test_random r = {5};
    for (int n = 0; n < 400; n++) {
        static struct pattern_case c;
        begin(&c, &r);
        draw_bigbird(&c, &r);
        check(&c, key_pattern_bigbird(&c.a, &c.m, &c.arena, &c.e));
    }
}
END_TEST

START_TEST(bigbird_with_all_blocks_is_one_range_a_row)
{
    struct test_random r = {6};
    for (int n = 0; n < 60; n++) {
        static struct pattern_case c;
        begin(&c, &r);
        switch (n % 3) {
        case 0: c.m.global_count = MOST; break;
        case 1: c.m.random = MOST; break;
        default:
            c.m.block = SIZE_MAX;
            c.a.offset = 0;
            c.a.T = c.a.S;
        }
        check_all(&c, key_pattern_bigbird(&c.a, &c.m, &c.arena, &c.e));
    }
}
END_TEST

START_TEST(another_seed_draws_other_blocks)
{
    static struct pattern_case c;
    c.a = (struct attention){.T = 64, .S = 640};
    c.m = (struct method_input){.block = 4, .random = 2};
    arena_init(&c.arena, (size_t)1 << 20, NULL);
    const struct key_pattern *one = key_pattern_bigbird(&c.a, &c.m, &c.arena, &c.e);
    c.m.seed = 1;
    const struct key_pattern *two = key_pattern_bigbird(&c.a, &c.m, &c.arena, &c.e);
    ck_assert(one && two);
    size_t least = one->first[64] < two->first[64] ? one->first[64] : two->first[64];
    ck_assert(memcmp(one->ranges, two->ranges, least * sizeof *one->ranges) != 0);
    arena_free(&c.arena);
}
END_TEST

START_TEST(a_layout_that_does_not_fit_is_refused_at_its_number)
{
    static const struct {
        size_t rows[4], row_count, columns[4], column_count;
        const char *path, *message;
    } cases[] = {
        {{0, 1, 2},
         3,
         {0, 0},
         2,
         "/method/layout/row_starts",
         "has 3 numbers, expected 4"},
        {{1, 1, 2, 2}, 4, {0, 0}, 2, "/method/layout/row_starts/0", "is 1, expected 0"},
        {{0, 2, 1, 2}, 4, {0, 1}, 2, "/method/layout/row_starts/2", "no less than"},
        {{0, 1, 1, 1},
         4,
         {0, 1},
         2,
         "/method/layout/row_starts/3",
         "length of columns, 2"},
        {{0, 1, 2, 2}, 4, {0, 2}, 2, "/method/layout/columns/1", "blocks of keys, 2"},
        {{0, 2, 2, 2}, 4, {1, 1}, 2, "/method/layout/columns/1", "more than the one"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        struct attention a = {.T = 6, .S = 4};
        struct method_input m = {.block = 2,
                                 .layout_rows = cases[n].rows,
                                 .layout_row_count = cases[n].row_count,
                                 .layout_columns = cases[n].columns,
                                 .layout_column_count = cases[n].column_count};
        struct arena arena;
        struct error e = {0};
        arena_init(&arena, 1 << 16, NULL);
        ck_assert(!key_pattern_block_sparse(&a, &m, &arena, &e));
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(e.path, cases[n].path);
        ck_assert_msg(strstr(e.message, cases[n].message), "%s", e.message);
        arena_free(&arena);
    }
}
END_TEST

START_TEST(a_global_token_beyond_the_last_is_refused)
{
    const size_t global[] = {0, 6};
    struct attention a = {.T = 6, .S = 40};
    struct method_input m = {.global = global, .global_count = 2};
    struct arena arena;
    struct error e = {0};
    arena_init(&arena, 1 << 16, NULL);
    ck_assert(!key_pattern_longformer(&a, &m, &arena, &e));
    ck_assert_str_eq(e.path, "/method/global/1");
    ck_assert_str_eq(e.message, "is 6, but there are 6 tokens, counted from 0");
    arena_free(&arena);
}
END_TEST

START_TEST(a_small_arena_is_out_of_memory_or_enough)
{
    struct test_random r = {7};
    size_t spent = 0;
    for (size_t limit = 0; limit < 4000; limit += 40) {
        static struct pattern_case c;
        begin(&c, &r);
        draw_longformer(&c, &r);
        arena_free(&c.arena);
        arena_init(&c.arena, limit, NULL);
        const struct key_pattern *got =
            key_pattern_longformer(&c.a, &c.m, &c.arena, &c.e);
        ck_assert(got ? c.e.code == ERROR_NONE : c.e.code == ERROR_OUT_OF_MEMORY);
        spent += !got;
        arena_free(&c.arena);
    }
    ck_assert_uint_gt(spent, 0);
}
END_TEST

/* Planning is one task, which nothing can stop. */
START_TEST(a_pattern_that_would_take_long_is_refused)
{
    enum { TOKENS = 8192 };
    static size_t global[TOKENS / 2];
    for (size_t n = 0; n < TOKENS / 2; n++)
        global[n] = 2 * n;
    const struct attention a = {.T = TOKENS, .S = TOKENS};
    const struct method_input longformer = {.global = global,
                                            .global_count = TOKENS / 2};
    const struct method_input bigbird = {.block = 1, .random = 4000};
    struct arena arena;
    struct error e = {0}, f = {0};
    arena_init(&arena, (size_t)1 << 20, NULL);
    ck_assert(!key_pattern_longformer(&a, &longformer, &arena, &e));
    ck_assert_int_eq(e.code, ERROR_TOO_LARGE);
    ck_assert_str_eq(e.path, "/method");
    ck_assert_str_eq(e.message,
                     "makes more than 2097152 ranges of keys, the most there may be");
    ck_assert(!key_pattern_bigbird(&a, &bigbird, &arena, &f));
    ck_assert_int_eq(f.code, ERROR_TOO_LARGE);
    ck_assert_str_eq(f.path, "/method/random");
    ck_assert_str_eq(f.message, "is 4000, but may be 127 at most with 8193 rows of "
                                "blocks");
    arena_free(&arena);
}
END_TEST

START_TEST(no_more_memory_is_taken_than_the_ranges_need)
{
    const struct attention a = {.T = 8192, .S = 8192};
    const struct method_input m = {.block = 64, .random = 100};
    struct arena arena;
    struct error e = {0};
    arena_init(&arena, (size_t)1 << 23, NULL);
    const struct key_pattern *p = key_pattern_bigbird(&a, &m, &arena, &e);
    ck_assert(p != NULL);
    size_t kept =
        p->first[a.T] * sizeof *p->ranges + (a.T + 1) * sizeof *p->first + sizeof *p;
    ck_assert_uint_le(arena.used, kept + 128 * (1 + sizeof(size_t)));
    arena_free(&arena);
}
END_TEST

TEST_PROGRAM("key_patterns", block_sparse_sees_the_named_blocks,
             a_full_layout_is_one_range_a_row,
             longformer_sees_its_window_and_the_global_tokens,
             a_window_of_all_keys_is_one_range_a_row,
             bigbird_sees_window_global_and_random_blocks,
             bigbird_with_all_blocks_is_one_range_a_row,
             a_pattern_that_would_take_long_is_refused,
             no_more_memory_is_taken_than_the_ranges_need,
             another_seed_draws_other_blocks,
             a_layout_that_does_not_fit_is_refused_at_its_number,
             a_global_token_beyond_the_last_is_refused,
             a_small_arena_is_out_of_memory_or_enough)
