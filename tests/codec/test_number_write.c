#include <stdint.h>
#include <stdio.h>

#include "codec/number.h"
#include "support/test.h"

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A number's text taken apart, so that 0.5, 5e-1 and 5.0E-01 are the same. */
struct parsed {
    bool negative;
    uint64_t digits; /* without trailing zeros */
    int exponent;
};

static struct parsed parse(const char *text)
{
    struct parsed p = {.negative = *text == '-'};
    const char *at = text + p.negative;
    for (bool fraction = false; *at && *at != 'e'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        p.digits = p.digits * 10 + (uint64_t)(*at - '0');
        p.exponent -= fraction;
    }
    if (*at == 'e')
        p.exponent += (int)strtol(at + 1, NULL, 10);
    for (; p.digits != 0 && p.digits % 10 == 0; p.digits /= 10)
        p.exponent++;
    if (p.digits == 0)
        p.exponent = 0;
    return p;
}

/* An if, because every ck_assert that holds is written to a file by check, and
 * here millions hold. */
static void assert_same(const char *got, const char *want, float x)
{
    struct parsed a = parse(got), b = parse(want);
    if (a.negative != b.negative || a.digits != b.digits || a.exponent != b.exponent)
        ck_abort_msg("%a is written %s, want %s", (double)x, got, want);
}

/* 0 digits: the shortest. Also looks at what the header says about the room. */
static void write_checked(float x, unsigned digits, char got[NUMBER_MAX_BYTES + 9])
{
    memset(got, '#', NUMBER_MAX_BYTES + 9);
    size_t length = digits ? number_write_digits(x, digits, got) : number_write(x, got);
    if (length > NUMBER_MAX_BYTES ||
        memcmp(got + NUMBER_MAX_BYTES, "#########", 9) != 0)
        ck_abort_msg("%a with %u digits leaves its room", (double)x, digits);
    got[length] = '\0';
}

/* A text with `digits` digits that reads back as x, the one nearest to x; false
 * when there is none. Around a power of two the nearest text may read back as the
 * float below, while the next one above, although further away, is right. */
static bool reads_back(float x, int digits, char text[64])
{
    snprintf(text, 64, "%.*e", digits - 1, (double)x);
    if (strtof(text, NULL) == x)
        return true;

    struct parsed nearest = parse(text);
    for (double least = pow(10, digits - 1); (double)nearest.digits < least;) {
        nearest.digits *= 10;
        nearest.exponent--;
    }
    for (int step = -1; step <= 1; step += 2) {
        snprintf(text, 64, "%s%llue%d", nearest.negative ? "-" : "",
                 (unsigned long long)nearest.digits + (unsigned long long)step,
                 nearest.exponent);
        if (strtof(text, NULL) == x)
            return true;
    }
    return false;
}

/* Slow and obvious: ever fewer digits, as long as the text still reads back. */
static void write_slowly(float x, char text[64])
{
    char shorter[64];
    if (!reads_back(x, 9, text))
        ck_abort_msg("nine digits are not enough for %a", (double)x);
    for (int digits = 8; digits >= 1 && reads_back(x, digits, shorter); digits--)
        memcpy(text, shorter, sizeof shorter);
}

static void check_shortest(float x)
{
    char got[NUMBER_MAX_BYTES + 9], want[64];
    write_checked(x, 0, got);

    const char *at = got, *end = got + strlen(got);
    float back = 0;
    if (number_read_float(&at, end, &back) != NUMBER_OK || at != end ||
        memcmp(&back, &x, sizeof x) != 0)
        ck_abort_msg("%s is not %a", got, (double)x);
    if (x == 0)
        return;
    write_slowly(x, want);
    assert_same(got, want, x);
}

