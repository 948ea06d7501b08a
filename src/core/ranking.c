/* A heap whose worst number is on top: a better one takes its place. */
#include "core/ranking.h"

#include <math.h>
#include <string.h>

uint64_t ranking_rank(float x, size_t index)
{
    uint32_t bits = UINT32_MAX;
    if (!isnan(x)) {
        x += 0.0f; /* -0 becomes 0 */
        memcpy(&bits, &x, sizeof bits);
        bits = bits >> 31 ? ~bits : bits | 0x80000000u; /* as whole numbers order */
    }
    return (uint64_t)bits << 32 | (UINT32_MAX - (uint32_t)index);
}

size_t ranking_index(uint64_t rank)
{
    return UINT32_MAX - (uint32_t)rank;
}

/* Moves `rank` down from place `at` until none below it is worse. */
static void sink(uint64_t *heap, size_t count, size_t at, uint64_t rank)
{
    for (;;) {
        size_t worse = 2 * at + 1;
        if (worse >= count)
            break;
        if (worse + 1 < count && heap[worse + 1] < heap[worse])
            worse++;
        if (heap[worse] >= rank)
            break;
        heap[at] = heap[worse];
        at = worse;
    }
    heap[at] = rank;
}

void ranking_best(const float *x, size_t count, size_t most, uint64_t *best)
{
    for (size_t j = 0; j < most; j++)
        best[j] = ranking_rank(x[j], j);
    for (size_t at = most / 2; at-- > 0;)
        sink(best, most, at, best[at]);
    for (size_t j = most; j < count; j++) {
        uint64_t rank = ranking_rank(x[j], j);
        if (rank > best[0])
            sink(best, most, 0, rank);
    }
}

void ranking_sort(uint64_t *best, size_t most)
{
    for (size_t left = most; left-- > 1;) {
        uint64_t last = best[left];
        best[left] = best[0];
        sink(best, left, 0, last);
    }
}
