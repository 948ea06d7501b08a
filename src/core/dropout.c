#include "core/dropout.h"

#include <math.h>

static uint64_t next(uint64_t state, uint64_t n)
{
    uint64_t z = state + (n + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t row_state(const struct dropout_view *d, size_t h, size_t i)
{
    return next(next(next(d->seed, d->batch), h), i);
}

/* The cells' numbers below this are dropped; they are whole, so rounding up is exact.
 */
static uint32_t threshold(const struct dropout_view *d)
{
    double exact = (double)d->rate * 0x1p24;
    uint32_t below = (uint32_t)exact;
    return below + ((double)below < exact);
}

bool dropout_drops(const struct dropout_view *d, size_t h, size_t i, size_t j)
{
    return (uint32_t)(next(row_state(d, h, i), j) >> 40) < threshold(d);
}

void dropout_zero(const struct dropout_view *d, size_t h, size_t i, size_t j, float *x,
                  size_t count)
{
    uint64_t row = row_state(d, h, i);
    uint32_t below = threshold(d);
    for (size_t n = 0; n < count; n++)
        if ((uint32_t)(next(row, j + n) >> 40) < below && x[n] > -INFINITY)
            x[n] = 0.0f;
}
