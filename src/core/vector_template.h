/* vector_template.h - the bodies of vector_kernels.h, for one instruction set.
 *
 * The including file defines TARGET (an attribute), LANES (floats a register),
 * TILE_VECTORS (registers of a tile row), KERNELS and KERNELS_NAME, and where there is
 * an instruction for it LARGER(x, y): x where x > y, otherwise y, and SMALLER. Compiled
 * with -ffp-contract=fast, so that a product and a sum become one instruction. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/vector_kernels.h"

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t int_lanes __attribute__((vector_size(4 * LANES)));
typedef uint8_t byte_lanes __attribute__((vector_size(LANES)));

/* Independent sums or maxima: in one, each step would wait for the one before. */
enum { CHAINS = 64 / LANES };

/* EACH is a loop over a constant that must vanish, or `sum` below would be memory. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `i` is declared */
#if defined __clang__
#define EACH(i, count) \
    _Pragma("clang loop unroll(full)") for (size_t i = 0; i < (count); i++)
#define EACH_PAIRED(i, count) \
    _Pragma("clang loop unroll_count(2)") for (size_t i = 0; i < (count); i++)
#else
#define EACH(i, count) _Pragma("GCC unroll 16") for (size_t i = 0; i < (count); i++)
#define EACH_PAIRED(i, count) \
    _Pragma("GCC unroll 2") for (size_t i = 0; i < (count); i++)
#endif
/* NOLINTEND(bugprone-macro-parentheses) */

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

#if !defined LARGER
#define LARGER(x, y)  choose((x) > (y), x, y)
#define SMALLER(x, y) choose((x) < (y), x, y)
#endif

/* `vectors` is a constant where this is inlined. */
INLINE void tile(const struct tile_product *p, size_t column, const size_t vectors)
{
    lanes sum[TILE_ROWS][TILE_VECTORS];
    EACH (i, TILE_ROWS)
        EACH (v, vectors)
            sum[i][v] = all(-0.0f); /* so that a sum of -0 alone stays one */

    const float *a = p->a, *b = p->b + column, *next = p->next;
    const size_t a_stride = p->a_stride, b_stride = p->b_stride;
    EACH_PAIRED (k, p->depth) {
        __builtin_prefetch(next + k * VECTOR_PAD);
        EACH (i, TILE_ROWS)
            EACH (v, vectors)
                sum[i][v] += a[i * a_stride + k] * load(b + k * b_stride + v * LANES);
    }

    float *c = p->c + column;
    const size_t c_stride = p->c_stride;
    const float factor = p->factor;
    EACH (i, TILE_ROWS)
        EACH (v, vectors)
            sum[i][v] *= factor;
    if (p->add)
        EACH (i, TILE_ROWS)
            EACH (v, vectors)
                sum[i][v] += load(c + i * c_stride + v * LANES);
    EACH (i, TILE_ROWS)
        EACH (v, vectors)
            store(c + i * c_stride + v * LANES, sum[i][v]);
}

TARGET static void multiply(const struct tile_product *p)
{
    size_t column = 0;
    for (; column + (size_t)TILE_VECTORS * LANES <= p->width;
         column += (size_t)TILE_VECTORS * LANES)
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

/* A score of -infinity would weigh 0 unseen, though it may be a sum that overflowed. */
INLINE lanes exposed(lanes x)
{
    return choose(x == all(-INFINITY), all(NAN), x);
}

/* A sum of a finite score and a finite number: -infinity would mean hidden. In this
 * order a NaN stays one. */
INLINE lanes saturated(lanes x)
{
    const lanes least = all(-FLT_MAX);
    return LARGER(least, x);
}

static float exposed_number(float x)
{
    return x == -INFINITY ? NAN : x;
}

static float saturated_number(float x)
{
    return -FLT_MAX > x ? -FLT_MAX : x;
}

TARGET static void expose(float *x, size_t n)
{
    for (size_t j = 0; j < n; j += LANES)
        store(x + j, exposed(load(x + j)));
}

TARGET static bool add_bias(float *x, const float *bias, size_t n)
{
    int_lanes some = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        lanes b = load(bias + j);
        int_lanes counts = b > -INFINITY;
        some |= counts;
        lanes sum = saturated(exposed(load(x + j)) + b);
        store(x + j, choose(counts, sum, all(-INFINITY)));
    }
    bool any = false;
    for (size_t l = 0; l < LANES; l++)
        any = any || some[l];
    for (; j < n; j++) {
        any = any || bias[j] > -INFINITY;
        x[j] = bias[j] > -INFINITY ? saturated_number(exposed_number(x[j]) + bias[j])
                                   : -INFINITY;
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
        store(x + j, choose(counts, exposed(load(x + j)), all(-INFINITY)));
    }
    bool any = false;
    for (size_t l = 0; l < LANES; l++)
        any = any || some[l];
    for (; j < n; j++) {
        any = any || allowed[j];
        x[j] = allowed[j] ? exposed_number(x[j]) : -INFINITY;
    }
    return any;
}

/* Distances are whole numbers, exact in float32. */
TARGET static void add_slope(float *x, size_t n, float slope, float distance)
{
    lanes step = {0};
    for (size_t l = 0; l < LANES; l++)
        step[l] = (float)l;
    const int_lanes magnitude = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        lanes away = all(distance + (float)j) + step;
        away = (lanes)((int_lanes)away & (magnitude + INT32_MAX));
        store(x + j, saturated(load(x + j) - slope * away));
    }
    for (; j < n; j++)
        x[j] = saturated_number(x[j] - slope * fabsf(distance + (float)j));
}

INLINE float larger(float x, float y)
{
    return x > y ? x : y;
}

