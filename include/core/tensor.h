/* tensor.h - numbers and the extents they are laid out in. */
#ifndef CORE_TENSOR_H
#define CORE_TENSOR_H

#include <stddef.h>

enum { TENSOR_MAX_RANK = 4 };

/* Dense, row-major float32. The numbers are borrowed: they live in the arena
 * of the request. Rank 0 means: not given. */
struct tensor {
    const float *data;
    size_t rank;
    size_t extent[TENSOR_MAX_RANK]; /* outermost first; each at least 1 */
};

/* Product of the extents; 0 for a tensor that was not given. A decoder has
 * made sure that the product fits. */
size_t tensor_count(const struct tensor *t);

#endif
