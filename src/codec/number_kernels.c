#include "codec/number_kernels.h"

#include <stdbool.h>

#if defined __x86_64__
/* With what the kernels use beside it. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

const struct number_kernels *number_kernels_choice(size_t n)
{
    const struct number_kernels *usable[3];
    size_t count = 0;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd") && has_avx2())
        usable[count++] = &number_kernels_avx512;
    if (has_avx2())
        usable[count++] = &number_kernels_avx2;
    usable[count++] = &number_kernels_plain;
    return n < count ? usable[n] : NULL;
}
#else
const struct number_kernels *number_kernels_choice(size_t n)
{
    return n == 0 ? &number_kernels_plain : NULL;
}
#endif
