/* What every machine has, in vectors of 4 floats: 16 registers of them on x86-64,
 * 32 on aarch64. */
#define TARGET
#define LANES 4
#if defined __x86_64__
#include <immintrin.h>

#define LARGER(x, y)  _mm_max_ps(x, y)
#define SMALLER(x, y) _mm_min_ps(x, y)
#define TILE_VECTORS  2
#else
#define TILE_VECTORS 4
#if defined __aarch64__ && !defined __clang__
/* Otherwise all 6 numbers of a column are loaded before the first is used: 34
 * registers. */
#pragma GCC optimize("no-schedule-insns")
#endif
#endif
#define KERNELS      vector_kernels_plain
#define KERNELS_NAME "plain"
#include "vector_template.h"
