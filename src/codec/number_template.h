/* number_template.h - the bodies of number_kernels.h, for one instruction set.
 *
 * LANES numbers at a time, each in 64 bits, without a branch: which digits a number has
 * cannot be predicted. Then their texts one after the other, 16 bytes a store.
 *
 * The including file defines TARGET (an attribute), LANES, KERNELS, KERNELS_NAME, and
 *   MULTIPLY(a, b)        the product of the low halves of two lanes
 *   MULTIPLY_HIGH(a, b)   the upper halves of the products of 16-bit lanes
 *   SMALLER, LARGER       of 32-bit lanes, unsigned
 *   GATHER(table, index)  the 64-bit entries of a table
 *   EVEN_PAIRS, ODD_PAIRS lanes 0 of both, lanes 2 of both, ...; and 1, 3, ...
 *   LOW_PRODUCT(a, n)     the lower halves of the products of 16-bit lanes and n
 *   BYTE_SUMS or LEADING_ZEROS of a lane
 *   masks                 which lanes: LESS(a, b) (unsigned), EQUAL(a, b), and |, &, ~
 *   CHOOSE(mask, a, b)    a in the lanes of the mask, b in the others
 *   ANY(mask), IS_SET(mask, i) */
#include <stdint.h>
#include <string.h>

#include "codec/number_layout.h"
#include "codec/number_powers.h"
#include "codec/number_tokens.h"

