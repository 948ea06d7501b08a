/* feature_packs.h - the features of keys, and a kernel's packs of them: sums over
 * chunks of FEATURE_CHUNK keys; see feature_attention.h. */
#ifndef CORE_FEATURE_PACKS_H
#define CORE_FEATURE_PACKS_H

#include "core/attention.h"

enum {
    FEATURE_CHUNK = 256 /* keys of a pack, queries of a tile */
};

/* Multiply-adds of a pack or a tile, beyond which it is cut: some 20 to 50 ms where
 * rows are one at a time, as they are with `causal`. */
#define FEATURE_MOST_WORK 3e8

bool feature_is_performer(const struct attention *a);

/* Features of a query or a key. */
size_t feature_count(const struct attention *a);

/* Chunks of n keys or queries. */
size_t feature_chunks(size_t n);

/* log(elu(x) + 1). */
float feature_log_elu(float x);

/* -|x|^2 / 2 of a key [dk], which its features have in common; 0 for elu. */
float feature_log_norm(const struct attention *a, const float *key);

/* What is packed of chunk `n` of the keys of key head g: [features] logarithms of the
 * sums of its features, then [features][dv] means of its values by each feature. */
const float *feature_packed_chunk(const struct attention *a, const float *packed,
                                  size_t g, size_t n);

/* As in struct attention_kernel. A pack sums up a chunk by some of the features. */
size_t feature_packed_bytes(const struct attention *a);
size_t feature_packs(const struct attention *a);
void feature_pack(const struct attention *a, size_t index, void *packed);

#endif
