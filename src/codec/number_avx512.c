/* Eight numbers at a time. */
#include "codec/number_kernels.h"

#if defined __x86_64__
#include <immintrin.h>

/* What gcc's own header writes for the gather when nothing is optimized. */
#pragma GCC diagnostic ignored "-Wsign-conversion"

#define TARGET                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,bmi," \
                          "bmi2")))
#define LANES                8
#define MULTIPLY(a, b)       ((lanes)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define MULTIPLY_HIGH(a, b)  ((shorts)_mm512_mulhi_epu16((__m512i)(a), (__m512i)(b)))
#define SMALLER(a, b)        ((lanes)_mm512_min_epu32((__m512i)(a), (__m512i)(b)))
#define LARGER(a, b)         ((lanes)_mm512_max_epu32((__m512i)(a), (__m512i)(b)))
#define GATHER(table, index) ((lanes)_mm512_i64gather_epi64((__m512i)(index), table, 8))
#define EVEN_PAIRS(a, b)     ((lanes)_mm512_unpacklo_epi64((__m512i)(a), (__m512i)(b)))
#define ODD_PAIRS(a, b)      ((lanes)_mm512_unpackhi_epi64((__m512i)(a), (__m512i)(b)))
#define LEADING_ZEROS(a)     ((lanes)_mm512_lzcnt_epi64((__m512i)(a)))
#define LOW_PRODUCT(a, n) \
    ((shorts)_mm512_mullo_epi16((__m512i)(a), _mm512_set1_epi16(n)))
#define masks           __mmask8
#define LESS(a, b)      _mm512_cmplt_epu64_mask((__m512i)(a), (__m512i)(b))
#define EQUAL(a, b)     _mm512_cmpeq_epi64_mask((__m512i)(a), (__m512i)(b))
#define CHOOSE(m, a, b) ((lanes)_mm512_mask_blend_epi64(m, (__m512i)(b), (__m512i)(a)))
#define ANY(m)          ((m) != 0)
#define IS_SET(m, i)    ((m) >> (i)&1)
#define KERNELS         number_kernels_avx512
#define KERNELS_NAME    "avx512"
#include "number_template.h"
#endif
