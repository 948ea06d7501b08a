/* operator_check.h - an answer beside that of float64_operator(). */
#ifndef TESTS_PROPERTY_OPERATOR_CHECK_H
#define TESTS_PROPERTY_OPERATOR_CHECK_H

#include "core/multi_head.h"
#include "property/float64_operator.h"

/* Fails, naming `what`, unless everything that `in` asks for is there, nothing else,
 * and near what float64 gives: `want`, an answer for each sequence. */
void operator_check(const struct attention_input *in,
                    const struct operator_answer *want,
                    const struct multi_head_result *got, const char *what);

#endif
