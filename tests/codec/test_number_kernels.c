#include "codec/number_kernels.h"

#include <stdint.h>
#include <stdio.h>

#include "codec/number.h"
#include "codec/number_list.h"
#include "support/test.h"

enum { MOST = 1024 };

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static char *write_one(float x, unsigned digits, char *out)
{
    if (!isfinite(x)) {
        *out = '?';
        return out + 1;
    }
    return out + (digits ? number_write_digits(x, digits, out) : number_write(x, out));
}

/* Slow and obvious: one after the other. */
static char *write_slowly(const float *x, size_t count, unsigned digits, char *out)
{
    for (size_t i = 0; i < count; i++) {
        out = write_one(x[i], digits, out);
        *out++ = ',';
    }
    return out;
}

/* Ifs, because every ck_assert that holds is written to a file by check. */
static void check_row(const float *x, size_t count, unsigned digits)
{
    static char want[MOST * NUMBER_LIST_EACH], got[MOST * NUMBER_LIST_EACH + 16];
    const size_t length = (size_t)(write_slowly(x, count, digits, want) - want);
    const struct number_kernels *k;
    for (size_t set = 0; (k = number_kernels_choice(set)) != NULL; set++) {
        char *room = got + count * NUMBER_LIST_EACH;
        memset(got, '#', sizeof got);
        char *end = k->write(x, count, digits, write_one, got);
        if (memcmp(room, "################", 16) != 0)
            ck_abort_msg("%s: %zu numbers leave their room", k->name, count);
        size_t same = 0, begin = 0;
        for (; same < length && got[same] == want[same]; same++)
            if (got[same] == ',')
                begin = same + 1;
        if (same < length || end != got + length)
            ck_abort_msg("%s, %u digits: %.24s, want %.24s", k->name, digits,
                         got + begin, want + begin);
    }
}

static void check_all_digits(const float *x, size_t count)
{
    for (unsigned digits = 0; digits <= NUMBER_MAX_DIGITS; digits++)
        check_row(x, count, digits);
}

START_TEST(every_set_writes_every_exponent_as_the_scalar_code_does)
{
    for (uint32_t exponent = 0; exponent < 256; exponent++) {
        float x[6 * 64];
        for (uint32_t i = 0; i < 64; i++) {
            const uint32_t base = exponent << 23;
            x[6 * i] = float_of(base + i);
            x[6 * i + 1] = -float_of(base + i);
            x[6 * i + 2] = float_of(base + 0x7FFFFF - i);
            x[6 * i + 3] = float_of(base + 0x400000 + i);
            x[6 * i + 4] = float_of(base + (0x400000 >> i % 23) + i / 23);
            x[6 * i + 5] = float_of(base + i * 0x1F0F0);
        }
        check_all_digits(x, 6 * 64);
    }
}
END_TEST

/* Every form: all powers of ten, with one to nine digits. */
START_TEST(every_set_lays_out_every_form)
{
    for (int power = -45; power <= 38; power++)
        for (unsigned digits = 1; digits <= 9; digits++) {
            float x[64];
            for (int i = 0; i < 64; i++) {
                char text[32];
                snprintf(text, sizeof text, "%s%.*s%de%d", i % 2 ? "-" : "",
                         (int)digits - 1, "12345678", 1 + i % 9,
                         power - (int)digits + 1);
                x[i] = strtof(text, NULL);
            }
            check_row(x, 64, 0);
            check_row(x, 64, digits);
        }
}
END_TEST

START_TEST(every_set_writes_random_numbers_as_the_scalar_code_does)
{
    struct test_random random = {53};
    for (size_t n = 0; n < 600; n++) {
        float x[MOST];
        for (size_t i = 0; i < MOST; i++)
            x[i] = float_of((uint32_t)(test_random_next(&random) >> 32));
        check_row(x, MOST, 0);
        check_row(x, MOST, (unsigned)(1 + n % 9));
        for (size_t i = 0; i < MOST; i++)
            x[i] = test_random_float(&random) * (float)(1 + n);
        check_row(x, MOST, 0);
        check_row(x, MOST, (unsigned)(1 + n % 9));
    }
}
END_TEST

/* Whole numbers, halves, eighths, thousandths: those that people write, and where
 * exact halves are rounded. */
