/* vector_template.h - the bodies of vector_kernels.h, for one instruction set.
 *
 * The including file defines TARGET (an attribute), LANES (floats a register),
 * TILE_VECTORS (registers of a tile row), KERNELS and KERNELS_NAME, and where there is
 * an instruction for it LARGER(x, y): x where x > y, otherwise y, SMALLER, and what
 * else vector_lanes.h and vector_softmax.h look for. Compiled with -ffp-contract=fast,
 * so that a product and a sum become one instruction. */
#include "core/vector_kernels.h"

#include "vector_lanes.h"

#include "vector_pack.h"
#include "vector_softmax.h"
#include "vector_tile.h"

/* A score of -infinity would weigh 0 unseen, though it may be a sum that overflowed. */
INLINE lanes exposed(lanes x)
{
    return choose(x == all(-INFINITY), all(NAN), x);
}

static float exposed_number(float x)
{
    return x == -INFINITY ? NAN : x;
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
        store(x + j, choose(counts, exposed(load(x + j) + b), all(-INFINITY)));
    }
    bool any = ANY(some);
    for (; j < n; j++) {
        any = any || bias[j] > -INFINITY;
        x[j] = bias[j] > -INFINITY ? exposed_number(x[j] + bias[j]) : -INFINITY;
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
    bool any = ANY(some);
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
        store(x + j, exposed(load(x + j) - slope * away));
    }
    for (; j < n; j++)
        x[j] = exposed_number(x[j] - slope * fabsf(distance + (float)j));
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
    bool finite = !ANY(strange);
    for (; j < n; j++) {
        to[j] = factor * from[j];
        finite = finite && isfinite(to[j]);
    }
    return finite;
}

TARGET static bool scale_rows(float *to, size_t to_stride, const float *from,
                              size_t from_stride, size_t rows, size_t n,
                              const float *factor)
{
    const int_lanes infinity = (int_lanes)all(INFINITY);
    const size_t whole = n / LANES * LANES;
    int_lanes strange = {0};
    for (size_t i = 0; i < rows; i++, to += to_stride, from += from_stride) {
        if (factor[i] == 0.0f) {
            memset(to, 0, n * sizeof *to); /* +0, whatever the signs are */
            continue;
        }
        for (size_t c = 0; c < whole; c += LANES) {
            lanes x = factor[i] * load(from + c);
            strange |= ((int_lanes)x & infinity) == infinity; /* or a NaN */
            store(to + c, x);
        }
        if (whole < n) {
            lanes x = factor[i] * load_some(from + whole, n - whole);
            strange |= ((int_lanes)x & infinity) == infinity;
            store_some(to + whole, n - whole, x);
        }
    }
    return !ANY(strange);
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
    .pack_rows = pack_rows,
    .pack_columns = pack_columns,
    .add_bias = add_bias,
    .hide = hide,
    .expose = expose,
    .add_slope = add_slope,
    .cap = cap,
    .maximum = maximum,
    .exponentials = exponentials,
    .bound_rows = bound_rows,
    .exponential_rows = exponential_rows,
    .scale = scale,
    .scale_rows = scale_rows,
    .add_scaled = add_scaled,
};
