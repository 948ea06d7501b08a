/* attention_past.h - keys and values of earlier tokens: do they fit, how many are
 * they, and where does each sequence have its own. */
#ifndef CORE_ATTENTION_PAST_H
#define CORE_ATTENTION_PAST_H

#include "base/error.h"
#include "core/attention_input.h"
#include "core/attention_shape.h"

/* P, the earlier tokens of each sequence; 0 without a past. */
size_t attention_past_length(const struct attention_input *input);

/* What can be said before the heads are known: both are there, of one rank, and as
 * long as each other; rank 3 is for a single sequence. */
MUST_USE bool attention_past_check_ranks(const struct attention_input *input,
                                         bool single, struct error *e);

/* The batch, the heads and the widths are those of the request. */
MUST_USE bool attention_past_check(const struct attention_input *input,
                                   const struct attention_shape *shape,
                                   struct error *e);

/* The keys, [G][P][dk], or the values of sequence `b` of a past that was checked;
 * `part` is input->past.key or input->past.value. NULL without a past. */
const float *attention_past_rows(const struct attention_shape *shape,
                                 const struct tensor *part, size_t b);

#endif
