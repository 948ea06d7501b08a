/* The multiply-add peak of one core: independent chains of x = x * factor + addend that
 * never leave their registers, in the widest set the CPU has. A multiply-add counts
 * two. One line: {"kind":"peak","set":"avx512","gflops":113.8} */
#include <stdio.h>
#include <time.h>

enum { CHAINS = 12, STEPS = 200000, RUNS = 40 };

/* More chains than units times their latency, fewer than registers. */
#define CHAINS_OF(name, bytes, attribute)                         \
    attribute static float name(float factor, float addend)       \
    {                                                             \
        typedef float vector __attribute__((vector_size(bytes))); \
        vector x[CHAINS];                                         \
        for (int c = 0; c < CHAINS; c++)                          \
            x[c] = (vector){0} + (float)c;                        \
        for (int n = 0; n < STEPS; n++)                           \
            for (int c = 0; c < CHAINS; c++)                      \
                x[c] = x[c] * factor + addend;                    \
        float sum = 0;                                            \
        for (int c = 0; c < CHAINS; c++)                          \
            sum += x[c][0];                                       \
        return sum;                                               \
    }

CHAINS_OF(chains_plain, 16, )
#ifdef __x86_64__
CHAINS_OF(chains_avx2, 32, __attribute__((target("avx2,fma"))))
CHAINS_OF(chains_avx512, 64, __attribute__((target("avx512f"))))
#endif

struct set {
    const char *name;
    float (*chains)(float factor, float addend);
    int lanes;
};

static struct set widest(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return (struct set){"avx512", chains_avx512, 16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (struct set){"avx2", chains_avx2, 8};
#endif
    return (struct set){"plain", chains_plain, 4};
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(void)
{
    struct set set = widest();
    double best = 1e9;
    volatile float factor = 0.5f, addend = 1, sink;
    for (int n = 0; n < RUNS; n++) {
        double start = seconds();
        sink = set.chains(factor, addend);
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    (void)sink;
    printf("{\"kind\":\"peak\",\"set\":\"%s\",\"gflops\":%.1f}\n", set.name,
           2.0 * CHAINS * STEPS * set.lanes / best * 1e-9);
    return 0;
}
