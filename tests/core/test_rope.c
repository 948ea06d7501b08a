#include "core/rope.h"

#include <float.h>

#include "support/test.h"

enum { MOST = 40 };

/* One row, turned at `position`. */
static bool turn(struct rope *r, double base, int64_t position, const float *from,
                 float *to, size_t width)
{
    double frequencies[MOST];
    float angles[MOST];
    if (base > 0) {
        rope_frequencies(base, r->dims, frequencies);
        r->frequencies = frequencies;
    }
    r->first = position;
    rope_angles(r, 0, angles);
    bool finite = rope_turn(r, angles, from, to, width);
    r->frequencies = NULL;
    return finite;
}

static void draw(struct test_random *random, float *x, size_t n)
{
    for (size_t c = 0; c < n; c++)
        x[c] = test_random_float(random);
}

START_TEST(rows_of_every_kind_agree_with_complex_numbers_in_float64)
{
    struct test_random random = {11};
    for (int round = 0; round < 300; round++) {
        size_t width = test_random_size(&random, 2, MOST);
        struct rope r = {.dims = 2 * test_random_size(&random, 1, width / 2),
                         .interleaved = round % 2};
        double base = round % 3 ? 10000 : 1.5;
        int64_t position =
            (int64_t)test_random_size(&random, 0, round % 7 ? 40 : 1 << 20);
        float from[MOST], to[MOST];
        draw(&random, from, width);
        ck_assert(turn(&r, base, position, from, to, width));

        for (size_t c = 0; c < width; c++) {
            double want = (double)from[c];
            if (c < r.dims) {
                size_t half = r.dims / 2, pair = r.interleaved ? c / 2 : c % half;
                bool second = r.interleaved ? c % 2 == 1 : c >= half;
                size_t other = r.interleaved ? c ^ 1 : (c + half) % r.dims;
                double angle =
                    (double)position / pow(base, 2 * (double)pair / (double)r.dims);
                want = (double)from[c] * cos(angle) +
                       (second ? 1 : -1) * (double)from[other] * sin(angle);
            }
            /* Cosines and two products of float32, each right to 2^-24; the angle of a
             * far position to 2^-52 of itself. */
            ck_assert_close(to[c], want, 0, 4e-7);
        }
    }
}
END_TEST

START_TEST(a_quarter_turn_by_given_tables_is_exact)
{
    static const float cosines[] = {1, 1, 0, 0}, sines[] = {0, 0, 1, 1};
    static const float from[] = {1, 2, 3, 4, 5};
    static const struct {
        bool interleaved;
        float want[5];
    } rows[] = {{false, {-3, -4, 1, 2, 5}}, {true, {-2, 1, -4, 3, 5}}};
    for (size_t i = 0; i < 2; i++) {
        struct rope r = {.dims = 4,
                         .interleaved = rows[i].interleaved,
                         .cosines = cosines,
                         .sines = sines};
        float to[5];
        ck_assert(turn(&r, 0, 0, from, to, 5));
        ck_assert_mem_eq(to, from, sizeof to);
        ck_assert(turn(&r, 0, 1, from, to, 5));
        ck_assert_mem_eq(to, rows[i].want, sizeof to);
        memcpy(to, from, sizeof to);
        ck_assert(turn(&r, 0, 1, to, to, 5)); /* in place */
        ck_assert_mem_eq(to, rows[i].want, sizeof to);
    }
}
END_TEST

START_TEST(each_row_has_its_own_position)
{
    static const int64_t positions[] = {7, 0, 7};
    static const double frequencies[] = {1};
    const struct rope given = {
        .dims = 2, .frequencies = frequencies, .positions = positions};
    const struct rope counted = {.dims = 2, .frequencies = frequencies, .first = 5};
    float angles[3][2], want[2];
    for (size_t i = 0; i < 3; i++)
        rope_angles(&given, i, angles[i]);
    rope_angles(&counted, 2, want);
    ck_assert_mem_eq(angles[0], want, sizeof want);
    ck_assert_mem_eq(angles[2], want, sizeof want);
    ck_assert(angles[1][0] == 1 && angles[1][1] == 0);
}
END_TEST

START_TEST(scores_depend_on_distances_alone)
{
    struct test_random random = {12};
    float query[16], key[16];
    draw(&random, query, 16);
    draw(&random, key, 16);
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        double first = 0;
        for (int64_t shift = 0; shift < 1000; shift += 111) {
            struct rope r = {.dims = 16, .interleaved = interleaved};
            float q[16], k[16];
            double dot = 0;
            ck_assert(turn(&r, 10000, shift + 9, query, q, 16));
            ck_assert(turn(&r, 10000, shift + 2, key, k, 16));
            for (size_t c = 0; c < 16; c++)
                dot += (double)q[c] * (double)k[c];
            if (shift == 0)
                first = dot;
            ck_assert_close(dot, first, 0, 2e-6);
        }
    }
}
END_TEST

START_TEST(numbers_that_leave_the_range_are_told)
{
    struct rope r = {.dims = 2};
    const float large[] = {FLT_MAX, FLT_MAX}, fine[] = {FLT_MAX, 0};
    float to[2];
    ck_assert(!turn(&r, 10000, 1, large, to, 2)); /* times cos 1 + sin 1 = 1.38 */
    ck_assert(turn(&r, 10000, 1, fine, to, 2));
}
END_TEST

TEST_PROGRAM("rope", rows_of_every_kind_agree_with_complex_numbers_in_float64,
             a_quarter_turn_by_given_tables_is_exact, each_row_has_its_own_position,
             scores_depend_on_distances_alone, numbers_that_leave_the_range_are_told)
