/* method_names.h - the words of a request and an answer for methods and rules. */
#ifndef CODEC_METHOD_NAMES_H
#define CODEC_METHOD_NAMES_H

#include "core/attention_input.h"

enum { METHOD_NAMES = METHOD_BIGBIRD + 1, RULE_NAMES = RULE_GATED_DELTA + 1 };

extern const char *const method_names[METHOD_NAMES]; /* by enum method_name */
extern const char *const rule_names[RULE_NAMES];     /* by enum linear_rule */

#endif
