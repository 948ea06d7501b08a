/* feature_attention.h - attention through positive features of queries and keys: the
 * method "performer", and "linear" with the rule elu.
 *
 *     out[h,i,:] = sum_j phi(q_i) . phi(k_j) v_j / sum_j phi(q_i) . phi(k_j)
 *
 * over all keys j, or with `causal` over those with j <= i + offset; 0 where there are
 * none. The work grows with T and S, not with their product.
 *
 * Rule elu, Katharopoulos et al., "Transformers are RNNs" (2020), equation 7, without
 * scale:
 *
 *     phi_r(x) = elu(x_r) + 1 = x_r > 0 ? x_r + 1 : exp(x_r),   r < dk
 *
 * Performer, Choromanski et al., "Rethinking attention with Performers" (2021), lemma 1
 * (FAVOR+):
 *
 *     phi_r(x) = exp(w_r . x - |x|^2 / 2),   r < features
 *
 * of x = sqrt|scale| k and x = sqrt|scale| q (-q where scale is negative), so that the
 * mean over r of phi(q) . phi(k) is exp(scale q . k) in expectation.
 *
 * Features are kept as logarithms, and each has a largest one M_r of its own taken out
 * of its sums over the keys: with z_r = sum_j exp(log phi_r(k_j) - M_r) and
 * u_r = sum_j exp(log phi_r(k_j) - M_r) v_j,
 *
 *     out[h,i,:] = sum_r p_r u_r / sum_r p_r z_r
 *     log p_r = log phi_r(q_i) + M_r - max
 *
 * where neither sum of positive numbers can vanish; it stands for the stabilisers of
 * the paper and needs no epsilon. */
#ifndef CORE_FEATURE_ATTENTION_H
#define CORE_FEATURE_ATTENTION_H

#include "base/arena.h"
#include "core/attention.h"

/* Parameters in a->method: name; features and feature (performer). A pack sums up some
 * keys of a key head by some features; a tile is some queries of the heads of a key
 * head, or of some of them and some channels of the values where that is much work: it
 * puts the sums before them together and, with `causal`, goes on key by key. */
extern const struct attention_kernel feature_attention;

/* Most blocks of orthogonal features are this large, or dk where that is less. */
enum { FEATURE_BLOCK = 64 };

/* The w_r [features][dk] of performer, in `arena`; NULL with `e` set when that is
 * spent. They are drawn in blocks of min(dk, FEATURE_BLOCK) rows, the last one shorter:
 * row r has the direction of d(r)[c] = random_normal(random_stream(seed, 2 r), c) made
 * orthogonal to the rows before it in its block (Gram and Schmidt, twice), and the
 * length of the vector random_normal(random_stream(seed, 2 r + 1), c), c < dk: each row
 * alone is N(0, I). */
MUST_USE const float *feature_attention_draw(size_t features, size_t dk, uint64_t seed,
                                             struct arena *arena, struct error *e);

#endif
