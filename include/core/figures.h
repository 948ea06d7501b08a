/* figures.h - numbers about the weights: entropy, and statistics of a head.
 *
 * A row is given in runs of neighbouring keys; keys that are left out weigh 0. */
#ifndef CORE_FIGURES_H
#define CORE_FIGURES_H

#include "core/attention.h"

/* Sums over one row, or over the rows of a part; `statistics` and `received` of
 * attention.h say what each is. */
struct row_figures {
    struct head_statistics sums; /* rows apart */
    float *received;             /* [S], or NULL: not wanted */
    ptrdiff_t own;               /* i + offset */
};

/* Adds `factor` times weights[n] as the weights of keys `key` + n. */
void row_figures_add(struct row_figures *f, size_t key, const float *weights,
                     size_t count, float factor);

/* Writes the two numbers of `entropy` for a row that `visible` keys are allowed in. */
void row_entropy_write(float entropy[2], double sum, size_t visible);

/* Adds the row's sums to those of its part. */
void head_statistics_add(struct head_statistics *part,
                         const struct head_statistics *row);

/* Of one head, when every tile has run: adds its `parts` in their order. `mean`: all
 * sums divided by `rows`, 0 when there are none; `received`: [S]. NULL: not wanted,
 * nor is what it is made from then needed. */
void head_statistics_sum(const struct attention *a, size_t parts, size_t h,
                         struct head_statistics *mean, float *received);

#endif
