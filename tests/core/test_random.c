#include "core/random.h"

#include "support/test.h"

START_TEST(the_first_numbers_of_a_stream_are_splitmix64s)
{
    /* Of the seed 1234567, as the algorithm's authors print them. */
    static const uint64_t want[] = {6457827717110365317U, 3203168211198807973U,
                                    9817491932198370423U, 4593380528125082431U,
                                    16408922859458223821U};
    for (uint64_t n = 0; n < sizeof want / sizeof *want; n++)
        ck_assert_uint_eq(random_bits(1234567, n), want[n]);
}
END_TEST

START_TEST(streams_of_one_seed_differ)
{
    ck_assert_uint_ne(random_stream(7, 0), random_stream(7, 1));
    ck_assert_uint_ne(random_bits(random_stream(7, 0), 0),
                      random_bits(random_stream(7, 1), 0));
    ck_assert_uint_ne(random_stream(7, 0), random_stream(8, 0));
}
END_TEST

START_TEST(numbers_below_a_count_reach_all_of_them_evenly)
{
    enum { COUNT = 7, DRAWS = 70000 };
    size_t found[COUNT] = {0};
    for (uint64_t n = 0; n < DRAWS; n++) {
        uint64_t x = random_below(3, n, COUNT);
        ck_assert_uint_lt(x, COUNT);
        found[x]++;
    }
    for (size_t x = 0; x < COUNT; x++) /* five standard deviations of 93 */
        ck_assert(fabs((double)found[x] - DRAWS / COUNT) < 5 * 93);
    ck_assert_uint_eq(random_below(3, 0, 1), 0);
}
END_TEST

START_TEST(normal_numbers_have_the_moments_of_the_normal_distribution)
{
    enum { DRAWS = 100000 };
    double sum[5] = {0};
    for (uint64_t n = 0; n < DRAWS; n++)
        for (int power = 1; power <= 4; power++)
            sum[power] += pow(random_normal(11, n), power) / DRAWS;
    const double want[] = {0, 0, 1, 0, 3}, variance[] = {0, 1, 2, 15, 96};
    for (int power = 1; power <= 4; power++)
        ck_assert(fabs(sum[power] - want[power]) < 5 * sqrt(variance[power] / DRAWS));
}
END_TEST

TEST_PROGRAM("random", the_first_numbers_of_a_stream_are_splitmix64s,
             streams_of_one_seed_differ, numbers_below_a_count_reach_all_of_them_evenly,
             normal_numbers_have_the_moments_of_the_normal_distribution)
