/* attention_mask.h - a mask broadcast from the right to [B][H][T][S].
 *
 * An axis of extent 1 repeats. The last axis may be narrower than S: keys without a
 * column are masked. Of a batch with different lengths T and S are the longest, and
 * a shorter sequence takes the top left corner. */
#ifndef CORE_ATTENTION_MASK_H
#define CORE_ATTENTION_MASK_H

#include "base/error.h"
#include "core/attention.h"
#include "core/attention_input.h"
#include "core/attention_shape.h"

/* False (ERROR_INVALID_INPUT at /mask) when an axis does not fit. */
MUST_USE bool attention_mask_check(const struct attention_mask *mask,
                                   const struct attention_shape *shape,
                                   struct error *e);

/* The part of a checked mask that belongs to sequence `b`, which has S keys. */
struct mask_view attention_mask_view(const struct attention_mask *mask, size_t b,
                                     size_t S);

#endif
