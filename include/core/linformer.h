/* linformer.h - keys and values projected along the sequence: the method "linformer".
 *
 *     out[h] = softmax(scale Q[h] (E K[g])^T) F V[g]              g = h / (H / G)
 *
 * with E and F [k][S], which are given or drawn: e[r][j] = N(random_stream(seed, 2 r),
 * j) / sqrt(k), f[r][j] the same of 2 r + 1, where N(stream, j) is random_normal().
 * They are the same for all heads. Work and maps ([T][k] a head) grow with T k and S k.
 * Exact when E = F = I. Wang et al., "Linformer: self-attention with linear complexity"
 * (2020), equation 7. */
#ifndef CORE_LINFORMER_H
#define CORE_LINFORMER_H

#include "core/attention.h"

/* Parameters in a->method: rank, e and f or seed. Rows of `maps` and `mean_map` are
 * `rank` numbers. A pack is some rows of E and F, a tile some queries of a head or,
 * with `mean_map`, of all heads. */
extern const struct attention_kernel linformer;

#endif
