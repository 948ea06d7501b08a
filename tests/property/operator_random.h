/* operator_random.h - a valid request that mixes any of the options, at random. */
#ifndef TESTS_PROPERTY_OPERATOR_RANDOM_H
#define TESTS_PROPERTY_OPERATOR_RANDOM_H

#include "base/arena.h"
#include "core/attention_input.h"
#include "support/test.h"

/* Both forms, every rank, ragged batches, grouped heads, context, past, both
 * alignments, windows, masks of every kind and rank, padding, softcap, ALiBi, sinks,
 * rope of every kind, dropout, top_k, and everything that can be answered. `sequences`
 * is the most of a batch, `longest` of tokens.
 *
 * Where only the largest scores are kept, half of the requests are made of such
 * numbers that float32 computes the scores without rounding: then many are equal, and
 * which of them is kept is no matter of chance. */
struct attention_input random_operator(struct test_random *r, size_t sequences,
                                       size_t longest, struct arena *arena);

#endif
