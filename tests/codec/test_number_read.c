#include <stdint.h>
#include <stdio.h>

#include "codec/number.h"
#include "codec/number_powers.h"
#include "codec/number_whole.h"
#include "support/test.h"

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Reads all of `text`, from memory that ends where it does. */
static enum number_status read_all(const char *text, float *out, size_t *stopped)
{
    size_t length = strlen(text);
    char *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    const char *at = copy;
    enum number_status status = number_read_float(&at, copy + length, out);
    *stopped = (size_t)(at - copy);
    free(copy);
    return status;
}

/* Threats 67, 69, 70. */
START_TEST(numbers_are_rounded_to_the_nearest_float)
{
    const struct {
        const char *text;
        float value;
    } cases[] = {
        {"0", 0.0f},
        {"1", 1.0f},
        {"-12.5", -12.5f},
        {"1E+2", 100.0f},
        {"12345678e-3", 12345.678f},
        {"3.4028234663852886e38", 0x1.fffffep+127f},
        {"340282356779733661637539395458142568447.9999", 0x1.fffffep+127f},
        {"1.1754943508222875e-38", 0x1p-126f},
        {"1.4e-45", 0x1p-149f},
        {"7.0064923216240853546186479164495806564e-46", 0.0f}, /* half of it, exactly */
        {"7.0064923216240853546186479164495806565e-46", 0x1p-149f},
        {"1e-400", 0.0f},
        {"1e-999999999999999999999", 0.0f},
        {"0e999999999999999999999", 0.0f},
        {"16777217", 16777216.0f}, /* ties to even */
        {"16777217.0", 16777216.0f},
        {"16777217.000000000000000000000000000000000", 16777216.0f},
        {"16777217.000000000000000000000000000000001", 16777218.0f},
        {"16777219", 16777220.0f},
        {"1.000000059604644775390625", 1.0f},
        {"1.000000059604644775390626", 0x1.000002p+0f},
        {"0.0000000000000000000000000000001234567890123456789", 1.2345679e-31f},
        {"12345678901234567890123456789012345678", 1.23456789e37f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float got = -7;
        size_t stopped;
        ck_assert_int_eq(read_all(cases[i].text, &got, &stopped), NUMBER_OK);
        ck_assert_msg(bits_of(got) == bits_of(cases[i].value), "%s: %a, want %a",
                      cases[i].text, (double)got, (double)cases[i].value);
        ck_assert_uint_eq(stopped, strlen(cases[i].text));
    }
}
END_TEST

/* Threat 71. */
START_TEST(the_sign_of_zero_is_kept)
{
    const char *const texts[] = {"-0", "-0.0", "-0e5", "-1e-400"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        float x = 1;
        size_t stopped;
        ck_assert_int_eq(read_all(texts[i], &x, &stopped), NUMBER_OK);
        ck_assert_uint_eq(bits_of(x), 0x80000000);
    }
}
END_TEST

/* Threats 64-66, 69. */
START_TEST(what_is_no_number_is_refused_where_it_goes_wrong)
{
    const struct {
        const char *text;
        enum number_status status;
        size_t stopped;
    } cases[] = {
        {"", NUMBER_MALFORMED, 0},
        {"-", NUMBER_MALFORMED, 1},
        {"+1", NUMBER_MALFORMED, 0},
        {".5", NUMBER_MALFORMED, 0},
        {"1.", NUMBER_MALFORMED, 2},
        {"1.e5", NUMBER_MALFORMED, 2},
        {"1e", NUMBER_MALFORMED, 2},
        {"1e-", NUMBER_MALFORMED, 3},
        {"1e+x", NUMBER_MALFORMED, 3},
        {"-x", NUMBER_MALFORMED, 1},
        {"nan", NUMBER_MALFORMED, 0},
        {"1e39", NUMBER_OUT_OF_RANGE, 0},
        {"-1e400", NUMBER_OUT_OF_RANGE, 0},
        {"3.4028235677973367e38", NUMBER_OUT_OF_RANGE, 0},
        {"340282356779733661637539395458142568448", NUMBER_OUT_OF_RANGE, 0},
        {"1e999999999999999999999", NUMBER_OUT_OF_RANGE, 0},
        {"01", NUMBER_OK, 1},
        {"1.5.5", NUMBER_OK, 3},
        {"0x10", NUMBER_OK, 1},
        {"1,2", NUMBER_OK, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float x;
        size_t stopped;
        ck_assert_msg(read_all(cases[i].text, &x, &stopped) == cases[i].status, "%s",
                      cases[i].text);
        ck_assert_msg(stopped == cases[i].stopped, "%s: stopped at %zu", cases[i].text,
                      stopped);
    }
}
END_TEST

/* Short and whole is only what ends there; all else is read as if there was no such
 * way, the same number and up to the same place. */
START_TEST(a_short_whole_number_is_what_it_is_by_any_way)
{
    static const char *const tails[] = {",", "]", " ", "x", ".5,", "e1,", "E-1,", ".,"};
    for (uint32_t n = 0; n < 300000000; n = n < 1200 ? n + 1 : n + n / 7)
        for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
            char text[32];
            int digits = snprintf(text, sizeof text, "%u", n);
            strcpy(text + digits, tails[i]);
            const char *at = text, *end = text + strlen(text), *skipped = text;
            bool number = number_skip(&skipped, end) == NUMBER_OK;
            float x = -1;
            double d = -1;
            ck_assert_int_eq(number_read_float(&at, end, &x) == NUMBER_OK, number);
            ck_assert_ptr_eq(at, skipped);
            at = text;
            ck_assert_int_eq(number_read_double(&at, end, &d) == NUMBER_OK, number);
            ck_assert_ptr_eq(at, skipped);
            ck_assert(!number || (x == strtof(text, NULL) && d == strtod(text, NULL)));

            uint32_t whole = 0;
            at = text;
            bool short_one = n < 10000000 && i < 4;
            ck_assert_int_eq(number_whole_read(&at, end, &whole), short_one);
            ck_assert_uint_eq(whole, short_one ? n : 0);
            ck_assert_ptr_eq(at, short_one ? text + digits : text);
        }
}
END_TEST

/* Threat 68. */
START_TEST(a_very_long_number_is_refused_not_computed)
{
    char text[NUMBER_MAX_TOKEN + 2];
    memset(text, '0', sizeof text);
    memcpy(text, "0.", 2);
    text[NUMBER_MAX_TOKEN - 1] = '1';
    float x = 1;
    const char *at = text;
    ck_assert_int_eq(number_read_float(&at, text + NUMBER_MAX_TOKEN, &x), NUMBER_OK);
    ck_assert_uint_eq(bits_of(x), 0);

    double d;
    at = text;
    ck_assert_int_eq(number_read_float(&at, text + sizeof text, &x), NUMBER_TOO_LONG);
    ck_assert_ptr_eq(at, text);
    ck_assert_int_eq(number_read_double(&at, text + sizeof text, &d), NUMBER_TOO_LONG);
    ck_assert_int_eq(number_skip(&at, text + sizeof text), NUMBER_TOO_LONG);
}
END_TEST

START_TEST(doubles_and_skipped_numbers_follow_the_same_grammar)
{
    const struct {
        const char *text;
        enum number_status status, skipped;
        double value;
    } cases[] = {
        {"0.1", NUMBER_OK, NUMBER_OK, 0.1},
        {"-1e308,", NUMBER_OK, NUMBER_OK, -1e308},
        {"1e-400", NUMBER_OK, NUMBER_OK, 0},
        {"1e309", NUMBER_OUT_OF_RANGE, NUMBER_OK, 0},
        {"1.x", NUMBER_MALFORMED, NUMBER_MALFORMED, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double d = 0;
        const char *at = cases[i].text, *end = at + strlen(at);
        ck_assert_int_eq(number_read_double(&at, end, &d), cases[i].status);
        if (cases[i].status == NUMBER_OK)
            ck_assert(d == cases[i].value);
        at = cases[i].text;
        ck_assert_int_eq(number_skip(&at, end), cases[i].skipped);
    }
}
END_TEST

/* Texts made from random bits as clients print them, and from random digits. */
static void random_text(struct test_random *random, size_t kind, char *text,
                        size_t size)
{
    uint64_t bits = test_random_next(random);
    uint32_t low = (uint32_t)(bits >> 16);
    float single;
    double twice;
    memcpy(&single, &low, sizeof single);
    memcpy(&twice, &bits, sizeof twice);
    switch (kind) {
    case 0: snprintf(text, size, "%.9g", (double)single); break;
    case 1: snprintf(text, size, "%.17g", (double)test_random_float(random)); break;
    case 2: snprintf(text, size, "%.17g", twice); break;
    case 3: /* between two floats, or a hair beside */
        memcpy(&single, &(uint32_t){low & 0x7F7FFFFF}, sizeof single);
        twice = ((double)single + (double)nextafterf(single, INFINITY)) / 2;
        snprintf(text, size, "%.*g", (int)(bits % 120), twice);
        break;
    default:
        snprintf(text, size, "%llu.%llue%d", (unsigned long long)bits >> (bits & 63),
                 test_random_next(random), (int)(bits >> 40 & 127) - 64);
        break;
    }
}

START_TEST(whole_numbers_are_exact)
{
    static const struct {
        const char *text;
        enum number_status status;
        uint64_t value;
    } cases[] = {
        {"16777217", NUMBER_OK, 16777217},
        {"9007199254740991", NUMBER_OK, 9007199254740991},
        {"9007199254740992.000", NUMBER_OK, NUMBER_MOST_WHOLE},
        {"-0.0e7", NUMBER_OK, 0},
        {"0e999999999999999999999", NUMBER_OK, 0},
        {"1.25E2", NUMBER_OK, 125},
        {"1200e-2", NUMBER_OK, 12},
        {"100000000000000000000000e-22", NUMBER_OK, 10},
        {"0.0000000000000000000000017e24", NUMBER_NOT_WHOLE, 0},
        {"0.0000000000000000000000017e25", NUMBER_OK, 17},
        {"2.00000001", NUMBER_NOT_WHOLE, 0},
        {"2.0000000000000000000000000000001", NUMBER_NOT_WHOLE, 0},
        {"100000000000000000000001e-22", NUMBER_NOT_WHOLE, 0},
        {"1e-50", NUMBER_NOT_WHOLE, 0},
        {"1e-999999999999999999999", NUMBER_NOT_WHOLE, 0},
        {"-1", NUMBER_NOT_WHOLE, 0},
        {"-1e300", NUMBER_NOT_WHOLE, 0},
        {"9007199254740993", NUMBER_OUT_OF_RANGE, 0},
        {"90071992547409920e-1", NUMBER_OK, NUMBER_MOST_WHOLE},
        {"9.007199254740993e15", NUMBER_OUT_OF_RANGE, 0},
        {"18446744073709551616", NUMBER_OUT_OF_RANGE, 0},
        {"184467440737095516160000001", NUMBER_OUT_OF_RANGE, 0},
        {"1e999999999999999999999", NUMBER_OUT_OF_RANGE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = cases[i].text, *end = at + strlen(at);
        uint64_t value = 0;
        enum number_status status = number_read_whole(&at, end, &value);
        ck_assert_msg(status == cases[i].status, "%s: %d", cases[i].text, status);
        ck_assert_msg(at == end, "%s", cases[i].text);
        if (status == NUMBER_OK)
            ck_assert_uint_eq(value, cases[i].value);
    }
}
END_TEST

START_TEST(random_numbers_agree_with_the_c_library)
{
    struct test_random random = {11};
    for (size_t i = 0; i < 300000; i++) {
        char text[400];
        float got = 0;
        size_t stopped;
        random_text(&random, i % 5, text, sizeof text);
        if (!strpbrk(text, "0123456789"))
            continue; /* NaN or infinity */
        float want = strtof(text, NULL);
        enum number_status status = read_all(text, &got, &stopped);
        ck_assert_msg(isinf(want)
                          ? status == NUMBER_OUT_OF_RANGE
                          : status == NUMBER_OK && bits_of(got) == bits_of(want),
                      "%s: %a, want %a", text, (double)got, (double)want);
    }
}
END_TEST

static bool follows_the_grammar(const char *text)
{
    const char *at = text, *end = text + strlen(text);
    return number_skip(&at, end) == NUMBER_OK && at == end;
}

static size_t read_corpus(const char *path, size_t *refused)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;

    size_t lines = 0;
    char line[2048];
    for (; fgets(line, sizeof line, file); lines++) {
        line[strcspn(line, "\n")] = '\0';
        const char *text = line + 31;
        uint32_t want = (uint32_t)strtoul(line + 5, NULL, 16);
        float got = 0;
        size_t stopped;
        if (!follows_the_grammar(text)) {
            ++*refused;
            continue;
        }
        enum number_status status = read_all(text, &got, &stopped);
        ck_assert_msg((want & 0x7FFFFFFF) == 0x7F800000
                          ? status == NUMBER_OUT_OF_RANGE
                          : status == NUMBER_OK && bits_of(got) == want,
                      "%s: %08x, want %08x", text, bits_of(got), want);
    }
    fclose(file);
    return lines;
}

/* Threats 65-67. */
START_TEST(the_corpora_agree_bit_for_bit)
{
    const char *const names[] = {"exhaustive-float16", "freetype-2-7",
                                 "google-wuffs",       "lemire-fast-float",
                                 "more-test-cases",    "tencent-rapidjson"};
    const char *shared = getenv("ATTENTIOND_SHARED");
    size_t lines = 0, refused = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/corpora/number_parsing/%s.txt",
                 shared ? shared : "../shared", names[i]);
        lines += read_corpus(path, &refused);
    }
    if (lines == 0) {
        printf("skipped: no corpora/number_parsing\n");
        return;
    }
    ck_assert_uint_eq(lines, 52977);
    ck_assert_uint_eq(refused, 114);
}
END_TEST