typedef uint64_t lanes __attribute__((vector_size(8 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t shorts __attribute__((vector_size(8 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(8 * LANES)));

#define INLINE TARGET static inline __attribute__((always_inline))
#define ALL(x) ((x) - (lanes){0})

/* A loop over a constant that must vanish, because `i` selects a register. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `i` is declared */
#if defined __clang__
#define EACH(i, count) \
    _Pragma("clang loop unroll(full)") for (size_t i = 0; i < (count); i++)
#else
#define EACH(i, count) _Pragma("GCC unroll 8") for (size_t i = 0; i < (count); i++)
#endif
/* NOLINTEND(bugprone-macro-parentheses) */

enum {
    BIAS = 64, /* what exponents are moved by, so that none is negative */
    MANTISSA_BITS = 23,
    EXPONENT_MOST = 0xFF,
    LEAST_EXPONENT = -150, /* value = significand 2^(exponent field - 150) */
    LOG10_OF_2 = 1262611,  /* 2^22 log10(2) */
    LOG2_OF_10 = 217706    /* 2^16 log2(10) */
};

/* nine 10^(power - 8): nine digits, the first of which is 0 only for 0. */
struct decimals {
    lanes nine;
    lanes power; /* biased */
};

/* Without its sign: significand 2^(exponent - 150), normal. */
struct binaries {
    lanes significand, exponent;
};

INLINE lanes ten_times(lanes x)
{
    return (x << 3) + (x << 1);
}

INLINE struct binaries take_apart(lanes bits)
{
    return (struct binaries){
        .significand = (bits & 0x7FFFFF) | 0x800000,
        .exponent = bits >> MANTISSA_BITS & EXPONENT_MOST,
    };
}

/* floor((exponent - 150 + more) log10(2)), biased. */
INLINE lanes decimal_exponent(lanes exponent, int more)
{
    const uint64_t start = (uint64_t)(BIAS << 22) +
                           (uint64_t)((int64_t)(LEAST_EXPONENT + more) * LOG10_OF_2);
    return (MULTIPLY(exponent, ALL((uint64_t)LOG10_OF_2)) + start) >> 22;
}

/* floor(log2 10^e) + 256 for a biased e. */
INLINE lanes power_exponents(lanes e)
{
    const uint64_t start = (256 << 16) - (uint64_t)BIAS * LOG2_OF_10;
    return (MULTIPLY(e, ALL((uint64_t)LOG2_OF_10)) + start) >> 16;
}

_Static_assert(POWER_LEAST == -BIAS, "a biased exponent is an index into the table");

/* The shortest decimals, after Giulietti ("The Schubfach way to render doubles", 2020;
 * see number_write.c) in another scale. With 10^k <= 2^q < 10^(k+1) a number c 2^q is
 *   tens + f, 0 <= f < 1, in units of 10^(k+1),
 * and what reads back as it lies within h = 2^q / 10^(k+1) / 2 < 1/2. So if f <= h or
 * 1 - f <= h a whole number of tens is the shortest; otherwise a multiple of 10^k is,
 * the nearest, because there is one on each side that is near enough. c 2^q / 10^(k+1)
 * is one product of c with 64 bits; what is lost of these moves f by less than 2^-39.
 * No float32 is that near to an end of its interval, except on it: there odd ones are
 * outside and even ones inside, whatever was lost. Powers of two have another
 * interval, and are not for here. All of this has been compared with number_write()
 * for every float32. */
INLINE struct decimals shortest(struct binaries v)
{
    const lanes c = v.significand, odd = c & 1;
    const lanes k = decimal_exponent(v.exponent, 0);
    const lanes down = 2 * BIAS - 1 - k; /* of 10^-(k+1) */
    const lanes shift = 256 - LEAST_EXPONENT - 1 - v.exponent - power_exponents(down);
    const lanes unit = GATHER(number_powers, down) >> shift; /* 2^q / 10^(k+1) */

    const lanes high = MULTIPLY(c, unit >> 32), low = MULTIPLY(c, unit);
    const lanes tens = (high + (low >> 32)) >> 32, f = (high << 32) + low;

    const lanes slack = ALL((uint64_t)1 << 26);
    const lanes h = (unit >> 1) + slack - (odd << 27);
    const masks below = LESS(f, h), above = LESS(~f, h); /* ~f + 1 is 1 - f */
    const masks quarter = EQUAL(f, ALL(1ul << 62));      /* 2.5 goes to the even 2 */
    const lanes half = ALL((uint64_t)1 << 59);
    const lanes nearest = (ten_times(f >> 4) + half) >> 60;
    const lanes digit = CHOOSE(quarter, ALL(2ul), nearest);
    const lanes ones = CHOOSE(above, ALL(10ul), CHOOSE(below, ALL(0ul), digit));

    /* Seven to nine digits. */
    const lanes nine = ten_times(tens) + ones;
    const masks seven = LESS(nine, ALL(10000000ul)),
                eight = LESS(nine, ALL(100000000ul));
    const lanes factor = CHOOSE(seven, ALL(100ul), CHOOSE(eight, ALL(10ul), ALL(1ul)));
    const lanes zeros = CHOOSE(seven, ALL(2ul), CHOOSE(eight, ALL(1ul), ALL(0ul)));
    return (struct decimals){MULTIPLY(nine, factor), k + 8 - zeros};
}

/* What can vary between blocks of one row, but does not. */
struct rounding {
    uint64_t digits;  /* asked for */
    uint64_t limit;   /* 10^digits */
    uint64_t to_nine; /* 10^(9 - digits) */
};

INLINE struct rounding rounding_to(unsigned digits)
{
    struct rounding r = {digits, 10, 100000000};
    for (unsigned i = 1; i < digits; i++) {
        r.limit *= 10;
        r.to_nine /= 10;
    }
    return r;
}

/* A given number of digits. With 10^e <= 2^b <= v < 2^(b+1) < 10^(e+2), v is divided
 * by 10^(e+1-digits): a product of 64 bits, less than 2 of their units too small. When
 * that has a digit too many, a division by ten takes it off. What is left decides how
 * to round; `doubt` says where it is too near to a half, or a half. */
INLINE struct decimals rounded(struct binaries v, struct rounding r, masks *doubt)
{
    const lanes e = decimal_exponent(v.exponent, MANTISSA_BITS);
    const lanes down = 2 * BIAS - 1 + r.digits - e;
    const lanes shift = v.exponent + power_exponents(down);
    const lanes scale = GATHER(number_powers, down);

    const lanes high = MULTIPLY(v.significand, scale >> 32);
    const lanes low = MULTIPLY(v.significand, scale);
    const lanes scaled = (high << 8) + (low >> 24);
    const lanes right = 256 + 39 - LEAST_EXPONENT - shift; /* 33 to 63 */
    const lanes whole = scaled >> right, rest = scaled << (64 - right);

    const masks longer = LESS(ALL(r.limit - 1), whole);
    const lanes tenth = MULTIPLY(whole, ALL(0xCCCCCCCDul)) >> 35;
    const lanes last = whole - ten_times(tenth);
    const lanes left = CHOOSE(longer, last << 60 | rest >> 4, rest);
    const lanes half = CHOOSE(longer, ALL(5ul << 60), ALL(1ul << 63));
    const uint64_t slack = (uint64_t)1 << 33;
    *doubt = LESS(left - half + slack, ALL(2 * slack));

    const lanes cut = CHOOSE(longer, tenth, whole);
    const lanes nearest = CHOOSE(LESS(left, half), cut, cut + 1);
    const lanes nine = MULTIPLY(nearest, ALL(r.to_nine));
    const masks carry = EQUAL(nine, ALL(1000000000ul)); /* 9.99 became 10.0 */
    const lanes power = CHOOSE(longer, e + 1, e);
    return (struct decimals){CHOOSE(carry, ALL(100000000ul), nine),
                             CHOOSE(carry, power + 1, power)};
}

/* The eight digits of x < 10^8, the first one lowest: split into lanes of four digits,
 * those of two, those of one. */
INLINE lanes eight_bytes(lanes x)
{
    const lanes thousands = MULTIPLY(x, ALL(109951163ul)) >> 40; /* x / 10^4 */
    const lanes four = thousands | (x - MULTIPLY(thousands, ALL(10000ul))) << 32;
    const shorts hundreds = MULTIPLY_HIGH(four, ALL(5243ul * 0x0001000100010001)) >> 3;
    const lanes two =
        (lanes)hundreds | ((lanes)((shorts)four - LOW_PRODUCT(hundreds, 100))) << 16;
    const shorts tens = LOW_PRODUCT(two, 103) >> 10;
    return (lanes)(((shorts)two << 8) - LOW_PRODUCT(tens, 10 * 256 - 1));
}

/* 0 to 8: how many of the eight remain without the trailing zeros. */
INLINE lanes significant(lanes eight)
{
#if defined LEADING_ZEROS
    return 8 - (LEADING_ZEROS(eight) >> 3);
#else
    eight |= eight >> 8; /* all below the last digit become other than 0 */
    eight |= eight >> 16;
    eight |= eight >> 32;
    return 8 - BYTE_SUMS((bytes)((bytes)eight == 0) & 1);
#endif
}

INLINE lanes layout(lanes power, lanes significant_rest, lanes negative)
{
    const uint64_t least = BIAS + LAYOUT_LEAST_PLAIN, most = BIAS + LAYOUT_MOST_PLAIN;
    const lanes near = SMALLER(LARGER(power, ALL(least - 1)), ALL(most + 1));
    const lanes below = CHOOSE(LESS(power, ALL(BIAS - 9ul)), near - 1, near);
    const lanes moved = CHOOSE(LESS(ALL(BIAS + 9ul), power), near + 1, below);
    const lanes kind = moved - (least - 2);
    return MULTIPLY(kind, ALL((uint64_t)LAYOUT_EACH)) + significant_rest * 2 + negative;
}

/* Records of 16 characters, those of enum number_character, and their layouts. */
INLINE void lay_out(struct decimals d, lanes negative, lanes *even, lanes *odd,
                    lanes *layouts)
{
    const lanes first = MULTIPLY(d.nine, ALL(1441151881ul)) >> 57; /* nine / 10^8 */
    const lanes rest = eight_bytes(d.nine - MULTIPLY(first, ALL(100000000ul)));
    const lanes size =
        CHOOSE(LESS(d.power, ALL((uint64_t)BIAS)), BIAS - d.power, d.power - BIAS);
    const lanes tens = MULTIPLY(size, ALL(103ul)) >> 10;
    const lanes exponent = tens | (size - ten_times(tens)) << 8;

    const uint64_t zeros = 0x3030303030303030;
    const uint64_t others = 0x30302C652D302E30; /* 0 . 0 - e , 0 0 */
    const lanes head = (first | rest << 8) + zeros;
    const lanes tail = (rest >> 56 | exponent << 48) + others;
    *even = EVEN_PAIRS(head, tail);
    *odd = ODD_PAIRS(head, tail);
    *layouts = layout(d.power, significant(rest), negative);
}

/* LANES numbers on their way. */
struct block {
    lanes even, odd; /* the records of 0, 2, 4, ... and of 1, 3, 5, ... */
    lanes layouts;
    masks special; /* left to `other` */
};

INLINE char *put(const struct block *b, size_t i, char *out)
{
    const char *pairs = (const char *)(i % 2 ? &b->odd : &b->even);
    const uint64_t layout = b->layouts[i];
    __m128i characters, order;
    memcpy(&characters, pairs + i / 2 * 16, sizeof characters);
    memcpy(&order, number_layout_order[layout], sizeof order);
    characters = _mm_shuffle_epi8(characters, order);
    memcpy(out, &characters, sizeof characters);
    return out + number_layout_length[layout];
}

INLINE struct block convert(const float *x, unsigned digits, struct rounding r)
{
    words loaded;
    memcpy(&loaded, x, sizeof loaded);
    const lanes bits = __builtin_convertvector(loaded, lanes);
    const struct binaries v = take_apart(bits);

    const lanes none = ALL(0ul);
    const masks zero = EQUAL(bits & 0x7FFFFFFF, none);
    masks special =
        EQUAL(v.exponent, none) | EQUAL(v.exponent, ALL((uint64_t)EXPONENT_MOST));
    struct decimals d;
    if (digits) {
        masks doubt;
        d = rounded(v, r, &doubt);
        special |= doubt;
    } else {
        d = shortest(v);
        special |= EQUAL(bits & 0x7FFFFF, none);
    }
    d.nine = CHOOSE(zero, none, d.nine);
    d.power = CHOOSE(zero, ALL((uint64_t)BIAS), d.power);

    struct block b = {.special = special & (masks)~zero};
    lay_out(d, bits >> 31, &b.even, &b.odd, &b.layouts);
    return b;
}

/* Where numbers are that go another way: denormals, powers of two, halves. */
INLINE char *put_mixed(const struct block *b, const float *x, size_t count,
                       unsigned digits, number_writer *other, char *out)
{
    for (size_t i = 0; i < count; i++) {
        if (IS_SET(b->special, i)) {
            out = other(x[i], digits, out);
            *out++ = ',';
        } else {
            out = put(b, i, out);
        }
    }
    return out;
}

/* Two blocks at once: one's digits are computed while the other's wait. */
INLINE char *write_blocks(const float *x, unsigned digits, struct rounding r,
                          number_writer *other, char *out)
{
    const struct block first = convert(x, digits, r);
    const struct block second = convert(x + LANES, digits, r);
    if (ANY(first.special | second.special)) {
        out = put_mixed(&first, x, LANES, digits, other, out);
        return put_mixed(&second, x + LANES, LANES, digits, other, out);
    }
    EACH (i, LANES)
        out = put(&first, i, out);
    EACH (i, LANES)
        out = put(&second, i, out);
    return out;
}

INLINE char *write_row(const float *x, size_t count, unsigned digits,
                       number_writer *other, char *out)
{
    const struct rounding r = rounding_to(digits);
    const size_t pair = (size_t)2 * LANES;
    for (; count >= pair; count -= pair, x += pair)
        out = write_blocks(x, digits, r, other, out);
    while (count > 0) {
        const size_t now = count < LANES ? count : LANES;
        float last[LANES] = {0};
        memcpy(last, x, now * sizeof *x);
        const struct block b = convert(last, digits, r);
        out = put_mixed(&b, last, now, digits, other, out);
        count -= now;
        x += now;
    }
    return out;
}

TARGET static char *write_numbers(const float *x, size_t count, unsigned digits,
                                  number_writer *other, char *out)
{
    return digits ? write_row(x, count, digits, other, out)
                  : write_row(x, count, 0, other, out);
}

const struct number_kernels KERNELS = {
    .name = KERNELS_NAME, .write = write_numbers, .read = number_tokens_read};
