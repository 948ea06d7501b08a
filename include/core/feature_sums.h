/* feature_sums.h - sums over keys by their features, as far as the keys are seen; see
 * feature_attention.h. */
#ifndef CORE_FEATURE_SUMS_H
#define CORE_FEATURE_SUMS_H

#include "core/attention.h"
#include "core/vector_kernels.h"

enum {
    FEATURE_ROWS = 32 /* queries or keys whose features exist at a time */
};

/* Those over the first `seen` keys of key head g, for some channels of the values. */
struct feature_sums {
    const struct attention *a;
    const struct vector_kernels *vector;
    size_t g, seen;
    size_t channel, width; /* of the values: from which on, and how many */
    size_t count;          /* features */
    float *largest;        /* [count]: M_r; -INFINITY before the first key */
    float *sums;           /* [count][width + 1]: u_r, then z_r */
    size_t held;           /* the first key whose features are in `ahead` */
    float *ahead;          /* [FEATURE_ROWS][padded count] */
    float *row;            /* [width + 1]: of the values, while a key is added */
};

size_t feature_sums_bytes(const struct attention *a, size_t width);

/* Sums over no key, in `scratch` of feature_sums_bytes(a, width) bytes. */
struct feature_sums feature_sums_begin(const struct attention *a, size_t g,
                                       size_t channel, size_t width, void *scratch);

/* Adds the packed chunks that the first `keys` keys hold as a whole. */
void feature_sums_add_chunks(struct feature_sums *s, const float *packed, size_t keys);

/* Adds one key after another until `keys` are seen. */
void feature_sums_add_keys(struct feature_sums *s, size_t keys);

/* to[i][r] = log phi_r of `rows` rows of queries or keys, which for performer are
 * turned by `factor` and lack -|x|^2 / 2. Rows of `to` have the padded count. */
void feature_logarithms(const struct attention *a, const float *x, size_t stride,
                        size_t rows, float factor, float *to);

#endif
