#include "core/projection.h"

#include <float.h>

#include "support/test.h"

enum { MOST_SEQUENCES = 5 };

static float *some_numbers(struct test_random *r, size_t count)
{
    float *out = malloc(count * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = test_random_float(r);
    return out;
}

/* All blocks, the last one first: their order does not matter. */
static bool run_all(const struct projection *p)
{
    void *scratch = aligned_alloc(64, projection_scratch_bytes(p) / 64 * 64 + 64);
    bool finite = true;
    for (size_t block = projection_blocks(p); block-- > 0;)
        finite &= projection_run(p, block, scratch);
    free(scratch);
    return finite;
}

/* Some sequences with numbers of their own. */
struct some {
    struct projection p;
    struct projection_rows rows[MOST_SEQUENCES];
    float *x[MOST_SEQUENCES], *w, *bias, *out[MOST_SEQUENCES];
};

static void some_init(struct some *s, struct test_random *r, int round)
{
    size_t longest = round % 8 ? 20 : 500, deepest = round % 5 ? 70 : 700;
    bool multiplied = round % 4 != 0;
    s->p = (struct projection){.heads = test_random_size(r, 1, round % 7 ? 5 : 40),
                               .width = round % 3 ? test_random_size(r, 1, 20) : 16,
                               .rows = s->rows};
    size_t columns = s->p.heads * s->p.width;
    s->p.in = multiplied ? test_random_size(r, 1, deepest) : columns;
    s->w = some_numbers(r, s->p.in * columns);
    s->bias = some_numbers(r, columns);
    s->p.w = multiplied ? s->w : NULL;
    s->p.bias = multiplied && round % 2 ? s->bias : NULL;
    size_t count = test_random_size(r, 1, MOST_SEQUENCES);
    for (size_t b = 0; b < count; b++) {
        size_t rows = test_random_size(r, 1, longest);
        s->x[b] = some_numbers(r, rows * s->p.in);
        s->out[b] = malloc(rows * columns * sizeof(float));
        projection_add(&s->p, rows, s->x[b], s->out[b]);
    }
}

static void some_free(struct some *s)
{
    for (size_t b = 0; b < s->p.count; b++) {
        free(s->x[b]);
        free(s->out[b]);
    }
    free(s->w);
    free(s->bias);
}

START_TEST(every_shape_agrees_with_the_reference)
{
    struct test_random r = {7};
    for (int round = 0; round < 120; round++) {
        struct some s;
        some_init(&s, &r, round);
        ck_assert(run_all(&s.p));
        float *got[MOST_SEQUENCES];
        for (size_t b = 0; b < s.p.count; b++) {
            got[b] = s.rows[b].out;
            s.rows[b].out =
                malloc(s.rows[b].count * s.p.heads * s.p.width * sizeof(float));
        }
        ck_assert(projection_reference(&s.p));
        /* Sums of up to 700 products of numbers below 1. */
        for (size_t b = 0; b < s.p.count; b++)
            for (size_t i = 0; i < s.rows[b].count * s.p.heads * s.p.width; i++)
                ck_assert_close(got[b][i], s.rows[b].out[i], 1e-5, 1e-5);
        for (size_t b = 0; b < s.p.count; b++)
            free(s.rows[b].out);
        some_free(&s);
    }
}
END_TEST

/* And so on how the rows fall into groups and blocks. */
START_TEST(a_rows_bits_do_not_depend_on_the_other_rows)
{
    struct test_random r = {8};
    for (int round = 0; round < 120; round++) {
        struct some s;
        some_init(&s, &r, round);
        ck_assert(run_all(&s.p));
        size_t columns = s.p.heads * s.p.width;
        float *one = malloc(columns * sizeof *one);
        for (size_t b = 0; b < s.p.count; b++)
            for (size_t i = 0; i < s.rows[b].count; i += 1 + i / 8) {
                struct projection_rows rows[1];
                struct projection alone = s.p;
                alone.rows = rows;
                alone.count = 0;
                projection_add(&alone, 1, s.x[b] + i * s.p.in, one);
                ck_assert(run_all(&alone));
                for (size_t h = 0; h < s.p.heads; h++)
                    ck_assert_mem_eq(one + h * s.p.width,
                                     s.out[b] + (h * s.rows[b].count + i) * s.p.width,
                                     s.p.width * sizeof *one);
            }
        free(one);
        some_free(&s);
    }
}
END_TEST

/* All of it is covered, by blocks that are not long. */
START_TEST(large_ones_are_cut_so_that_workers_share_them)
{
    struct projection_rows rows[2];
    struct projection p = {
        .in = 4096, .heads = 64, .width = 64, .w = (const float[]){0}, .rows = rows};
    projection_add(&p, 5000, NULL, NULL);
    projection_add(&p, 3000, NULL, NULL);
    ck_assert(projection_flops(&p) == 2.0 * 8000 * 4096 * 4096);
    ck_assert(projection_flops(&p) / (double)projection_blocks(&p) <= 1e8);

    p.in = 64;
    p.count = 0;
    projection_add(&p, 8000, NULL, NULL);
    ck_assert_uint_ge(projection_blocks(&p), 32);
}
END_TEST

START_TEST(without_a_result_there_is_nothing_to_do)
{
    const struct projection p = {.in = 3, .heads = 2, .width = 2, .w = (float[]){0}};
    ck_assert_uint_eq(projection_blocks(&p), 0);
    ck_assert_uint_eq(projection_scratch_bytes(&p), 0);
    ck_assert(projection_flops(&p) == 0);
}
END_TEST

START_TEST(a_number_outside_float32_is_told)
{
    const struct {
        float x, w, bias;
        bool finite;
    } rows[] = {
        {1e30f, 1e8f, 0, true}, {1e30f, 1e9f, 0, false},    {-1e30f, 1e9f, 0, false},
        {FLT_MAX, 1, 0, true},  {FLT_MAX, 1, 1e38f, false}, {1, 1, FLT_MAX, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float out[2];
        const float w[2] = {0, rows[i].w}, bias[2] = {0, rows[i].bias};
        struct projection_rows row[1];
        struct projection p = {
            .in = 1, .heads = 2, .width = 1, .w = w, .bias = bias, .rows = row};
        projection_add(&p, 1, &rows[i].x, out);
        ck_assert_msg(run_all(&p) == rows[i].finite, "row %zu", i);
        ck_assert_msg(projection_reference(&p) == rows[i].finite, "row %zu", i);
    }
}
END_TEST

START_TEST(wherever_in_a_row_it_stands)
{
    const float x = 1e30f;
    for (size_t heads = 1; heads <= 3; heads++)
        for (size_t at = 0; at < heads * 7; at++) {
            float w[21] = {0}, out[21];
            w[at] = 1e30f;
            struct projection_rows row[1];
            struct projection p = {
                .in = 1, .heads = heads, .width = 7, .w = w, .rows = row};
            projection_add(&p, 1, &x, out);
            ck_assert_msg(!run_all(&p), "column %zu of %zu", at, heads * 7);
            w[at] = 1;
            ck_assert(run_all(&p));
        }
}
END_TEST

START_TEST(what_is_only_split_keeps_the_sign_of_zero)
{
    const float x[2][4] = {{-0.0f, 0, 1, -0.0f}, {2, -0.0f, -0.0f, 0}};
    const float want[4][2] = {{-0.0f, 0}, {2, -0.0f}, {1, -0.0f}, {-0.0f, 0}};
    float out[4][2];
    struct projection_rows rows[1];
    struct projection p = {.in = 4, .heads = 2, .width = 2, .rows = rows};
    projection_add(&p, 2, x[0], out[0]);
    ck_assert(run_all(&p));
    ck_assert_mem_eq(out, want, sizeof want);
}
END_TEST

TEST_PROGRAM("projection", every_shape_agrees_with_the_reference,
             a_rows_bits_do_not_depend_on_the_other_rows,
             large_ones_are_cut_so_that_workers_share_them,
             without_a_result_there_is_nothing_to_do, a_number_outside_float32_is_told,
             wherever_in_a_row_it_stands, what_is_only_split_keeps_the_sign_of_zero)
