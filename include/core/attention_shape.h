/* attention_shape.h - what the shapes of an input add up to: the one validator.
 *
 * Every decoder's input goes through it, once. It decides what is computed, down
 * to the sizes of each result, and refuses what does not fit together by naming the
 * member, the figure and what was expected. */
#ifndef CORE_ATTENTION_SHAPE_H
#define CORE_ATTENTION_SHAPE_H

#include "base/error.h"
#include "core/attention_input.h"

struct attention_shape {
    bool projected;   /* query, key and value were given */
    bool split_heads; /* and of rank 4: rows are those of one head */
    bool single;      /* one sequence was given, not a batch of one */
    size_t B, H, G, dk, dv;
    size_t d, dc; /* widths of a row of the queries' input and of the keys' */
    size_t longest_T, longest_S;
    size_t output_width; /* of a row of the answer: do, H dv, or dv when split */
    size_t map_heads;    /* maps answered a sequence: one for the mean, 0 for none */
};

/* Fills `out` from `input`, of whose numbers only those of options are looked at. False
 * with `e` set: ERROR_TOO_LARGE (a ceiling of `limits`) or ERROR_INVALID_INPUT. */
MUST_USE bool attention_shape_of(const struct attention_input *input,
                                 const struct attention_limits *limits,
                                 struct attention_shape *out, struct error *e);

/* Tokens that ask, and tokens that are asked, the past included, in sequence `b`. */
size_t attention_shape_T(const struct attention_input *input, size_t b);
size_t attention_shape_S(const struct attention_input *input, size_t b);

#endif
