#include "codec/number_list.h"

#include <math.h>
#include <string.h>

#include "codec/number.h"

static const char infinity[] = "\"Infinity\"", minus_infinity[] = "\"-Infinity\"",
                  not_a_number[] = "\"NaN\"";
_Static_assert(sizeof minus_infinity <= NUMBER_MAX_BYTES &&
                   NUMBER_MAX_BYTES + 1 <= NUMBER_LIST_EACH,
               "the bound counts a word as a number");

/* The writers are the hot loops of an answer: one test a row, none a number. Each
 * leaves a comma behind its last number, which its caller takes back. */

static char *write_shortest(const float *x, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        out += number_write(x[i], out);
        *out++ = ',';
    }
    return out;
}

static char *write_digits(const float *x, size_t count, unsigned digits, char *out)
{
    for (size_t i = 0; i < count; i++) {
        out += number_write_digits(x[i], digits, out);
        *out++ = ',';
    }
    return out;
}

char *number_list_write(const float *x, size_t count, unsigned digits, char *out)
{
    return (digits ? write_digits(x, count, digits, out)
                   : write_shortest(x, count, out)) -
           1;
}

static size_t write_word(float x, char *out)
{
    const char *word = isnan(x) ? not_a_number : x > 0 ? infinity : minus_infinity;
    return (size_t)(stpcpy(out, word) - out);
}

char *number_list_write_extended(const float *x, size_t count, unsigned digits,
                                 char *out)
{
    for (size_t i = 0; i < count; i++) {
        out += !isfinite(x[i]) ? write_word(x[i], out)
               : digits        ? number_write_digits(x[i], digits, out)
                               : number_write(x[i], out);
        *out++ = ',';
    }
    return out - 1;
}

static size_t write_integer(int32_t x, char *out)
{
    char digit[10];
    uint32_t left = x < 0 ? -(uint32_t)x : (uint32_t)x;
    size_t digits = 0, length = 0;
    do
        digit[digits++] = (char)('0' + left % 10);
    while (left /= 10);

    if (x < 0)
        out[length++] = '-';
    while (digits > 0)
        out[length++] = digit[--digits];
    return length;
}

char *number_list_write_integers(const int32_t *x, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        out += write_integer(x[i], out);
        *out++ = ',';
    }
    return out - 1;
}
