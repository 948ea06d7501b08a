#include "codec/base64_kernels.h"

/* NOLINTBEGIN(readability-non-const-parameter): the form of them all */
static size_t encode_none(const uint8_t *in, size_t count, char *out)
{
    (void)in, (void)count, (void)out;
    return 0;
}

static size_t decode_none(const uint8_t *in, size_t length, uint8_t *out, size_t bytes)
{
    (void)in, (void)length, (void)out, (void)bytes;
    return 0;
}
/* NOLINTEND(readability-non-const-parameter) */

const struct base64_kernels base64_kernels_plain = {"plain", encode_none, decode_none};

#if defined __x86_64__
const struct base64_kernels *base64_kernels_choice(size_t n)
{
    const struct base64_kernels *usable[3];
    size_t count = 0;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vbmi"))
        usable[count++] = &base64_kernels_avx512;
    if (__builtin_cpu_supports("avx2"))
        usable[count++] = &base64_kernels_avx2;
    usable[count++] = &base64_kernels_plain;
    return n < count ? usable[n] : NULL;
}
#else
const struct base64_kernels *base64_kernels_choice(size_t n)
{
    return n == 0 ? &base64_kernels_plain : NULL;
}
#endif
