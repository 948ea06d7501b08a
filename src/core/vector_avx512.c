/* 32 registers of 16 floats: a tile of 6 x 64 takes 24, a row of b 4. */
#include "core/vector_kernels.h"

#if defined __x86_64__
#include <immintrin.h>

#define TARGET                   __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define LANES                    16
#define LARGER(x, y)             _mm512_max_ps(x, y)
#define SMALLER(x, y)            _mm512_min_ps(x, y)
#define ANY(mask)                (_mm512_movepi32_mask((__m512i)(mask)) != 0)
#define SOME(count)              ((__mmask16)((1u << (count)) - 1))
#define LOAD_SOME(at, count)     _mm512_maskz_loadu_ps(SOME(count), at)
#define STORE_SOME(at, count, x) _mm512_mask_storeu_ps(at, SOME(count), x)
#define TILE_VECTORS             4
#define KERNELS                  vector_kernels_avx512
#define KERNELS_NAME             "avx512"
#define EXPONENTIAL              exponential_by_table
#include "vector_lanes.h"

/* 2^(k/32), of which k is then taken out of where its bits stand in `shifted` below. */
static const int32_t powers[32] = {
    0x3F800000, 0x3F7ECD87, 0x3F7DAAC3, 0x3F7C980F, 0x3F7B95C2, 0x3F7AA43A, 0x3F79C3D3,
    0x3F78F4F0, 0x3F7837F0, 0x3F778D3A, 0x3F76F532, 0x3F767043, 0x3F75FED7, 0x3F75A15B,
    0x3F75583F, 0x3F7523F6, 0x3F7504F3, 0x3F74FBAF, 0x3F7508A4, 0x3F752C4D, 0x3F75672A,
    0x3F75B9BE, 0x3F76248C, 0x3F76A81E, 0x3F7744FD, 0x3F77FBB8, 0x3F78CCDF, 0x3F79B907,
    0x3F7AC0C7, 0x3F7BE4BA, 0x3F7D257D, 0x3F7E83B3};

/* As exponential(): e^x = 2^n 2^(k/32) 2^r with t = x/ln 2 rounded to
 * multiples of 1/32, which leaves n and k in the low bits, and a polynomial of degree
 * 2, to 2^-24.1. */
INLINE lanes exponential_by_table(lanes x)
{
    const float round = 0x1.8p18f;
    const __m512i low = _mm512_loadu_si512(powers);
    const __m512i high = _mm512_loadu_si512(powers + 16);
    const lanes least = all(-0.69314718f * 125.0f);
    __mmask16 counts = _mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ); /* a NaN, too */
    lanes shifted = x * 0x1.715476p+0f + round;
    lanes r = x * 0x1.715476p+0f - (shifted - round);
    __m512i power = _mm512_permutex2var_epi32(low, (__m512i)shifted, high);
    __m512i exponent = _mm512_slli_epi32((__m512i)shifted, 18);
    lanes scale = (lanes)_mm512_add_epi32(power, exponent);
    lanes p = r * (0x1.ebfce60000000p-3f * r + 0x1.62e5840000000p-1f);
    return _mm512_maskz_fmadd_ps(counts, scale, p, scale);
}

#include "vector_template.h"
#endif
