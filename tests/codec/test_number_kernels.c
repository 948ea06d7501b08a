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
             the_sets_end_with_the_plain_one)
