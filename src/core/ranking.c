/* The numbers become whole ones that are ordered alike, of which the worst that is
 * still good enough is found bit by bit: each bit takes one count by vectors. */
#include "core/ranking.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANES = 4 }; /* of the vectors that every processor has */

typedef float numbers __attribute__((vector_size(4 * LANES)));
typedef int32_t keys __attribute__((vector_size(4 * LANES)));
typedef int32_t key __attribute__((may_alias)); /* in room for ranks */

static keys load(const key *at)
{
    keys k;
    memcpy(&k, at, sizeof k);
    return k;
}

/* Ordered as x is: the bits of a negative number are turned round, but for the sign. */
static key key_of(float x)
{
    int32_t bits = INT32_MAX;
    if (!isnan(x)) {
        x += 0.0f; /* -0 becomes 0 */
        memcpy(&bits, &x, sizeof bits);
        bits ^= bits < 0 ? INT32_MAX : 0;
    }
    return bits;
}

static void order(const float *x, size_t count, key *to)
{
    size_t j = 0;
    for (; j + LANES <= count; j += LANES) {
        numbers n;
        memcpy(&n, x + j, sizeof n);
        keys strange = n != n, /* NOLINT(misc-redundant-expression): a NaN */
            bits = (keys)(n + 0.0f);
        bits ^= (bits < 0) & INT32_MAX;
        bits = (strange & INT32_MAX) | (~strange & bits);
        memcpy(to + j, &bits, sizeof bits);
    }
    for (; j < count; j++)
        to[j] = key_of(x[j]);
}

/* How many keys are `least` or more. */
static size_t count_from(const key *k, size_t count, int32_t least)
{
    keys below[4] = {{0}};
    const keys all = {least, least, least, least};
    size_t j = 0, found = 0;
    for (; j + (size_t)4 * LANES <= count; j += (size_t)4 * LANES) {
        below[0] += all > load(k + j);
        below[1] += all > load(k + j + LANES);
        below[2] += all > load(k + j + (size_t)2 * LANES);
        below[3] += all > load(k + j + (size_t)3 * LANES);
    }
    below[0] += below[1] + below[2] + below[3]; /* each a count times -1 */
    for (size_t l = 0; l < LANES; l++)
        found += (size_t)-below[0][l];
    for (; j < count; j++)
        found += k[j] < least;
    return count - found;
}

/* The `most` best are the keys above `least`, and the first `equal` that are it. */
struct cut {
    int32_t least;
    size_t equal;
};

static struct cut find_cut(const key *k, size_t count, size_t most)
{
    uint32_t least = 0, sign = 0x80000000u;
    for (uint32_t bit = sign; bit; bit >>= 1) {
        size_t found = count_from(k, count, (int32_t)((least | bit) ^ sign));
        least |= found >= most ? bit : 0;
        if (found == most)
            return (struct cut){(int32_t)(least ^ sign), count};
    }
    struct cut cut = {(int32_t)(least ^ sign), most};
    if (cut.least < INT32_MAX)
        cut.equal -= count_from(k, count, cut.least + 1);
    return cut;
}

/* Whether the next key is one of the best. */
static bool is_best(struct cut *cut, key k)
{
    if (k != cut->least)
        return k > cut->least;
    return cut->equal > 0 && cut->equal-- > 0;
}

uint64_t ranking_rank(float x, size_t index)
{
    uint32_t bits = (uint32_t)key_of(x) ^ 0x80000000u;
    return (uint64_t)bits << 32 | (UINT32_MAX - (uint32_t)index);
}

size_t ranking_index(uint64_t rank)
{
    return UINT32_MAX - (uint32_t)rank;
}

void ranking_best(const float *x, size_t count, size_t most, uint64_t *best)
{
    key *k = (key *)best + count; /* behind the ranks until the last one is written */
    order(x, count, k);
    struct cut cut = find_cut(k, count, most);
    for (size_t j = 0, found = 0; found < most; j++)
        if (is_best(&cut, k[j]))
            best[found++] = ranking_rank(x[j], j);
}

void ranking_hide(float *x, size_t count, size_t most, uint64_t *room)
{
    key *k = (key *)room;
    order(x, count, k);
    struct cut cut = find_cut(k, count, most);
    for (size_t j = 0; j < count; j++)
        x[j] = k[j] < cut.least ? -INFINITY : x[j];
    for (size_t j = 0; cut.equal < count && j < count; j++)
        if (!is_best(&cut, k[j]))
            x[j] = -INFINITY;
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

/* A heap with the worst on top, which goes to the end. */
void ranking_sort(uint64_t *best, size_t most)
{
    for (size_t at = most / 2; at-- > 0;)
        sink(best, most, at, best[at]);
    for (size_t left = most; left-- > 1;) {
        uint64_t last = best[left];
        best[left] = best[0];
        sink(best, left, 0, last);
    }
}
