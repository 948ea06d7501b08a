/* Four numbers at a time. */
#include "codec/number_kernels.h"

#if defined __x86_64__
#include <immintrin.h>

#define TARGET              __attribute__((target("avx2,bmi,bmi2")))
#define LANES               4
#define MULTIPLY(a, b)      ((lanes)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define MULTIPLY_HIGH(a, b) ((shorts)_mm256_mulhi_epu16((__m256i)(a), (__m256i)(b)))
#define SMALLER(a, b)       ((lanes)_mm256_min_epu32((__m256i)(a), (__m256i)(b)))
#define LARGER(a, b)        ((lanes)_mm256_max_epu32((__m256i)(a), (__m256i)(b)))
#define GATHER(table, index) \
    ((lanes)_mm256_i64gather_epi64((const long long *)(table), (__m256i)(index), 8))
#define EVEN_PAIRS(a, b) ((lanes)_mm256_unpacklo_epi64((__m256i)(a), (__m256i)(b)))
#define ODD_PAIRS(a, b)  ((lanes)_mm256_unpackhi_epi64((__m256i)(a), (__m256i)(b)))
#define BYTE_SUMS(a)     ((lanes)_mm256_sad_epu8((__m256i)(a), _mm256_setzero_si256()))
#define LOW_PRODUCT(a, n) \
    ((shorts)_mm256_mullo_epi16((__m256i)(a), _mm256_set1_epi16(n)))
#define masks           __m256i
#define LESS(a, b)      ((__m256i)((lanes)(a) < (lanes)(b)))
#define EQUAL(a, b)     _mm256_cmpeq_epi64((__m256i)(a), (__m256i)(b))
#define CHOOSE(m, a, b) ((lanes)_mm256_blendv_epi8((__m256i)(b), (__m256i)(a), m))
#define ANY(m)          (!_mm256_testz_si256(m, m))
#define IS_SET(m, i)    ((m)[i] != 0)
#define KERNELS         number_kernels_avx2
#define KERNELS_NAME    "avx2"
#include "number_template.h"
#endif