START_TEST(every_set_rounds_exact_halves_to_the_even_digit)
{
    for (int n = 0; n < 400; n++) {
        float x[64];
        for (int i = 0; i < 64; i++) {
            const float whole = (float)(64 * n + i);
            x[i] = whole / (i % 4 == 0   ? 1.0f
                            : i % 4 == 1 ? 2.0f
                            : i % 4 == 2 ? 1024.0f
                                         : 1000.0f);
        }
        check_all_digits(x, 64);
        for (int i = 0; i < 64; i++)
            x[i] *= -0x1p20f * 5;
        check_all_digits(x, 64);
    }
}
END_TEST

START_TEST(every_set_writes_rows_of_any_length_within_their_room)
{
    static const float some[] = {0.0f,   -0.123456804f,    1.0f,     -0.0f,
                                 1e-40f, -1.17549435e-38f, INFINITY, 1e9f,
                                 0.1f,   -1e-10f};
    struct test_random random = {59};
    for (size_t count = 1; count < 40; count++)
        for (size_t n = 0; n < 20; n++) {
            float x[40];
            for (size_t i = 0; i < count; i++)
                x[i] = n < 3 ? -0.000123456804f /* fills its room */
                             : some[test_random_size(&random, 0, 9)];
            check_all_digits(x, count);
        }
}
END_TEST

static const char *after_blanks(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* What number_read_float() makes of the same text, up to where the kernel stopped. */
static void check_read(const char *name, const char *p, const char *stop,
                       const float *got, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float want = 0;
        const char *from = after_blanks(after_blanks(p) + 1);
        p = from;
        if (number_read_float(&p, stop, &want) != NUMBER_OK)
            ck_abort_msg("%s reads %.40s", name, from);
        if (memcmp(&want, &got[i], sizeof want) != 0)
            ck_abort_msg("%s reads %.40s as %a, want %a", name, from, (double)got[i],
                         (double)want);
    }
    if (p != stop)
        ck_abort_msg("%s stopped at %.40s, not at %.40s", name, stop, p);
}

/* Reads "[0, 0, ...` + text, in memory that ends with it, from its end of the zeros on.
 * Returns how many numbers the best set has read. */
static size_t check_reading(const char *text)
{
    static const char zeros[] = "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0";
    const size_t before = sizeof zeros - 1, length = before + strlen(text);
    char *copy = malloc(length + 1), *whole = malloc(length);
    memcpy(copy, zeros, before);
    memcpy(copy + before, text, length + 1 - before);
    memcpy(whole, copy, length);

    static float got[MOST];
    size_t best = 0;
    const struct number_kernels *k;
    for (size_t set = 0; (k = number_kernels_choice(set)) != NULL; set++) {
        const char *at = whole + before;
        size_t count = k->read(whole, &at, whole + length, got, MOST);
        check_read(k->name, copy + before, copy + (at - whole), got, count);
        best = count > best ? count : best;
    }
    free(copy);
    free(whole);
    return best;
}

static bool is_plain(void)
{
    return strcmp(number_kernels_choice(0)->name, "plain") == 0;
}

START_TEST(numbers_in_rows_are_read_as_the_scalar_code_does)
{
    static const int digits[] = {9, 17, 3, 0, 25}; /* %.9g, %.17g, then %.3f, ... */
    static const char *const commas[] = {",", ", ", ",\n    "};
    struct test_random random = {61};
    for (size_t n = 0; n < 3000; n++) {
        char text[60 * 60], *end = text;
        for (size_t i = 0; i < 60; i++) {
            const float scale = powf(10, (float)(n % 9) - 4);
            end += sprintf(end, "%s", commas[n % 3]);
            const double x = (double)(scale * test_random_float(&random));
            const size_t form = n / 3 % 5;
            end += form < 2 ? sprintf(end, "%.*g", digits[form], x)
                            : sprintf(end, "%.*f", digits[form], x);
        }
        strcpy(end, "], 0, 0]");
        const size_t read = check_reading(text);
        if (n % 9 > 6 && n / 3 % 5 != 3 && !is_plain()) /* no exponents, no halves */
            ck_assert_uint_ge(read, 48);
    }
}
END_TEST

