/* attention_options.h - do the options of a request fit its sequences, and each
 * other? */
#ifndef CORE_ATTENTION_OPTIONS_H
#define CORE_ATTENTION_OPTIONS_H

#include "base/error.h"
#include "core/attention_input.h"
#include "core/attention_shape.h"

/* Positions are counted exactly up to here. */
#define ATTENTION_MAX_POSITION ((int64_t)1 << 53)

/* Softcap, key lengths, slopes, sinks, rope, dropout, and what is to be seen. False
 * (ERROR_INVALID_INPUT) naming the member, the figure and what was expected. */
MUST_USE bool attention_options_check(const struct attention_input *input,
                                      const struct attention_shape *shape,
                                      struct error *e);

/* Are the own keys of sequence `b` its queries' tokens, and so at their positions?
 * Not with a context, nor with a key that has another number of rows than query. */
bool attention_options_shared_positions(const struct attention_input *input, size_t b);

/* Where rope puts the first query of a request without a list of positions. */
int64_t attention_options_first_position(const struct attention_input *input);

#endif
