/* answer_method.h - which approximation was computed, and how far off it was.
 *
 *     ,"method":{"name", its parameters, "error":{"max", "mean"}}
 *
 * The error is that of the outputs, beside the exact ones; a number each or, for a
 * batch, an array of one a sequence. */
#ifndef CODEC_ANSWER_METHOD_H
#define CODEC_ANSWER_METHOD_H

#include "codec/attention_request.h"
#include "core/multi_head.h"

/* Most bytes that answer_method_write() writes. */
size_t answer_method_bound(const struct multi_head_result *result);

/* Returns the place behind it; nothing at all for the exact method. */
char *answer_method_write(const struct attention_request *request,
                          const struct multi_head_result *result, char *out);

#endif
