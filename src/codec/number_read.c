#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/number.h"
#include "codec/number_powers.h"
#include "codec/number_whole.h"

enum {
    DIGITS = 19,              /* as many decimal digits always fit in 64 bits */
    EXPONENT_LIMIT = 1000000, /* beyond it every number is 0 or too large */
    FLOAT_DIGITS = 24,        /* bits of a float32 significand */
    FLOAT_LEAST = -126,       /* exponent of the smallest normal float32 */
    FLOAT_MOST = 127,
    FLOAT_INFINITE = 0xFF << 23 /* the bits of infinity */
};

/* (-1)^negative * digits * 10^exponent; `cut`: and something less than one unit
 * of digits more, from what came after the 19th. */
struct decimal {
    uint64_t digits;
    int exponent;
    bool negative, cut;
};

static const uint32_t ten_to[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

static inline bool is_digit(const char *p, const char *end)
{
    return p < end && (unsigned char)(*p - '0') <= 9;
}

/* The high bit of every byte that is no digit; bytes behind the first of them (the
 * lowest) may be wrong, because a sum or a difference left its byte. */
static inline uint64_t not_digits(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101;
    return ((bytes + ones * (0x7F - '9')) | (bytes - ones * '0')) & (ones * 0x80);
}

/* Eight digits, the first in the lowest byte: neighbours are joined into numbers
 * of two digits, those into four, those into eight. */
static inline uint32_t eight_digits(uint64_t bytes)
{
    bytes = (bytes & 0x0F0F0F0F0F0F0F0F) * (10 * 256 + 1) >> 8;
    bytes = (bytes & 0x00FF00FF00FF00FF) * (100 * 65536 + 1) >> 16;
    return (uint32_t)((bytes & 0x0000FFFF0000FFFF) * (10000 * 4294967296 + 1) >> 32);
}

/* Eight at a time, and the rest at once: how long a number is cannot be predicted,
 * so a loop over its last digits costs more than all of them. */
static inline const char *read_digits(const char *p, const char *end, uint64_t *digits)
{
    for (uint64_t bytes; end - p >= 8; p += 8) {
        memcpy(&bytes, p, sizeof bytes);
        bytes = le64toh(bytes);
        const uint64_t others = not_digits(bytes);
        if (others != 0) {
            const int count = __builtin_ctzll(others) / 8;
            /* Digits move to the top, behind leading zeros; two shifts, for count 0. */
            const uint64_t last = bytes << 8 * (7 - count) << 8;
            *digits = *digits * ten_to[count] + eight_digits(last);
            return p + count;
        }
        *digits = *digits * 100000000 + eight_digits(bytes);
    }
    for (; is_digit(p, end); p++)
        *digits = *digits * 10 + (uint64_t)(*p - '0');
    return p;
}

/* "e-7" and the like; NULL when no digit follows, *p is then where it should be. */
static const char *read_exponent(const char **p, const char *end, int *exponent)
{
    const char *at = *p + 1;
    const bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    *p = at;
    if (!is_digit(at, end))
        return NULL;

    int value = 0;
    for (; is_digit(at, end); at++)
        if (value < EXPONENT_LIMIT)
            value = value * 10 + (*at - '0');
    *exponent += negative ? -value : value;
    return at;
}

/* The first 19 significant digits of a text with more; d->exponent is that of
 * the exponent part alone. */
static void cut_digits(const char *p, const char *end, struct decimal *d)
{
    bool fraction = false;
    int significant = 0;
    d->digits = 0;
    for (; p < end; p++) {
        if (*p == '.') {
            fraction = true;
        } else if (significant < DIGITS) {
            d->digits = d->digits * 10 + (uint64_t)(*p - '0');
            significant += d->digits != 0;
            d->exponent -= fraction;
        } else {
            d->cut |= *p != '0';
            d->exponent += !fraction;
        }
    }
}

/* Are there more than 19 digits from the first that is not 0? */
static bool has_more_digits(const char *p, const char *end)
{
    const char *point = memchr(p, '.', (size_t)(end - p));
    while (p < end && (*p == '0' || *p == '.'))
        p++;
    return end - p - (point && p <= point) > DIGITS;
}

/* Moves *at behind the number, or on failure as the header says. */
static inline enum number_status scan(const char **at, const char *end,
                                      struct decimal *d)
{
    const char *p = *at;
    *d = (struct decimal){.negative = p < end && *p == '-'};
    p += d->negative;

    const char *whole = p;
    ptrdiff_t fraction = 0;
    if (is_digit(p, end) && *p == '0')
        p++;
    else
        p = read_digits(p, end, &d->digits);
    if (p == whole)
        goto malformed;
    if (p < end && *p == '.') {
        const char *point = p++;
        p = read_digits(p, end, &d->digits);
        fraction = p - point - 1;
        if (fraction == 0)
            goto malformed;
    }

    const char *mantissa_end = p;
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *after = read_exponent(&p, end, &d->exponent);
        if (!after)
            goto malformed;
        p = after;
    }
    if (p - *at > NUMBER_MAX_TOKEN)
        return NUMBER_TOO_LONG;

    if (mantissa_end - whole > DIGITS && has_more_digits(whole, mantissa_end))
        cut_digits(whole, mantissa_end, d);
    else
        d->exponent -= (int)fraction;
    *at = p;
    return NUMBER_OK;

malformed:
    *at = p;
    return NUMBER_MALFORMED;
}

/* The C library rounds correctly, too, but takes five times as long. Its decimal
 * point is that of the C locale, because nothing calls setlocale(). */
