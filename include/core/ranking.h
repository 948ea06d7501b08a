/* ranking.h - the largest numbers of a row, of equal ones the first. */
#ifndef CORE_RANKING_H
#define CORE_RANKING_H

#include <stddef.h>
#include <stdint.h>

/* Whole numbers ordered as the cells are: the larger the better. -0 equals 0, and a
 * NaN is better than any number, so that it is not lost. index below 2^32. */
uint64_t ranking_rank(float x, size_t index);
size_t ranking_index(uint64_t rank);

/* The ranks of the `most` best of count >= most >= 1 numbers, in the order of their
 * indices. There is room for `count` ranks. */
void ranking_best(const float *x, size_t count, size_t most, uint64_t *best);

/* Makes all numbers -INFINITY but the `most` best ones. */
void ranking_hide(float *x, size_t count, size_t most, uint64_t *room);

/* Orders what ranking_best() filled, the best first. */
void ranking_sort(uint64_t *best, size_t most);

#endif
