/* size.h - arithmetic of sizes. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stddef.h>

static inline size_t size_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t size_most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* n / by, rounded up. `by` is not 0. */
static inline size_t size_divided_up(size_t n, size_t by)
{
    return n / by + (n % by != 0);
}

#endif