/* A whole number of up to 320 bits, lowest limb first. */
struct big {
    uint32_t limb[10];
};

static void big_multiply(struct big *b, uint32_t factor)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < 10; i++) {
        carry += (uint64_t)b->limb[i] * factor;
        b->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    ck_assert_uint_eq(carry, 0);
}

static void big_divide(struct big *b, uint32_t divisor)
{
    uint64_t rest = 0;
    for (size_t i = 10; i-- > 0;) {
        rest = rest << 32 | b->limb[i];
        b->limb[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
}

static int big_bits(const struct big *b)
{
    for (int i = 9; i >= 0; i--)
        if (b->limb[i])
            return 32 * i + 32 - __builtin_clz(b->limb[i]);
    return 0;
}

/* The first 64 of the bits. */
static uint64_t big_top(const struct big *b)
{
    uint64_t top = 0;
    for (int i = 0, bits = big_bits(b); i < 64; i++) {
        int bit = bits - 1 - i;
        top = top << 1 | (bit >= 0 ? b->limb[bit / 32] >> bit % 32 & 1 : 0);
    }
    return top;
}

START_TEST(the_table_of_powers_is_what_its_comment_says)
{
    struct big up = {{1}}, down = {{0}};
    for (int e = 0; e <= POWER_MOST; e++, big_multiply(&up, 10)) {
        ck_assert_msg(power_significand(e) == big_top(&up), "10^%d", e);
        ck_assert_int_eq(power_exponent(e), big_bits(&up) - 1);
    }
    /* floor(floor(2^288 / 10^n) / 10) = floor(2^288 / 10^(n+1)), and 10^-64 still
     * leaves 76 bits of it: nothing of the first 64 is lost. */
    down.limb[9] = 1;
    for (int e = -1; e >= POWER_LEAST; e--) {
        big_divide(&down, 10);
        ck_assert_msg(power_significand(e) == big_top(&down), "10^%d", e);
        ck_assert_int_eq(power_exponent(e), big_bits(&down) - 1 - 288);
    }
    for (int e = POWER_LEAST; e <= POWER_MOST; e++)
        ck_assert_int_eq(power_is_exact(e), e >= 0 && e <= 27);
}
END_TEST

TEST_PROGRAM("number_read", numbers_are_rounded_to_the_nearest_float,
             the_sign_of_zero_is_kept, what_is_no_number_is_refused_where_it_goes_wrong,
             a_short_whole_number_is_what_it_is_by_any_way,
             a_very_long_number_is_refused_not_computed, whole_numbers_are_exact,
             doubles_and_skipped_numbers_follow_the_same_grammar,
             random_numbers_agree_with_the_c_library, the_corpora_agree_bit_for_bit,
             the_table_of_powers_is_what_its_comment_says)
