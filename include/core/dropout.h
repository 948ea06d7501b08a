/* dropout.h - which cells are dropped: a hash of where they stand, so that anybody can
 * find the same ones, in any order.
 *
 * All numbers are unsigned, of 64 bits, and wrap around:
 *
 *     mix(z):  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
 *              z = (z ^ (z >> 27)) * 0x94D049BB133111EB
 *              z ^ (z >> 31)
 *     next(state, n) = mix(state + (n + 1) * 0x9E3779B97F4A7C15)
 *
 *     row  = next(next(next(seed, batch), h), i)
 *     cell = next(row, j)
 *     dropped when (cell >> 40) < rate * 2^24
 *
 * where the product is exact, as `rate` is a float32. mix is the finalizer of
 * SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
 * Generators", 2014). */
#ifndef CORE_DROPOUT_H
#define CORE_DROPOUT_H

#include "core/attention.h"

bool dropout_drops(const struct dropout_view *d, size_t h, size_t i, size_t j);

/* x[n] = 0 where cell (h, i, j + n) is dropped, for `count` cells of a row; what is
 * -INFINITY or no number stays so. */
void dropout_zero(const struct dropout_view *d, size_t h, size_t i, size_t j, float *x,
                  size_t count);

#endif
