/* linear_attention.h - a recurrent state instead of scores: the method "linear" with
 * the rules of the ONNX operator LinearAttention (opset 27).
 *
 * Of key head g at token t, with S_t [dk][dv] and everything else a row:
 *
 *     linear       S_t = S_(t-1) + k_t^T v_t               Katharopoulos et al. 2020
 *     gated        S_t = diag(exp(decay_t)) S_(t-1) + k_t^T v_t        Yang et al. 2024
 *     delta        S_t = S_(t-1) + beta_t k_t^T (v_t - k_t S_(t-1))    Schlag et al.
 * 2021 gated_delta  D = diag(exp(decay_t)) S_(t-1),                     Yang et al.
 * 2025 S_t = D + beta_t k_t^T (v_t - k_t D) out[h,t,:] = scale q_t S_t g = h / (H / G)
 *
 * `decay` is one number a key channel or a key head, `beta` one a key head or a token;
 * S_0 is `before`. Token t sees the keys up to its own one, so T = S, and with or
 * without `causal` the answer is the same. There are no weights, so no maps. */
#ifndef CORE_LINEAR_ATTENTION_H
#define CORE_LINEAR_ATTENTION_H

#include "core/attention.h"

/* Parameters in a->method: rule, decay, beta, before, after. A tile is some value
 * channels of one key head over all tokens; its state is in the scratch. */
extern const struct attention_kernel linear_attention;

#endif
