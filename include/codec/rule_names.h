/* rule_names.h - the words of a request and an answer for the linear method's rules. */
#ifndef CODEC_RULE_NAMES_H
#define CODEC_RULE_NAMES_H

#include "core/attention_input.h"

enum { RULE_NAMES = RULE_GATED_DELTA + 1 };

extern const char *const rule_names[RULE_NAMES]; /* by enum linear_rule */

#endif
