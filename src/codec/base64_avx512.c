/* 64 characters at a time, with AVX-512 VBMI: the alphabet fits into one register, the
 * characters' meanings into two. After Mula and Lemire, "Base64 encoding and decoding
 * at almost the speed of a memory copy" (2020). */
#include "codec/base64_kernels.h"

#if defined __x86_64__
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi,avx2")))

enum { TEXT = 64, BYTES = 48 };

static const __mmask64 whole = ((__mmask64)1 << BYTES) - 1;

/* Three bytes a, b, c are spread to b a c b, so that every six bits lie in one half. */
_Alignas(64) static const uint8_t spread[TEXT] = {
    1,  0,  2,  1,  4,  3,  5,  4,  7,  6,  8,  7,  10, 9,  11, 10,
    13, 12, 14, 13, 16, 15, 17, 16, 19, 18, 20, 19, 22, 21, 23, 22,
    25, 24, 26, 25, 28, 27, 29, 28, 31, 30, 32, 31, 34, 33, 35, 34,
    37, 36, 38, 37, 40, 39, 41, 40, 43, 42, 44, 43, 46, 45, 47, 46};

/* And four numbers of six bits, one of 24 by then, are read from the top. */
_Alignas(64) static const uint8_t gather[TEXT] = {
    2,  1,  0,  6,  5,  4,  10, 9,  8,  14, 13, 12, 18, 17, 16, 22,
    21, 20, 26, 25, 24, 30, 29, 28, 34, 33, 32, 38, 37, 36, 42, 41,
    40, 46, 45, 44, 50, 49, 48, 54, 53, 52, 58, 57, 56, 62, 61, 60};

TARGET static size_t encode(const uint8_t *in, size_t count, char *out)
{
    const __m512i letters = _mm512_loadu_si512(base64_alphabet);
    const __m512i order = _mm512_load_si512(spread);
    const __m512i shifts = _mm512_set1_epi64(0x3036242A1016040A);
    size_t done = 0;
    for (; count - done >= BYTES; done += BYTES, out += TEXT) {
        const __m512i bytes = _mm512_maskz_loadu_epi8(whole, in + done);
        const __m512i pairs = _mm512_permutexvar_epi8(order, bytes);
        const __m512i sextets = _mm512_multishift_epi64_epi8(shifts, pairs);
        _mm512_storeu_si512(out, _mm512_permutexvar_epi8(sextets, letters));
    }
    return done;
}

TARGET static size_t decode(const uint8_t *in, size_t length, uint8_t *out,
                            size_t bytes)
{
    const __m512i low = _mm512_loadu_si512(base64_sextet);
    const __m512i high = _mm512_loadu_si512(base64_sextet + 64);
    const __m512i order = _mm512_load_si512(gather);
    size_t done = 0;
    (void)bytes;
    for (; length - done >= TEXT; done += TEXT, out += BYTES) {
        const __m512i text = _mm512_loadu_si512(in + done);
        const __m512i sextets = _mm512_permutex2var_epi8(low, text, high);
        if (_mm512_movepi8_mask(_mm512_or_si512(text, sextets)) != 0)
            break;
        const __m512i twelve =
            _mm512_maddubs_epi16(sextets, _mm512_set1_epi16(1 << 8 | 64));
        const __m512i groups =
            _mm512_madd_epi16(twelve, _mm512_set1_epi32(1 << 16 | 4096));
        _mm512_mask_storeu_epi8(out, whole, _mm512_permutexvar_epi8(order, groups));
    }
    return done;
}

const struct base64_kernels base64_kernels_avx512 = {"avx512", encode, decode};
#endif
