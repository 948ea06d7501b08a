#include "codec/milliseconds.h"

#include <stdio.h>

#include "codec/whole_number.h"
#include "support/test.h"

static const char *text_of(double ms)
{
    static char text[MILLISECONDS_BYTES + 1];
    char *end = milliseconds_write(ms, text);
    ck_assert_int_le(end - text, MILLISECONDS_BYTES);
    *end = '\0';
    return text;
}

START_TEST(a_time_has_three_decimals)
{
    static const struct {
        double ms;
        const char *text;
    } cases[] = {{0, "0.000"},           {0.0004, "0.000"},
                 {0.0005, "0.001"},      {0.042, "0.042"},
                 {1, "1.000"},           {12.3456, "12.346"},
                 {999.9996, "1000.000"}, {123456789.25, "123456789.250"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(text_of(cases[i].ms), cases[i].text);
}
END_TEST

START_TEST(what_is_no_time_is_bounded)
{
    ck_assert_str_eq(text_of(-1), "0.000");
    ck_assert_str_eq(text_of((double)NAN), "0.000");
    ck_assert_str_eq(text_of(HUGE_VAL), "1000000000000.000");
    ck_assert_str_eq(text_of(1e300), "1000000000000.000");
}
END_TEST

START_TEST(a_time_reads_as_printf_writes_it)
{
    struct test_random random = {77};
    for (int i = 0; i < 100000; i++) {
        /* Sixteenths of a microsecond, off the halves, which printf rounds to even. */
        uint64_t n = test_random_next(&random) >> (20 + i % 40);
        double ms = (double)(n * 16 + 3) / 16000;
        char expected[64];
        snprintf(expected, sizeof expected, "%.3f", ms);
        if (ms < 1e11)
            ck_assert_str_eq(text_of(ms), expected);
    }
}
END_TEST

START_TEST(a_count_reads_as_printf_writes_it)
{
    static const uint64_t counts[] = {0, 9, 10, 99, 100, 4294967296, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char text[WHOLE_NUMBER_BYTES + 1], expected[64];
        *whole_number_write(counts[i], text) = '\0';
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)counts[i]);
        ck_assert_str_eq(text, expected);
    }
}
END_TEST

TEST_PROGRAM("milliseconds", a_time_has_three_decimals, what_is_no_time_is_bounded,
             a_time_reads_as_printf_writes_it, a_count_reads_as_printf_writes_it)
