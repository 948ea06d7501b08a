#include <assert.h>
#include <endian.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/number.h"
#include "codec/number_powers.h"

/* digits * 10^exponent, digits below 10^9. */
struct decimal {
    uint32_t digits;
    int exponent;
};

/* significand * 2^exponent: a finite float32 that is not 0, without its sign. */
struct binary {
    uint32_t significand;
    int exponent;
    bool uneven; /* a power of two: the float below is only half as far away */
};

static const uint32_t ten_to[10] = {1,      10,      100,      1000,      10000,
                                    100000, 1000000, 10000000, 100000000, 1000000000};

static struct binary take_apart(uint32_t bits)
{
    const uint32_t fraction = bits & 0x7FFFFF, exponent = bits >> 23 & 0xFF;
    if (exponent == 0)
        return (struct binary){fraction, -149, false};
    return (struct binary){fraction | 0x800000, (int)exponent - 150,
                           fraction == 0 && exponent > 1};
}

/* x * power / 2^64, rounded to odd: the last bit is also set when something was
 * lost, so that comparisons with whole numbers stay right. `power` is up to one
 * unit too large, which shows in the lowest 32 bits at most. */
static inline uint32_t multiply_to_odd(uint64_t x, uint64_t power)
{
    const uint128 product = (uint128)x * power;
    const uint32_t lost = (uint32_t)((uint64_t)product >> 32);
    return (uint32_t)(product >> 64) | (lost > 1);
}

/* Schubfach: Giulietti, "The Schubfach way to render doubles" (2020).
 *
 * The numbers that read back as v = c 2^q are an interval of width 2^q around it
 * (3/4 of that for an uneven one). With 10^k the largest power of ten not above
 * the width, one or more multiples of 10^k lie inside, and at most one of
 * 10^(k+1): if that one is there it is the shortest, otherwise the multiple
 * nearest to v is. Everything is scaled by 4 / 10^k, so that the ends of the
 * interval are (nearly) whole numbers. */
static struct decimal shortest(struct binary v)
{
    const uint64_t c = v.significand, odd = c & 1; /* an odd one has open ends */
    const int k = (v.exponent * 1262611 - (v.uneven ? 524031 : 0)) >> 22;
    const uint64_t power = power_significand(-k) + !power_is_exact(-k);
    const int shift = v.exponent + power_exponent(-k) + 1; /* 1 to 4 */

    const uint32_t here = multiply_to_odd(4 * c << shift, power);
    const uint64_t lower =
        multiply_to_odd((4 * c - 2 + v.uneven) << shift, power) + odd;
    const uint64_t upper = multiply_to_odd((4 * c + 2) << shift, power) - odd;

    /* Of the two multiples around v. No branches: none of it can be predicted. */
    const uint32_t s = here / 4, tens = s / 10;
    const bool tens_below = lower <= 40 * (uint64_t)tens;
    const bool tens_above = 40 * (uint64_t)tens + 40 <= upper;
    const bool shorter = (s >= 10) & (tens_below != tens_above);

    const bool below = lower <= 4 * (uint64_t)s, above = 4 * (uint64_t)s + 4 <= upper;
    const bool nearer = (here & 3) + (s & 1) > 2; /* the one above; ties to even */
    const uint32_t nearest = s + (below != above ? above : nearer);
    return (struct decimal){shorter ? tens + tens_above : nearest, k + shorter};
}

/* floor(log10 x) + 1 for x > 0: from its bits, and one comparison. */
static inline int decimal_length(uint32_t x)
{
    const int guess = (32 - __builtin_clz(x)) * 1233 >> 12;
    return guess + (x >= ten_to[guess]);
}

/* The eight decimal digits of x < 10^8 as bytes, the first one lowest: split into
 * lanes of four digits, those of two, those of one. */
static inline uint64_t eight_bytes(uint32_t x)
{
    const uint64_t four = x / 10000 | (uint64_t)(x % 10000) << 32;
    const uint64_t hundreds = (four * 5243 >> 19) & 0x0000007F0000007F;
    const uint64_t two = hundreds | (four - 100 * hundreds) << 16;
    const uint64_t tens = (two * 103 >> 10) & 0x000F000F000F000F;
    return tens | (two - 10 * tens) << 8;
}

/* Nine digits with a point somewhere, ready to be placed. */
struct figures {
    char first;
    uint64_t rest; /* eight characters, the first one lowest */
    int count;     /* without trailing zeros */
    int exponent;  /* of the first digit */
};

static struct figures figures_of(struct decimal d)
{
    const int length = decimal_length(d.digits);
    const uint32_t nine = d.digits * ten_to[9 - length];
    const uint64_t bytes = eight_bytes(nine % 100000000);
    return (struct figures){
        .first = (char)('0' + nine / 100000000),
        .rest = bytes | 0x3030303030303030,
        .count = bytes ? 9 - __builtin_clzll(bytes) / 8 : 1,
        .exponent = d.exponent + length - 1,
    };
}

static inline void put_eight(char *out, uint64_t characters)
{
    characters = htole64(characters);
    memcpy(out, &characters, sizeof characters);
}

