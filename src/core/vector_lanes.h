/* vector_lanes.h - registers of LANES floats; part of vector_template.h. */
#ifndef CORE_VECTOR_LANES_H
#define CORE_VECTOR_LANES_H
#include <float.h>
#include <math.h>
#include <string.h>

typedef float quad __attribute__((vector_size(16)));
typedef int32_t int_quad __attribute__((vector_size(16)));
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

/* Every fourth number of LOW is from every fourth of `x`, and so on: what two rounds of
 * these make of 4 registers is each 4 x 4 block of them transposed. */
#if LANES == 16
#define LOW(x, y)                                                                   \
    __builtin_shufflevector(x, y, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, \
                            13, 29)
#define HIGH(x, y)                                                                    \
    __builtin_shufflevector(x, y, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, \
                            15, 31)
#elif LANES == 8
#define LOW(x, y)  __builtin_shufflevector(x, y, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH(x, y) __builtin_shufflevector(x, y, 2, 10, 3, 11, 6, 14, 7, 15)
#else
#define LOW(x, y)  QUAD_LOW(x, y)
#define HIGH(x, y) QUAD_HIGH(x, y)
#endif
#define QUAD_LOW(x, y)  __builtin_shufflevector(x, y, 0, 4, 1, 5)
#define QUAD_HIGH(x, y) __builtin_shufflevector(x, y, 2, 6, 3, 7)
#define QUAD(x, n) \
    __builtin_shufflevector(x, x, 4 * (n), 4 * (n) + 1, 4 * (n) + 2, 4 * (n) + 3)

INLINE void transpose_quads(quad q[4])
{
    quad ac_low = QUAD_LOW(q[0], q[2]), ac_high = QUAD_HIGH(q[0], q[2]);
    quad bd_low = QUAD_LOW(q[1], q[3]), bd_high = QUAD_HIGH(q[1], q[3]);
    q[0] = QUAD_LOW(ac_low, bd_low);
    q[1] = QUAD_HIGH(ac_low, bd_low);
    q[2] = QUAD_LOW(ac_high, bd_high);
    q[3] = QUAD_HIGH(ac_high, bd_high);
}

INLINE quad larger_quad(quad x, quad y)
{
    int_quad mask = x > y;
    return (quad)((mask & (int_quad)x) | (~mask & (int_quad)y));
}

#if !defined ANY /* of a mask's lanes */
INLINE bool some_lane(int_lanes mask)
{
    int32_t any = 0;
    for (size_t l = 0; l < LANES; l++)
        any |= mask[l];
    return any;
}
#define ANY(mask) some_lane(mask)
#endif

INLINE int_lanes from_zero(void)
{
#if LANES == 16
    return (int_lanes){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif LANES == 8
    return (int_lanes){0, 1, 2, 3, 4, 5, 6, 7};
#else
    return (int_lanes){0, 1, 2, 3};
#endif
}

/* The first `count` numbers, and 0 in the other lanes. */
INLINE lanes load_some(const float *at, size_t count)
{
#if defined LOAD_SOME
    return LOAD_SOME(at, count);
#else
    lanes x = {0};
    for (size_t l = 0; l < count; l++)
        x[l] = at[l];
    return x;
#endif
}

INLINE void store_some(float *at, size_t count, lanes x)
{
#if defined STORE_SOME
    STORE_SOME(at, count, x);
#else
    for (size_t l = 0; l < count; l++)
        at[l] = x[l];
#endif
}

#endif
