/* vector_template.h - the bodies of vector_kernels.h, for one instruction set.
 *
 * The including file defines TARGET (an attribute), LANES (floats a register),
 * TILE_VECTORS (registers of a tile row), KERNELS and KERNELS_NAME. Compiled with
 * -ffp-contract=fast, so that a product and a sum become one instruction. */
#include <math.h>
#include <string.h>

#include "core/vector_kernels.h"

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t int_lanes __attribute__((vector_size(4 * LANES)));
typedef uint8_t byte_lanes __attribute__((vector_size(LANES)));

#define INLINE TARGET static inline __attribute__((always_inline))

INLINE lanes load(const float *at)
{
    lanes x;
    memcpy(&x, at, sizeof x);
    return x;
}

INLINE void store(float *at, lanes x)
{
    memcpy(at, &x, sizeof x);
}

INLINE lanes all(float x)
{
    return x - (lanes){0};
}

/* Where `mask` is all ones x, where it is 0 y. */
INLINE lanes choose(int_lanes mask, lanes x, lanes y)
{
    return (lanes)((mask & (int_lanes)x) | (~mask & (int_lanes)y));
}

/* `vectors` is a constant wherever this is inlined, so that `sum` is registers. */
INLINE void tile(const struct tile_product *p, size_t column, const size_t vectors)
{
    lanes sum[TILE_ROWS][TILE_VECTORS] = {0};
    const float *a = p->a, *b = p->b + column;
    for (size_t k = 0; k < p->depth; k++, b += p->width)
        for (size_t i = 0; i < TILE_ROWS; i++)
            for (size_t v = 0; v < vectors; v++)
                sum[i][v] += a[i * p->a_stride + k] * load(b + v * LANES);

    for (size_t i = 0; i < TILE_ROWS; i++) {
        float *c = p->c + i * p->c_stride + column;
        for (size_t v = 0; v < vectors; v++) {
            lanes before = p->add ? load(c + v * LANES) : (lanes){0};
            store(c + v * LANES, before + p->factor * sum[i][v]);
        }
    }
}

TARGET static void multiply(const struct tile_product *p)
{
    size_t column = 0;
    for (; column + TILE_VECTORS * LANES <= p->width; column += TILE_VECTORS * LANES)
        tile(p, column, TILE_VECTORS);
#if TILE_VECTORS * LANES > 16 /* VECTOR_PAD: otherwise there is no rest */
    switch ((p->width - column) / LANES) {
    case 3: tile(p, column, 3); break;
    case 2: tile(p, column, 2); break;
    case 1: tile(p, column, 1); break;
    default: break;
    }
#endif
}

TARGET static bool add_bias(float *x, const float *bias, size_t n)
{
    int_lanes some = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        lanes b = load(bias + j);
        int_lanes counts = b > -INFINITY;
        some |= counts;
        store(x + j, choose(counts, load(x + j) + b, all(-INFINITY)));
    }
    bool any = false;
    for (size_t l = 0; l < LANES; l++)
        any = any || some[l];
    for (; j < n; j++) {
        any = any || bias[j] > -INFINITY;
        x[j] = bias[j] > -INFINITY ? x[j] + bias[j] : -INFINITY;
    }
    return any;
}

TARGET static bool hide(float *x, const uint8_t *allowed, size_t n)
{
    int_lanes some = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        byte_lanes bytes;
        memcpy(&bytes, allowed + j, sizeof bytes);
        int_lanes counts = __builtin_convertvector(bytes, int_lanes) != 0;
        some |= counts;
        store(x + j, choose(counts, load(x + j), all(-INFINITY)));
    }
    bool any = false;
    for (size_t l = 0; l < LANES; l++)
        any = any || some[l];
    for (; j < n; j++) {
        any = any || allowed[j];
        x[j] = allowed[j] ? x[j] : -INFINITY;
    }
    return any;
}

TARGET static float maximum(const float *x, size_t n)
{
    lanes most[VECTOR_PAD / LANES];
    enum { VECTORS = VECTOR_PAD / LANES };
    for (size_t v = 0; v < VECTORS; v++)
        most[v] = all(-INFINITY);
    for (size_t j = 0; j < n; j += VECTOR_PAD)
        for (size_t v = 0; v < VECTORS; v++) {
            lanes y = load(x + j + v * LANES);
            most[v] = choose(y > most[v], y, most[v]);
        }
    float max = -INFINITY;
    for (size_t v = 0; v < VECTORS; v++)
        for (size_t l = 0; l < LANES; l++)
            max = most[v][l] > max ? most[v][l] : max;
    return max;
}

/* e^x = 2^n e^r with n the whole number nearest x/ln 2, so |r| <= ln(2)/2, where a
 * polynomial of degree 6 is within 2^-28. Adding 1.5 2^23 rounds to n and leaves
 * it in the low bits, where a shift makes them the exponent of 2^(n - shrink).
 * ln 2 in two parts, the first short enough for n times it to be exact. */
INLINE lanes exponential(lanes x, int shrink)
{
    const float round = 0x1.8p23f + (float)(127 - shrink);
    const float least = -0.69314718f * (float)(126 - shrink);
    lanes shifted = x * 0x1.715476p+0f + round;
    lanes n = shifted - round;
    lanes r = x - n * 0x1.63p-1f;
    r = r - n * -0x1.bd0106p-13f;
    lanes p = 0x1.6a23ccp-10f * r + 0x1.123a20p-7f;
    p = p * r + 0x1.5558f2p-5f;
    p = p * r + 0x1.555492p-3f;
    p = p * r + 0x1.fffffcp-2f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    lanes power = (lanes)((int_lanes)shifted << 23);
    return (lanes)((int_lanes)(p * power) & ~(x < least));
}

TARGET static float exponentials(float *x, size_t n, float max, int shrink)
{
    lanes sum[VECTOR_PAD / LANES] = {0};
    for (size_t j = 0; j < n; j += VECTOR_PAD)
        for (size_t v = 0; v < VECTOR_PAD / LANES; v++) {
            lanes y = exponential(load(x + j + v * LANES) - max, shrink);
            store(x + j + v * LANES, y);
            sum[v] += y;
        }
    float total = 0;
    for (size_t v = 0; v < VECTOR_PAD / LANES; v++)
        for (size_t l = 0; l < LANES; l++)
            total += sum[v][l];
    return total;
}

TARGET static void scale(float *to, const float *from, size_t n, float factor)
{
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        store(to + j, factor * load(from + j));
    for (; j < n; j++)
        to[j] = factor * from[j];
}

TARGET static void add_scaled(float *to, const float *from, size_t n, float factor)
{
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        store(to + j, load(to + j) + factor * load(from + j));
    for (; j < n; j++)
        to[j] += factor * from[j];
}

const struct vector_kernels KERNELS = {
    .name = KERNELS_NAME,
    .multiply = multiply,
    .add_bias = add_bias,
    .hide = hide,
    .maximum = maximum,
    .exponentials = exponentials,
    .scale = scale,
    .add_scaled = add_scaled,
};