/* 0.00025: the exponent is -4 to -1. */
static size_t put_fraction(struct figures f, char *out)
{
    static const char zeros[] = {'0', '.', '0', '0', '0'};
    memcpy(out, zeros, sizeof zeros);
    char *at = out + 1 - f.exponent;
    at[0] = f.first;
    put_eight(at + 1, f.rest);
    const int length = 1 - f.exponent + f.count;
    return (size_t)length;
}

/* 1234567.5 or 1200: the exponent is 0 to 8. */
static size_t put_plain(struct figures f, char *out)
{
    out[0] = f.first;
    put_eight(out + 1, f.rest);
    if (f.count <= f.exponent + 1)
        return (size_t)f.exponent + 1;

    const uint64_t behind = htole64(f.rest >> 8 * f.exponent);
    char *point = out + f.exponent + 1;
    *point = '.';
    memcpy(point + 1, &behind, f.exponent < 5 ? 8 : 4); /* within NUMBER_MAX_BYTES */
    return (size_t)f.count + 1;
}

/* 2.5e-7 */
static size_t put_scientific(struct figures f, char *out)
{
    out[0] = f.first;
    out[1] = '.';
    put_eight(out + 2, f.rest);
    char *at = out + (f.count > 1 ? f.count + 1 : 1);
    *at++ = 'e';
    if (f.exponent < 0)
        *at++ = '-';
    const int e = abs(f.exponent);
    if (e >= 10)
        *at++ = (char)('0' + e / 10);
    *at++ = (char)('0' + e % 10);
    return (size_t)(at - out);
}

static inline size_t put(bool negative, struct decimal d, char *out)
{
    const struct figures f = figures_of(d);
    *out = '-';
    out += negative;
    if (f.exponent >= -4 && f.exponent < 0)
        return negative + put_fraction(f, out);
    if (f.exponent >= 0 && f.exponent < 9)
        return negative + put_plain(f, out);
    return negative + put_scientific(f, out);
}

static size_t put_zero(bool negative, char *out)
{
    memcpy(out, negative ? "-0" : "0", 1U + negative);
    return 1U + negative;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

size_t number_write(float value, char *out)
{
    assert(isfinite(value));
    const uint32_t bits = bits_of(value), sign = bits >> 31;
    if (bits << 1 == 0)
        return put_zero(sign, out);
    return put(sign, shortest(take_apart(bits & 0x7FFFFFFF)), out);
}

/* v / 10^exponent, rounded to a whole number of at most 9 digits. False when the
 * cut-off power leaves in doubt which one that is. */
static bool divide(struct binary v, int exponent, uint32_t *whole)
{
    if (-exponent > POWER_MOST)
        return false;

    const int zeros = __builtin_clz(v.significand) + 32;
    const uint128 product =
        (uint128)((uint64_t)v.significand << zeros) * power_significand(-exponent);
    const uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    const int shift = zeros - v.exponent - power_exponent(-exponent) - 1; /* 32 to 63 */

    const uint64_t half = (uint64_t)1 << (shift - 1), rest = high & (2 * half - 1);
    const bool exact = power_is_exact(-exponent);
    if (!exact && rest < half && rest + 1 >= half)
        return false;

    const uint64_t kept = high >> shift;
    const bool beyond = (low != 0) | !exact | (kept & 1);
    *whole = (uint32_t)(kept + ((rest > half) | ((rest == half) & beyond)));
    return true;
}

/* The C library rounds exactly, but takes twenty times as long. */
static struct decimal round_slowly(float value, unsigned digits)
{
    char text[32];
    snprintf(text, sizeof text, "%.*e", (int)digits - 1, (double)fabsf(value));
    struct decimal d = {0, 1 - (int)digits};
    const char *p = text;
    for (; *p != 'e'; p++)
        if (*p != '.')
            d.digits = d.digits * 10 + (uint32_t)(*p - '0');
    d.exponent += (int)strtol(p + 1, NULL, 10);
    return d;
}

/* floor(log10 v). With 2^b <= v < 2^(b+1) it is that of 2^b, or one more when the
 * next power of ten is not above v. */
static int decimal_exponent(struct binary v)
{
    const int zeros = __builtin_clz(v.significand) + 32;
    const int b = v.exponent + 63 - zeros;
    const int e = b * 1262611 >> 22;
    const bool reached = ((uint64_t)v.significand << zeros) >= power_significand(e + 1);
    return e + ((power_exponent(e + 1) == b) & reached);
}

static struct decimal rounded(float value, unsigned digits)
{
    const struct binary v = take_apart(bits_of(value) & 0x7FFFFFFF);
    const int exponent = decimal_exponent(v) - (int)digits + 1;
    uint32_t whole;
    if (!divide(v, exponent, &whole))
        return round_slowly(value, digits);
    if (whole == ten_to[digits]) /* 9.99 became 10.0 */
        return (struct decimal){ten_to[digits - 1], exponent + 1};
    return (struct decimal){whole, exponent};
}

size_t number_write_digits(float value, unsigned digits, char *out)
{
    assert(isfinite(value) && digits >= 1 && digits <= NUMBER_MAX_DIGITS);
    if (value == 0)
        return put_zero(signbit(value) != 0, out);
    return put(signbit(value) != 0, rounded(value, digits), out);
}
