/* attention_softmax.h - the scores of a block become weights, row by row. */
#ifndef CORE_ATTENTION_SOFTMAX_H
#define CORE_ATTENTION_SOFTMAX_H

#include "core/attention_block.h"

/* x = softcap tanh(x / softcap) for all columns of row i, if there is a softcap. */
void block_cap(const struct block *b, size_t i);

/* Capped, biased, -INFINITY where not allowed, 0 where dropped on scores: row i of head
 * h within its bounds and up to whole vectors. Also counts b->visible[i], where figures
 * are wanted. False when no key is allowed. */
bool block_bias(struct block *b, size_t h, size_t i);

/* What block_bias left of some rows of one group becomes exponentials; b->inverse[i]
 * makes them the weights, and lse is written. `any`: what block_bias said of each;
 * without it all is 0. False when a score was not finite. */
bool block_softmax(struct block *b, size_t h, struct bounds rows, const bool *any);

#endif
