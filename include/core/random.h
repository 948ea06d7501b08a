/* random.h - numbers that look random and depend on a seed and a place alone.
 *
 * Number n of a stream is the output function of SplitMix64 (Steele, Lea and Flood,
 * "Fast splittable pseudorandom number generators", 2014) of the state that n + 1
 * steps lead to, so any number can be had without those before it, by any thread:
 *
 *     z = stream + (n + 1) 0x9E3779B97F4A7C15
 *     z = (z xor z >> 30) 0xBF58476D1CE4E5B9
 *     z = (z xor z >> 27) 0x94D049BB133111EB
 *     bits(n) = z xor z >> 31                                     all modulo 2^64 */
#ifndef CORE_RANDOM_H
#define CORE_RANDOM_H

#include <stdint.h>

uint64_t random_bits(uint64_t stream, uint64_t n);

/* A stream for one purpose out of the many that one seed serves: bits(which) of the
 * stream `seed`. */
uint64_t random_stream(uint64_t seed, uint64_t which);

/* From 0 to below `count`, at least 1: the upper half of bits(n) count, by 128 bits.
 * Off from even by less than count / 2^64. */
uint64_t random_below(uint64_t stream, uint64_t n, uint64_t count);

/* Standard normal numbers 2 p and 2 p + 1 of a stream, by Box and Muller (1958): with u
 * the upper 53 bits of bits(2 p), plus one, and v those of bits(2 p + 1), both times
 * 2^-53, sqrt(-2 ln u) times cos(2 pi v) and sin(2 pi v). */
void random_normal_pair(uint64_t stream, uint64_t p, double pair[2]);

/* Number n of them. */
double random_normal(uint64_t stream, uint64_t n);

#endif
