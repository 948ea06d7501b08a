/* 32 characters at a time. After Mula and Lemire, "Faster Base64 encoding and decoding
 * using AVX2 instructions" (2018): which of the five runs of the alphabet a character
 * belongs to tells how far it is from its number. */
#include "codec/base64_kernels.h"

#if defined __x86_64__
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
#define INLINE TARGET static inline __attribute__((always_inline))

enum { TEXT = 32, BYTES = 24 };

INLINE __m256i twice(__m128i half)
{
    return _mm256_broadcastsi128_si256(half);
}

/* 0 to 25, 26 to 51, 52 to 61, 62, 63 become letters, digits, + and /. */
INLINE __m256i characters(__m256i sextets)
{
    const __m256i away = twice(_mm_setr_epi8(
        'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
        '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0));
    const __m256i beyond = _mm256_subs_epu8(sextets, _mm256_set1_epi8(51));
    const __m256i capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), sextets);
    const __m256i run =
        _mm256_or_si256(beyond, _mm256_and_si256(capital, _mm256_set1_epi8(13)));
    return _mm256_add_epi8(sextets, _mm256_shuffle_epi8(away, run));
}

TARGET static size_t encode(const uint8_t *in, size_t count, char *out)
{
    /* Three bytes a, b, c are spread to b a c b: every six bits lie in one half. */
    const __m256i order =
        twice(_mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
    size_t done = 0;
    for (; count - done >= BYTES + 4; done += BYTES, out += TEXT) {
        const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(in + done));
        const __m128i high =
            _mm_loadu_si128((const __m128i *)(const void *)(in + done + BYTES / 2));
        const __m256i pairs = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), order);
        const __m256i first =
            _mm256_mulhi_epu16(_mm256_and_si256(pairs, _mm256_set1_epi32(0x0FC0FC00)),
                               _mm256_set1_epi32(1 << 26 | 1 << 6));
        const __m256i second =
            _mm256_mullo_epi16(_mm256_and_si256(pairs, _mm256_set1_epi32(0x003F03F0)),
                               _mm256_set1_epi32(1 << 24 | 1 << 4));
        _mm256_storeu_si256((__m256i *)(void *)out,
                            characters(_mm256_or_si256(first, second)));
    }
    return done;
}

/* Bit n of the first table: characters with these upper four bits are of kind n. Of
 * the second: those of kind n with these lower four bits are not of the alphabet. */
INLINE bool all_good(__m256i upper, __m256i lower)
{
    const __m256i kind =
        twice(_mm_setr_epi8(16, 16, 1, 2, 4, 8, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16));
    const __m256i bad =
        twice(_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                            0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A));
    return _mm256_testz_si256(_mm256_shuffle_epi8(kind, upper),
                              _mm256_shuffle_epi8(bad, lower)) != 0;
}

/* By the upper four bits, one less for the slash. */
INLINE __m256i numbers(__m256i text, __m256i upper)
{
    const __m256i away =
        twice(_mm_setr_epi8(0, 63 - '/', 62 - '+', 52 - '0', -'A', -'A', 26 - 'a',
                            26 - 'a', 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i slash = _mm256_cmpeq_epi8(text, _mm256_set1_epi8('/'));
    return _mm256_add_epi8(text,
                           _mm256_shuffle_epi8(away, _mm256_add_epi8(upper, slash)));
}

TARGET static size_t decode(const uint8_t *in, size_t length, uint8_t *out,
                            size_t bytes)
{
    const __m256i four_bits = _mm256_set1_epi8(0x0F);
    const __m256i order =
        twice(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    size_t done = 0;
    for (size_t left = bytes; length - done >= TEXT && left >= 32;
         done += TEXT, left -= BYTES, out += BYTES) {
        const __m256i text =
            _mm256_loadu_si256((const __m256i *)(const void *)(in + done));
        const __m256i upper = _mm256_and_si256(_mm256_srli_epi32(text, 4), four_bits);
        if (!all_good(upper, _mm256_and_si256(text, four_bits)))
            break;
        const __m256i twelve =
            _mm256_maddubs_epi16(numbers(text, upper), _mm256_set1_epi16(1 << 8 | 64));
        const __m256i groups =
            _mm256_madd_epi16(twelve, _mm256_set1_epi32(1 << 16 | 4096));
        const __m256i halves = _mm256_shuffle_epi8(groups, order);
        _mm256_storeu_si256((__m256i *)(void *)out,
                            _mm256_permutevar8x32_epi32(
                                halves, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7)));
    }
    return done;
}

const struct base64_kernels base64_kernels_avx2 = {"avx2", encode, decode};
#endif
