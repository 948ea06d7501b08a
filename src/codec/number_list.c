#include "codec/number_list.h"

#include <math.h>
#include <string.h>

#include "codec/number.h"
#include "codec/number_kernels.h"

static const char infinity[] = "\"Infinity\"", minus_infinity[] = "\"-Infinity\"",
                  not_a_number[] = "\"NaN\"";
_Static_assert(sizeof minus_infinity <= NUMBER_MAX_BYTES &&
                   NUMBER_MAX_BYTES + 1 <= NUMBER_LIST_EACH,
               "the bound counts a word as a number");

static char *write_finite(float x, unsigned digits, char *out)
{
    return out + (digits ? number_write_digits(x, digits, out) : number_write(x, out));
}

static char *write_word(float x, char *out)
{
    return stpcpy(out, isnan(x) ? not_a_number : x > 0 ? infinity : minus_infinity);
}

static char *write_any(float x, unsigned digits, char *out)
{
    return isfinite(x) ? write_finite(x, digits, out) : write_word(x, out);
}

/* The kernels leave a comma behind the last number, too. */

char *number_list_write(const float *x, size_t count, unsigned digits, char *out)
{
    return number_kernels_choice(0)->write(x, count, digits, write_finite, out) - 1;
}

char *number_list_write_extended(const float *x, size_t count, unsigned digits,
                                 char *out)
{
    return number_kernels_choice(0)->write(x, count, digits, write_any, out) - 1;
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