START_TEST(the_form_is_short_plain_and_json)
{
    const struct {
        float value;
        const char *text;
    } cases[] = {
        {0.0f, "0"},
        {-0.0f, "-0"},
        {1.0f, "1"},
        {-1.5f, "-1.5"},
        {10.0f, "10"},
        {0.1f, "0.1"},
        {0.25f, "0.25"},
        {-0.0001f, "-0.0001"},
        {0.00025f, "0.00025"},
        {0.00012345678f, "0.00012345678"},
        {0.00009999999f, "9.999999e-5"},
        {1e-5f, "1e-5"},
        {1234567.5f, "1234567.5"},
        {12345.678f, "12345.678"},
        {12.345679f, "12.345679"},
        {123.45679f, "123.45679"},
        {1234.5679f, "1234.5679"},
        {-123456.79f, "-123456.79"},
        {16777216.0f, "16777216"},
        {123456789.0f, "123456790"},
        {999999940.0f, "999999940"},
        {1e9f, "1e9"},
        {-1.25e10f, "-1.25e10"},
        {0x1.fffffep+127f, "3.4028235e38"},
        {-0x1p-126f, "-1.1754944e-38"},
        {0x1p-149f, "1e-45"},
        {1.0f / 3.0f, "0.33333334"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[NUMBER_MAX_BYTES + 1];
        text[number_write(cases[i].value, text)] = '\0';
        ck_assert_str_eq(text, cases[i].text);
        check_shortest(cases[i].value);
    }
}
END_TEST

START_TEST(every_exponent_and_its_neighbours_are_shortest)
{
    for (uint32_t exponent = 0; exponent < 255; exponent++)
        for (uint32_t i = 0; i < 64; i++) {
            const uint32_t base = exponent << 23;
            check_shortest(float_of(base + i));
            check_shortest(float_of(base + 0x400000 + i));
            check_shortest(float_of(base + 0x7FFFFF - i));
        }
}
END_TEST

START_TEST(powers_of_ten_and_their_neighbours_are_shortest)
{
    for (int e = -45; e <= 38; e++)
        for (int factor = 1; factor <= 9; factor++) {
            char text[32];
            snprintf(text, sizeof text, "%de%d", factor, e);
            float x = strtof(text, NULL);
            if (isinf(x))
                continue;
            check_shortest(x);
            check_shortest(-nextafterf(x, 0));
            if (x < 0x1.fffffep+127f)
                check_shortest(nextafterf(x, INFINITY));
        }
}
END_TEST

START_TEST(whole_numbers_and_hundredths_are_shortest)
{
    for (int i = 0; i < 20000; i++) {
        check_shortest((float)i);
        check_shortest((float)-i / 100.0f);
    }
}
END_TEST

START_TEST(a_million_random_floats_are_shortest)
{
    struct test_random random = {31};
    for (size_t i = 0; i < 1000000; i++) {
        uint32_t bits = (uint32_t)(test_random_next(&random) >> 32);
        if (i % 8 == 0)
            bits &= 0x807FFFFF; /* denormal */
        if (isfinite(float_of(bits)))
            check_shortest(float_of(bits));
    }
}
END_TEST

static void check_digits(float x, unsigned digits)
{
    char got[NUMBER_MAX_BYTES + 9], want[64];
    write_checked(x, digits, got);
    snprintf(want, sizeof want, "%.*e", (int)digits - 1, (double)x);
    assert_same(got, want, x);
}

START_TEST(a_given_number_of_digits_is_correctly_rounded)
{
    const struct {
        float value;
        unsigned digits;
        const char *text;
    } cases[] = {
        {0.1f, 9, "0.100000001"},
        {0.1f, 3, "0.1"},
        {-2.0f / 3.0f, 4, "-0.6667"},
        {9.99f, 2, "10"},
        {0.99999f, 3, "1"},
        {2.5f, 1, "2"}, /* ties to even */
        {3.5f, 1, "4"},
        {25.0f, 1, "20"},
        {35.0f, 1, "40"},
        {0.0f, 5, "0"},
        {-0.0f, 5, "-0"},
        {0x1.fffffep+127f, 9, "3.40282347e38"},
        {-0x1p-149f, 9, "-1.40129846e-45"},
        {-0x1p-126f, 9, "-1.17549435e-38"},
        {1e10f, 1, "1e10"},
        {12345678.0f, 3, "12300000"},
        {-0.000123456804f, 9, "-0.000123456804"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[NUMBER_MAX_BYTES + 1];
        text[number_write_digits(cases[i].value, cases[i].digits, text)] = '\0';
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(all_exponents_and_random_floats_are_correctly_rounded)
{
    struct test_random random = {37};
    for (uint32_t exponent = 0; exponent < 255; exponent++)
        for (unsigned digits = 1; digits <= 9; digits++)
            for (uint32_t i = 0; i < 8; i++) {
                check_digits(float_of((exponent << 23) + i), digits);
                check_digits(-float_of((exponent << 23) + 0x7FFFFF - i), digits);
            }
    for (size_t i = 0; i < 300000; i++) {
        float x = float_of((uint32_t)(test_random_next(&random) >> 32));
        if (isfinite(x))
            check_digits(x, (unsigned)(1 + i % 9));
    }
}
END_TEST

START_TEST(exact_halves_go_to_the_even_digit)
{
    for (int i = 1; i < 20000; i += 2)
        for (unsigned digits = 1; digits <= 6; digits++) {
            check_digits((float)i / 2, digits);
            check_digits((float)(5 * i), digits);
            check_digits((float)i / 1024, digits);
        }
}
END_TEST

TEST_PROGRAM("number_write", the_form_is_short_plain_and_json,
             every_exponent_and_its_neighbours_are_shortest,
             powers_of_ten_and_their_neighbours_are_shortest,
             whole_numbers_and_hundredths_are_shortest,
             a_million_random_floats_are_shortest,
             a_given_number_of_digits_is_correctly_rounded,
             all_exponents_and_random_floats_are_correctly_rounded,
             exact_halves_go_to_the_even_digit)
