/* picture_text.h - attention maps drawn with characters, for a terminal. */
#ifndef CODEC_PICTURE_TEXT_H
#define CODEC_PICTURE_TEXT_H

#include "base/buffer.h"
#include "codec/attention_request.h"
#include "core/multi_head.h"

/* Draws every returned map as a grid: a row a query, a column a key, darker =
 * more weight, labels at the side where given, and a line that says which head,
 * which sequence and what the darkest cell stands for. Maps wider than a
 * terminal are averaged down to fit (and say so). UTF-8. Maps "none": one
 * sentence that says so. */
void picture_text_draw(const struct attention_request *request,
                       const struct multi_head_result *result, struct buffer *out);

#endif
