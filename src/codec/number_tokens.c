/* Numbers between commas, read with 32 characters of each at once. x86-64 with AVX2. */
#include "codec/number_tokens.h"

#if defined __x86_64__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,bmi,bmi2")))
#define INLINE TARGET static inline __attribute__((always_inline))

enum {
    TOKEN = 32,  /* longest text that is read here, without blanks */
    WINDOW = 64, /* characters in which the ends of numbers are looked for */
    BATCH = 4,   /* numbers computed together */
    FEW_ULPS = 8
};

/* 10^-n, rounded: off by less than half a unit of its last place. */
static const double negative_power[TOKEN] = {
    1e-0,  1e-1,  1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,  1e-8,  1e-9,  1e-10,
    1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18, 1e-19, 1e-20, 1e-21,
    1e-22, 1e-23, 1e-24, 1e-25, 1e-26, 1e-27, 1e-28, 1e-29, 1e-30, 1e-31};

/* TOKEN bytes from n on: all set from byte TOKEN - n on. */
_Alignas(64) static const uint8_t behind[2 * TOKEN + 1] = {
    [32] = 0xFF, [33] = 0xFF, [34] = 0xFF, [35] = 0xFF, [36] = 0xFF, [37] = 0xFF,
    [38] = 0xFF, [39] = 0xFF, [40] = 0xFF, [41] = 0xFF, [42] = 0xFF, [43] = 0xFF,
    [44] = 0xFF, [45] = 0xFF, [46] = 0xFF, [47] = 0xFF, [48] = 0xFF, [49] = 0xFF,
    [50] = 0xFF, [51] = 0xFF, [52] = 0xFF, [53] = 0xFF, [54] = 0xFF, [55] = 0xFF,
    [56] = 0xFF, [57] = 0xFF, [58] = 0xFF, [59] = 0xFF, [60] = 0xFF, [61] = 0xFF,
    [62] = 0xFF, [63] = 0xFF,
};

INLINE __m256i load(const void *at)
{
    return _mm256_loadu_si256(at);
}

/* A number without an exponent, as its text ends: 32 digits and the power of ten. */
struct token {
    __m256i digits;
    double scale;
    uint32_t sign;
};

/* Takes [from, end) apart; false when it is something else, or too long. Its digits
 * are looked at in the 32 characters that end with it: the last one is at 31. */
INLINE bool take_apart(const char *from, const char *end, struct token *t)
{
    const uint32_t minus = *from == '-';
    t->sign = minus << 31;
    from += minus;
    const size_t length = (size_t)(end - from);
    if (length - 1 >= TOKEN)
        return false;

    const __m256i zero = _mm256_set1_epi8('0'), nine = _mm256_set1_epi8(9);
    const __m256i tail = _mm256_sub_epi8(load(end - TOKEN), zero);
    const __m256i ten_or_more = _mm256_cmpeq_epi8(_mm256_min_epu8(tail, nine), tail);
    const unsigned start = (unsigned)(TOKEN - length);
    const uint32_t others = ~(uint32_t)_mm256_movemask_epi8(ten_or_more) & ~(uint32_t)0
                                                                               << start;

    /* One other character, the point, neither first nor last; or none: what stands
     * where the number ends is taken for the point then. */
    const unsigned point = others ? (unsigned)__builtin_ctz(others) : TOKEN;
    const bool not_point = (others != 0) & ((end - TOKEN)[point] != '.');
    const bool long_zero = (*from == '0') & (point != start + 1);
    if ((others & (others - 1)) | (others >> 31) | (point == start) | not_point |
        long_zero)
        return false;

    /* The digits before the point move up by one, over it. */
    const unsigned fraction = others ? point + 1 : start;
    const __m256i moved = _mm256_sub_epi8(load(end - TOKEN - 1), zero);
    const __m256i whole = _mm256_and_si256(moved, load(behind + TOKEN - 1 - start));
    t->digits = _mm256_blendv_epi8(whole, tail, load(behind + TOKEN - fraction));
    t->scale = negative_power[others ? TOKEN - fraction : 0];
    return true;
}

/* Of two tokens the numbers of eight digits each: in the lower half the first two of
 * one and of the other, in the upper half the last two. */
INLINE __m256i eights(__m256i a, __m256i b)
{
    const __m256i ten = _mm256_set1_epi16(1 << 8 | 10);
    const __m256i hundred = _mm256_set1_epi32(1 << 16 | 100);
    const __m256i fours =
        _mm256_packus_epi32(_mm256_madd_epi16(_mm256_maddubs_epi16(a, ten), hundred),
                            _mm256_madd_epi16(_mm256_maddubs_epi16(b, ten), hundred));
    return _mm256_madd_epi16(fours, _mm256_set1_epi32(1 << 16 | 10000));
}

