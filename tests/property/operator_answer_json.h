/* operator_answer_json.h - what the service should answer, written from float64. */
#ifndef TESTS_PROPERTY_OPERATOR_ANSWER_JSON_H
#define TESTS_PROPERTY_OPERATOR_ANSWER_JSON_H

#include "base/arena.h"
#include "core/attention_input.h"

/* The members of an answer that depend on the input alone: neither id nor timing.
 * The text is the caller's to free(). */
char *operator_answer_json(const struct attention_input *in, struct arena *arena);

#endif
