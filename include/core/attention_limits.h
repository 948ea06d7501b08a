/* attention_limits.h - is a request small enough to be computed?
 *
 * Each refusal is an ERROR_TOO_LARGE that names the figure, the ceiling and its
 * setting. */
#ifndef CORE_ATTENTION_LIMITS_H
#define CORE_ATTENTION_LIMITS_H

#include "base/error.h"
#include "core/attention_input.h"
#include "core/attention_shape.h"

/* Tokens of each sequence, their number, the widths of all rows, and heads. Needs
 * the ranks to be right, nothing else. */
MUST_USE bool attention_limits_check(const struct attention_input *input,
                                     const struct attention_limits *limits,
                                     struct error *e);

/* Tokens of the past together with those of the longest sequence. */
MUST_USE bool attention_limits_check_past(const struct attention_input *input,
                                          const struct attention_shape *shape,
                                          const struct attention_limits *limits,
                                          struct error *e);

/* The joined values of all heads, H dv numbers a token: more than a row of values has
 * where heads are grouped. */
MUST_USE bool attention_limits_check_joined(const struct attention_input *input,
                                            const struct attention_shape *shape,
                                            const struct attention_limits *limits,
                                            struct error *e);

/* The numbers of all attention maps together. */
MUST_USE bool attention_limits_check_maps(const struct attention_input *input,
                                          const struct attention_shape *shape,
                                          const struct attention_limits *limits,
                                          struct error *e);

#endif
