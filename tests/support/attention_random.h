/* attention_random.h - a valid attention request of any kind, drawn at random. */
#ifndef TESTS_SUPPORT_ATTENTION_RANDOM_H
#define TESTS_SUPPORT_ATTENTION_RANDOM_H

#include "base/arena.h"
#include "core/attention_input.h"
#include "support/attention_float64.h"
#include "support/test.h"

/* A request, and the sizes that were drawn for it; T and S, which counts the past, too,
 * differ by sequence. */
struct random_attention {
    struct attention_input input;
    struct float64_sizes sizes;
    size_t B, T[4], S[4];
};

/* All forms, ranks, biases, grouped heads, context, a past, every option but `method`,
 * and every way of looking; sequences of up to `longest` tokens, and pasts of as many.
 * Allocates from `arena`. */
struct random_attention random_attention(struct test_random *r, size_t longest,
                                         struct arena *arena);

/* The sizes of sequence `b`. */
struct float64_sizes random_attention_sizes(const struct random_attention *a, size_t b);

#endif
