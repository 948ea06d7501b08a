#include "core/vector_kernels.h"

#if defined __x86_64__
const struct vector_kernels *vector_kernels_choice(size_t n)
{
    const struct vector_kernels *usable[3];
    size_t count = 0;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        usable[count++] = &vector_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        usable[count++] = &vector_kernels_avx2;
    usable[count++] = &vector_kernels_plain;
    return n < count ? usable[n] : NULL;
}
#else
const struct vector_kernels *vector_kernels_choice(size_t n)
{
    return n == 0 ? &vector_kernels_plain : NULL;
}
#endif
