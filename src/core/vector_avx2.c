/* 16 registers of 8 floats: a tile of 6 x 16 takes 12, a row of b 2. */
#include "core/vector_kernels.h"

#if defined __x86_64__
#include <immintrin.h>

#define TARGET        __attribute__((target("avx2,fma")))
#define LANES         8
#define LARGER(x, y)  _mm256_max_ps(x, y)
#define SMALLER(x, y) _mm256_min_ps(x, y)
#define TILE_VECTORS  2
#define KERNELS       vector_kernels_avx2
#define KERNELS_NAME  "avx2"
#include "vector_template.h"
#endif
