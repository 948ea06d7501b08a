/* float64_operator.h - the whole operator in float64, written from its specification.
 *
 * Every option of a request is here once, as directly as it can be said; nothing of
 * src/ is used and nothing of tests/support, not even the sizes: a mistake would have
 * to be made twice, by two readers of one page, to pass unseen. */
#ifndef TESTS_PROPERTY_FLOAT64_OPERATOR_H
#define TESTS_PROPERTY_FLOAT64_OPERATOR_H

#include "base/arena.h"
#include "core/attention_input.h"

/* Figures of one head, in the order of struct head_statistics. */
enum operator_figure {
    FIGURE_ROWS,
    FIGURE_ENTROPY,
    FIGURE_MAXIMUM,
    FIGURE_DISTANCE,
    FIGURE_FIRST,
    FIGURE_OWN,
    FIGURE_PREVIOUS,
    FIGURE_NEXT,
    FIGURES
};

/* The answer for one sequence; P of its S keys are the past's. */
struct operator_answer {
    size_t T, S, P, H, G, dk, dv, width;
    bool split;       /* query was of rank 4: `output` is [H][T][dv], else [T][width] */
    double *query;    /* [H][T][dk], turned */
    double *key;      /* [G][S][dk], the past's in front */
    double *value;    /* [G][S][dv] */
    double *stage[4]; /* [H][T][S] each, by enum map_stage */
    bool *visible;    /* [H][T][S] */
    /* [H][T]: which keys the row keeps hangs on less than float32 can tell apart. */
    bool *close;
    double *lse;       /* [H][T] */
    double *entropy;   /* [H][T][2] */
    double *heads;     /* [H][T][dv] */
    double *output;    /* see `split` */
    double *statistic; /* [H][FIGURES] */
    double *received;  /* [H][S] */
};

/* Sequences of a valid input. */
size_t operator_batch(const struct attention_input *in);

/* Answers each sequence of a valid input, whose method is exact or top_k. */
struct operator_answer *float64_operator(const struct attention_input *in,
                                         struct arena *arena);

#endif
