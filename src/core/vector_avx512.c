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
#include "vector_template.h"
#endif
