/* attention_float64.h - an attention layer in float64, straight from the formulas.
 *
 * Shares nothing with src/: it reads the input by its own index arithmetic, so that
 * a mistake in the plan and in the kernels cannot hide here as well. Every option but
 * `method`. */
#ifndef TESTS_SUPPORT_ATTENTION_FLOAT64_H
#define TESTS_SUPPORT_ATTENTION_FLOAT64_H

#include "core/attention_input.h"

/* Sizes of one sequence, told by whoever made the input. S counts the P keys of the
 * past, too. */
struct float64_sizes {
    size_t T, S, P, H, G, dk, dv, d, dc, output_width;
};

/* Means over the rows of a head that have an allowed key. */
struct float64_statistics {
    double rows, entropy, maximum, distance, first, own, previous, next;
};

/* Owned, on the heap. */
struct float64_answer {
    double *query, *key, *value; /* turned, joined: [H][T][dk], [G][S][d] */
    double *scores, *capped, *biased, *weights; /* [H][T][S] */
    double *lse;                                /* [H][T] */
    double *entropy;                            /* [H][T][2] */
    double *received;                           /* [H][S] */
    struct float64_statistics *statistics;      /* [H] */
    double *heads;                              /* [H][T][dv], before they are joined */
    double *output; /* [T][output_width]; rank 4: [H][T][dv] */
};

/* Answers sequence `b` of a valid input. */
struct float64_answer float64_attention(const struct attention_input *in, size_t b,
                                        const struct float64_sizes *z);
void float64_answer_free(struct float64_answer *answer);

#endif
