/* 16 registers of 8 floats: a tile of 6 x 16 takes 12, a row of b 2. */
#include "core/vector_kernels.h"

#if defined __x86_64__
#include <immintrin.h>

#define TARGET        __attribute__((target("avx2,fma")))
#define LANES         8
#define LARGER(x, y)  _mm256_max_ps(x, y)
#define SMALLER(x, y) _mm256_min_ps(x, y)
#define ANY(mask)     (_mm256_movemask_ps((__m256)(mask)) != 0)
#define SOME(count) \
    _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(count)), (__m256i)from_zero())
#define LOAD_SOME(at, count)     _mm256_maskload_ps(at, SOME(count))
#define STORE_SOME(at, count, x) _mm256_maskstore_ps(at, SOME(count), x)
#define TILE_VECTORS             2
#define KERNELS                  vector_kernels_avx2
#define KERNELS_NAME             "avx2"
#include "vector_template.h"
#endif