static void copy_token(const char *token, size_t length,
                       char copy[NUMBER_MAX_TOKEN + 1])
{
    memcpy(copy, token, length);
    copy[length] = '\0';
}

static enum number_status read_slowly(const char *token, size_t length, float *out)
{
    char copy[NUMBER_MAX_TOKEN + 1];
    copy_token(token, length, copy);
    *out = strtof(copy, NULL);
    return isinf(*out) ? NUMBER_OUT_OF_RANGE : NUMBER_OK;
}

/* After Lemire, "Number Parsing at a Gigabyte per Second" (2021), with 64 bits
 * for the power of ten, which is enough for float32.
 *
 * digits * 10^exponent is computed as a product of two 64-bit significands. The
 * power is cut off, so the high half of the product is less than 2 too small;
 * what is kept of it are 24 bits, and the rest decides the rounding. Only when
 * the rest is just below one half can the error matter: then false is returned. */
static inline bool round_decimal(const struct decimal *d, uint32_t *bits)
{
    const int zeros = __builtin_clzll(d->digits);
    const uint128 product =
        (uint128)(d->digits << zeros) * power_significand(d->exponent);
    const uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    const int top = (int)(high >> 63); /* is bit 63 set, or is the first bit 62? */

    int exponent = power_exponent(d->exponent) + 63 - zeros + top;
    int shift = 64 - FLOAT_DIGITS - 1 + top;
    if (exponent < FLOAT_LEAST) {
        shift += FLOAT_LEAST - exponent;
        exponent = FLOAT_LEAST;
        if (shift > 63)
            return false;
    }

    const uint64_t half = (uint64_t)1 << (shift - 1);
    const uint64_t rest = high & (2 * half - 1);
    const bool exact = power_is_exact(d->exponent);
    /* In doubt: from a little below half, up to just below it. A cut decimal is less
     * than 2^4 units of `high` too small itself, and one at half lies above it. */
    const uint64_t doubt = d->cut ? 19 : exact ? 0 : 1;
    if (half + d->cut - 1 - rest < doubt)
        return false;

    /* No branches: whether a number is rounded up cannot be predicted. */
    const uint64_t kept = high >> shift;
    const bool beyond = (low != 0) | !exact | (kept & 1);
    const bool up = (rest > half) | ((rest == half) & beyond);
    const int64_t sum = ((int64_t)(exponent - FLOAT_LEAST) << (FLOAT_DIGITS - 1)) +
                        (int64_t)(kept + up); /* a carry goes on into the exponent */
    *bits = sum < FLOAT_INFINITE ? (uint32_t)sum : FLOAT_INFINITE;
    return true;
}

enum number_status number_read_float(const char **at, const char *end, float *out)
{
    uint32_t whole;
    if (number_whole_read(at, end, &whole)) {
        *out = (float)whole;
        return NUMBER_OK;
    }

    const char *token = *at;
    struct decimal d;
    enum number_status status = scan(at, end, &d);
    if (status != NUMBER_OK)
        return status;

    uint32_t bits = 0;
    if (d.digits != 0 && d.exponent >= POWER_LEAST) {
        if (d.exponent > 38) {
            bits = FLOAT_INFINITE;
        } else if (!round_decimal(&d, &bits)) {
            status = read_slowly(token, (size_t)(*at - token), out);
            if (status != NUMBER_OK)
                *at = token;
            return status;
        }
    }
    if (bits == FLOAT_INFINITE) {
        *at = token;
        return NUMBER_OUT_OF_RANGE;
    }
    bits |= (uint32_t)d.negative << 31;
    memcpy(out, &bits, sizeof bits);
    return NUMBER_OK;
}

enum number_status number_read_double(const char **at, const char *end, double *out)
{
    uint32_t whole;
    if (number_whole_read(at, end, &whole)) {
        *out = whole;
        return NUMBER_OK;
    }

    const char *token = *at;
    struct decimal d;
    enum number_status status = scan(at, end, &d);
    if (status != NUMBER_OK)
        return status;

    char copy[NUMBER_MAX_TOKEN + 1];
    copy_token(token, (size_t)(*at - token), copy);
    *out = strtod(copy, NULL);
    if (!isinf(*out))
        return NUMBER_OK;
    *at = token;
    return NUMBER_OUT_OF_RANGE;
}

/* Digits that were cut off are a fraction when the unit is 1 or less; else there are 20
 * before the point, which is too large whatever they are. */
static enum number_status whole_value(const struct decimal *d, uint64_t *out)
{
    uint64_t value = d->digits;
    int exponent = d->exponent;
    if (value != 0 && (d->negative || (d->cut && exponent <= 0)))
        return NUMBER_NOT_WHOLE;
    for (; exponent < 0 && value != 0; exponent++, value /= 10)
        if (value % 10 != 0)
            return NUMBER_NOT_WHOLE;
    for (; exponent > 0 && value != 0 && value <= NUMBER_MOST_WHOLE; exponent--)
        value *= 10;
    *out = value;
    return value <= NUMBER_MOST_WHOLE ? NUMBER_OK : NUMBER_OUT_OF_RANGE;
}

enum number_status number_read_whole(const char **at, const char *end, uint64_t *out)
{
    uint32_t whole;
    if (number_whole_read(at, end, &whole)) {
        *out = whole;
        return NUMBER_OK;
    }

    struct decimal d;
    enum number_status status = scan(at, end, &d);
    return status == NUMBER_OK ? whole_value(&d, out) : status;
}

enum number_status number_skip(const char **at, const char *end)
{
    struct decimal d;
    return scan(at, end, &d);
}