INLINE __m256d double_of(__m256i x, int half)
{
    return _mm256_cvtepi32_pd(half ? _mm256_extracti128_si256(x, 1)
                                   : _mm256_castsi256_si128(x));
}

/* Computes BATCH values, and which of them are in doubt.
 *
 * The first eight digits of 32, times 10^24, and so on: each product and each sum is
 * off by at most 2^-53 of itself, and so are 10^24 and the scale. In all that is less
 * than 8 2^-53 of the value, 8 units of its last place. Unless the middle between two
 * float32 is that near, rounding once more is right. The values are 0 or from 1e-31 to
 * 1e32: normal. */
INLINE unsigned compute(const struct token t[BATCH], float *out)
{
    const __m256 low = (__m256)eights(t[0].digits, t[1].digits);
    const __m256 high = (__m256)eights(t[2].digits, t[3].digits);
    const __m256i even = (__m256i)_mm256_shuffle_ps(low, high, 0x88);
    const __m256i odd = (__m256i)_mm256_shuffle_ps(low, high, 0xDD);
    const __m256d upper = double_of(even, 0) * 1e24 + double_of(odd, 0) * 1e16;
    const __m256d lower = double_of(even, 1) * 1e8 + double_of(odd, 1);
    const __m256d scale =
        _mm256_setr_pd(t[0].scale, t[1].scale, t[2].scale, t[3].scale);
    const __m256d value = (upper + lower) * scale;

    /* The 29 bits that float32 has not got, moved up to the sign. */
    const int64_t middle = (int64_t)1 << 28;
    const __m256i below =
        _mm256_and_si256((__m256i)value, _mm256_set1_epi64x(2 * middle - 1));
    const __m256i less =
        _mm256_cmpgt_epi64(_mm256_set1_epi64x(middle - FEW_ULPS), below);
    const __m256i more =
        _mm256_cmpgt_epi64(below, _mm256_set1_epi64x(middle + FEW_ULPS));
    const __m256i sure = _mm256_or_si256(less, more);

    const __m128i signs =
        _mm_setr_epi32((int)t[0].sign, (int)t[1].sign, (int)t[2].sign, (int)t[3].sign);
    _mm_storeu_ps(out, _mm_or_ps(_mm256_cvtpd_ps(value), (__m128)signs));
    return ~(unsigned)_mm256_movemask_pd((__m256d)sure) & 15;
}

/* The commas and closing brackets among the WINDOW characters from `at` on. */
INLINE uint64_t ends_of_numbers(const char *at)
{
    const __m256i comma = _mm256_set1_epi8(','), bracket = _mm256_set1_epi8(']');
    const __m256i low = load(at), high = load(at + 32);
    const __m256i first =
        _mm256_or_si256(_mm256_cmpeq_epi8(low, comma), _mm256_cmpeq_epi8(low, bracket));
    const __m256i second = _mm256_or_si256(_mm256_cmpeq_epi8(high, comma),
                                           _mm256_cmpeq_epi8(high, bracket));
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(second) << 32 |
           (uint32_t)_mm256_movemask_epi8(first);
}

/* ends[0] is the comma before the first number; returns how many numbers follow, up to
 * BATCH. Two a window: where the next one begins is known sooner. */
INLINE size_t find_numbers(const char *end, const char *ends[BATCH + 1])
{
    size_t found = 0;
    while (found < BATCH) {
        const char *p = ends[found];
        if (end - p <= WINDOW || *p != ',')
            break;
        const uint64_t all = ends_of_numbers(p + 1), later = all & (all - 1);
        if (all == 0)
            break;
        ends[++found] = p + 1 + __builtin_ctzll(all);
        if (*ends[found] == ',' && later != 0 && found < BATCH)
            ends[++found] = p + 1 + __builtin_ctzll(later);
    }
    return found;
}

INLINE const char *after_blanks(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')
        p++;
    return p;
}

TARGET size_t number_tokens_read(const char *begin, const char **at, const char *end,
                                 float *out, size_t room)
{
    if (*at - begin < TOKEN)
        return 0;

    const char *p = *at;
    size_t count = 0;
    while (room - count >= BATCH) {
        const char *ends[BATCH + 1];
        ends[0] = p;
        const size_t found = find_numbers(end, ends);
        struct token tokens[BATCH];
        size_t read = 0;
        while (read < found &&
               take_apart(after_blanks(ends[read] + 1), ends[read + 1], &tokens[read]))
            read++;
        for (size_t i = read; i < BATCH; i++)
            tokens[i] = (struct token){0};

        /* A branch, so that the next numbers need not wait for the values of these. */
        const unsigned doubt = compute(tokens, out + count);
        if (doubt != 0 || read < BATCH) {
            const unsigned good = (unsigned)__builtin_ctz(doubt | 1U << read);
            p = ends[good];
            count += good;
            break;
        }
        p = ends[BATCH];
        count += BATCH;
    }
    *at = p;
    return count;
}
#endif
