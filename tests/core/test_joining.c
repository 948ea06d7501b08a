#include "core/joining.h"

#include <float.h>

#include "support/test.h"

static float *room(size_t count)
{
    float *out = malloc(count * sizeof *out + 1);
    for (size_t i = 0; i < count; i++)
        out[i] = NAN;
    return out;
}

static float *drawn(struct test_random *r, size_t count)
{
    float *out = room(count);
    for (size_t i = 0; i < count; i++)
        out[i] = test_random_float(r);
    return out;
}

/* All blocks, the last one first: their order does not matter. */
static bool run_all(const struct joining *j)
{
    void *scratch = malloc(joining_scratch_bytes(j) + 1);
    bool finite = true;
    for (size_t block = joining_blocks(j); block-- > 0;)
        finite &= joining_run(j, block, scratch);
    free(scratch);
    return finite;
}

/* What the own row (h, i) should have become. */
static void expect_own(const struct joining *j, const float *from, size_t h, size_t i,
                       float *want)
{
    const float *row = from + h * j->from.head_stride + i * j->from.row_stride;
    memcpy(want, row, j->width * sizeof *want);
    if (j->rope) {
        float angles[40];
        rope_angles(j->rope, i, angles);
        ck_assert(rope_turn(j->rope, angles, row, want, j->width));
    }
}

START_TEST(own_rows_turn_and_stand_behind_the_past)
{
    struct test_random r = {21};
    for (int round = 0; round < 100; round++) {
        static const double frequencies[] = {1, 0.5};
        const struct rope rope = {.dims = 4, .frequencies = frequencies, .first = 3};
        size_t rows = test_random_size(&r, 1, round % 5 ? 20 : 300);
        struct joining j = {.heads = test_random_size(&r, 1, 4),
                            .rows = rows,
                            .width = test_random_size(&r, 4, 7),
                            .rope = round % 3 ? &rope : NULL,
                            .past_rows = test_random_size(&r, 1, 200)};
        bool split = round % 2, in_place = round % 4 == 3;
        size_t own_count = j.heads * rows * j.width;
        size_t past_count = j.heads * j.past_rows * j.width;
        float *from = drawn(&r, own_count), *kept = room(own_count);
        memcpy(kept, from, own_count * sizeof *from);
        float *past = drawn(&r, past_count);
        float *own = in_place ? from : room(own_count);
        float *joined = room(own_count + past_count);
        j.from = split ? (struct heads_view){from, rows * j.width, j.width}
                       : (struct heads_view){from, j.width, j.heads * j.width};
        j.past = past;
        j.own = in_place || round % 5 ? own : NULL;
        j.joined = round % 7 || !j.own ? joined : NULL;
        ck_assert(run_all(&j));

        size_t S = j.past_rows + rows, bytes = j.width * sizeof(float);
        for (size_t h = 0; h < j.heads; h++)
            for (size_t row = 0; row < S; row++) {
                float want[8];
                size_t i = row - j.past_rows;
                if (row < j.past_rows)
                    memcpy(want, past + (h * j.past_rows + row) * j.width, bytes);
                else
                    expect_own(&j, kept, h, i, want);
                if (j.joined)
                    ck_assert_mem_eq(joined + (h * S + row) * j.width, want, bytes);
                if (j.own && row >= j.past_rows)
                    ck_assert_mem_eq(own + (h * rows + i) * j.width, want, bytes);
            }
        free(joined);
        if (!in_place)
            free(own);
        free(past);
        free(kept);
        free(from);
    }
}
END_TEST

START_TEST(with_nowhere_to_go_there_is_nothing_to_do)
{
    ck_assert_uint_eq(joining_blocks(&(struct joining){.heads = 1, .rows = 1}), 0);
    ck_assert_uint_eq(joining_scratch_bytes(&(struct joining){0}), 0);
}
END_TEST

START_TEST(a_row_that_leaves_the_range_is_told_wherever_it_stands)
{
    static const double frequencies[] = {1};
    const struct rope rope = {.dims = 2, .frequencies = frequencies, .first = 1};
    for (size_t bad = 0; bad < 300; bad += 43) {
        float rows[300][2] = {{0}}, own[300][2];
        struct joining j = {.heads = 1,
                            .rows = 300,
                            .width = 2,
                            .rope = &rope,
                            .from = {&rows[0][0], 600, 2},
                            .own = &own[0][0]};
        rows[bad][0] = FLT_MAX;
        rows[bad][1] = FLT_MAX;
        ck_assert(!run_all(&j));
    }
}
END_TEST

TEST_PROGRAM("joining", own_rows_turn_and_stand_behind_the_past,
             with_nowhere_to_go_there_is_nothing_to_do,
             a_row_that_leaves_the_range_is_told_wherever_it_stands)