/* Every one is the third of a row, so that numbers before it are read. */
START_TEST(what_is_no_number_or_hard_is_left_alone)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "-",
        "",
        ".",
        "-.5",
        ".5",
        "5.",
        "01",
        "-01",
        "00",
        "1.2.3",
        "1-",
        "1-2",
        "--1",
        "+1",
        "1e5",
        "1E-5",
        "1e",
        "1e39",
        "1e-50",
        "0x10",
        "NaN",
        "1:2",
        "1/2",
        "1 2",
        "1 ",
        " 1",
        "\t\n\r1",
        "\"1,2\"",
        "[1]",
        "{1}",
        "null",
        "1\"",
        "0.",
        "-0.0",
        "0.0",
        "10",
        "100",
        "0.1",
        "00.1",
        "-00.1",
        "16777217",
        "16777219",
        "16777217.0",
        "16777217.00000000000000000001",
        "1.000000059604644775390625",
        "1.000000059604644775390626",
        "1.00000005960464477539062499",
        "12345678901234567890123456789012",
        "123456789012345678901234567890123",
        "-1234567890123456789012345678901.5",
        "0.000000000000000000000000000001",
        "-0.0000000000000000000000000000001",
        "9999999999999999999999999999999",
        "0.99999999999999999999999999999999",
        "\xB0",
        "\xB1.5",
        "1\xAE.5",
        "1,",
        "1.5,,1.5",
        "1,]",
        "1}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t more = 0; more < 30; more++) {
            char text[512] = ",1.5,-2.25,";
            strcat(text, texts[i]);
            for (size_t n = 0; n < more; n++)
                strcat(text, ",0.0625");
            strcat(text, "]");
            check_reading(text);
        }
}
END_TEST

/* Halves between float32 and a hair beside, in few and in many digits. */
START_TEST(middles_between_two_floats_are_rounded_to_even)
{
    struct test_random random = {67};
    for (size_t n = 0; n < 30000; n++) {
        char text[600], *end = text;
        for (size_t i = 0; i < 12; i++) {
            const float x = fabsf(test_random_float(&random)) *
                            powf(2, (float)test_random_size(&random, 0, 40) - 14);
            double middle = ((double)x + (double)nextafterf(x, INFINITY)) / 2;
            if (i % 3 > 0)
                middle = nextafter(middle, i % 3 == 1 ? 0 : HUGE_VAL);
            end += sprintf(end, ",%.*f", (int)(10 + n % 15), middle);
            if (end - strrchr(text, ',') > 33)
                end = strrchr(text, ',');
        }
        strcpy(end,
               ",0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5"
               ",0.5,0.5,0.5,0.5,0.5,0.5]");
        check_reading(text);
    }
}
END_TEST

static size_t read_corpus(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[2048], text[8192];
    size_t lines = 0;
    if (!file)
        return 0;
    for (; fgets(line, sizeof line, file); lines++) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(text, sizeof text, ",%s,-%s, %s]%64s", line + 31, line + 31, line + 31,
                 "");
        check_reading(text);
    }
    fclose(file);
    return lines;
}

START_TEST(the_corpora_are_read_alike_in_rows)
{
    const char *const names[] = {"exhaustive-float16", "freetype-2-7",
                                 "google-wuffs",       "lemire-fast-float",
                                 "more-test-cases",    "tencent-rapidjson"};
    const char *shared = getenv("ATTENTIOND_SHARED");
    size_t lines = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/corpora/number_parsing/%s.txt",
                 shared ? shared : "../shared", names[i]);
        lines += read_corpus(path);
    }
    if (lines == 0)
        printf("skipped: no corpora/number_parsing\n");
}
END_TEST

START_TEST(the_sets_end_with_the_plain_one)
{
    size_t count = 0;
    while (number_kernels_choice(count))
        count++;
    ck_assert_uint_ge(count, 1);
    ck_assert_str_eq(number_kernels_choice(count - 1)->name, "plain");
    ck_assert_ptr_null(number_kernels_choice(count + 1));
}
END_TEST

TEST_PROGRAM("number_kernels", every_set_writes_every_exponent_as_the_scalar_code_does,
             every_set_lays_out_every_form,
             every_set_writes_random_numbers_as_the_scalar_code_does,
             every_set_rounds_exact_halves_to_the_even_digit,
             every_set_writes_rows_of_any_length_within_their_room,
             numbers_in_rows_are_read_as_the_scalar_code_does,
             what_is_no_number_or_hard_is_left_alone,
             middles_between_two_floats_are_rounded_to_even,
             the_corpora_are_read_alike_in_rows, the_sets_end_with_the_plain_one)