INLINE float largest_lane(lanes x)
{
    float lane[LANES];
    store(lane, x);
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] = larger(lane[l], lane[l + half]);
    return lane[0];
}

INLINE float range(const float *x, size_t n, float *least)
{
    lanes most[CHAINS], fewest[CHAINS];
    EACH (v, CHAINS) {
        most[v] = all(-INFINITY);
        fewest[v] = all(INFINITY);
    }
    size_t j = 0;
    for (; j + 64 <= n; j += 64)
        EACH (v, CHAINS) {
            lanes y = load(x + j + v * LANES);
            most[v] = LARGER(y, most[v]);
            fewest[v] = SMALLER(y, fewest[v]);
        }
    for (; j < n; j += LANES) {
        most[0] = LARGER(load(x + j), most[0]);
        fewest[0] = SMALLER(load(x + j), fewest[0]);
    }
    for (size_t v = 1; v < CHAINS; v++) {
        most[0] = LARGER(most[v], most[0]);
        fewest[0] = SMALLER(fewest[v], fewest[0]);
    }

    *least = -largest_lane(-fewest[0]);
    return largest_lane(most[0]);
}

TARGET static float maximum(const float *x, size_t n)
{
    float least;
    return range(x, n, &least);
}

TARGET static float extremes(const float *x, size_t n, float *least)
{
    return range(x, n, least);
}

/* e^x = 2^n 2^r with t = x/ln 2, n the whole number nearest to it and r = t - n. Adding
 * 1.5 2^23 rounds to n and leaves it in the low bits, where a shift makes them the
 * exponent of 2^(n - 1 - shrink); the polynomial of degree 5 is twice 2^r, to 2^-23.1,
 * so that the smallest result is not a denormal number, which would be slow to go on
 * with. At `least` the exponent's bits are 0, and so is the result. */
INLINE lanes exponential(lanes x, int shrink)
{
    const float round = 0x1.8p23f + (float)(126 - shrink);
    const lanes least = all(-0.69314718f * (float)(126 - shrink));
    x = LARGER(least, x); /* in this order a NaN stays one */
    lanes shifted = x * 0x1.715476p+0f + round;
    lanes r = x * 0x1.715476p+0f - (shifted - round);
    lanes p = 0x1.5bb9f0p-9f * r + 0x1.3ceaa0p-6f;
    p = p * r + 0x1.c6b754p-4f;
    p = p * r + 0x1.ebf9bcp-2f;
    p = p * r + 0x1.62e42ap+0f;
    p = p * r + 2.0f;
    return p * (lanes)((int_lanes)shifted << 23);
}

/* tanh y = (1 - e^-2y) / (1 + e^-2y), where y is small a polynomial in y^2, because
 * there the difference would cancel. */
INLINE lanes hyperbolic_tangent(lanes y)
{
    const int_lanes sign = (int_lanes)y & (int_lanes)all(-0.0f);
    lanes size = (lanes)((int_lanes)y ^ sign), z = y * y;
    lanes e = exponential(-2.0f * size, 0);
    lanes large = (1.0f - e) / (1.0f + e);
    lanes p = -0x1.8c2d0cp-8f * z + 0x1.576e30p-6f;
    p = p * z - 0x1.b91582p-5f;
    p = p * z + 0x1.110dd8p-3f;
    p = p * z - 0x1.555552p-2f;
    lanes small = size + size * z * p;
    return (lanes)((int_lanes)choose(size < 0.6f, small, large) | sign);
}

TARGET static void cap(float *x, size_t n, float softcap)
{
    for (size_t j = 0; j < n; j += LANES)
        store(x + j, softcap * hyperbolic_tangent(load(x + j) / softcap));
}

TARGET static float exponentials(float *x, size_t n, float max, int shrink,
                                 const float *next)
{
    lanes sum[CHAINS] = {0};
    size_t j = 0;
    for (; j + 64 <= n; j += 64)
        EACH (v, CHAINS) {
            lanes y = exponential(load(x + j + v * LANES) - max, shrink);
            if (v * LANES % VECTOR_PAD == 0)
                __builtin_prefetch(next + j + v * LANES);
            store(x + j + v * LANES, y);
            sum[v] += y;
        }
    for (; j < n; j += LANES) {
        lanes y = exponential(load(x + j) - max, shrink);
        store(x + j, y);
        sum[0] += y;
    }
    for (size_t v = 1; v < CHAINS; v++)
        sum[0] += sum[v];
    const size_t quarter = LANES / 4;
    float lane[LANES];
    store(lane, sum[0]);
    for (size_t l = 0; l < quarter; l++)
        lane[l] = (lane[l] + lane[l + quarter]) +
                  (lane[l + 2 * quarter] + lane[l + 3 * quarter]);
    for (size_t l = 1; l < quarter; l++)
        lane[0] += lane[l];
    return lane[0];
}

TARGET static bool scale(float *to, const float *from, size_t n, float factor)
{
    const int_lanes infinity = (int_lanes)all(INFINITY);
    int_lanes strange = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        lanes x = factor * load(from + j);
        strange |= ((int_lanes)x & infinity) == infinity; /* or a NaN */
        store(to + j, x);
    }
    bool finite = largest_lane((lanes)(strange & (int_lanes)all(1.0f))) == 0.0f;
    for (; j < n; j++) {
        to[j] = factor * from[j];
        finite = finite && isfinite(to[j]);
    }
    return finite;
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
    .expose = expose,
    .add_slope = add_slope,
    .cap = cap,
    .maximum = maximum,
    .extremes = extremes,
    .exponentials = exponentials,
    .scale = scale,
    .add_scaled = add_scaled,
};
