/* picture_text.h - attention maps drawn with characters, for a terminal. */
#ifndef CODEC_PICTURE_TEXT_H
#define CODEC_PICTURE_TEXT_H

#include "base/buffer.h"
#include "codec/attention_request.h"
#include "core/multi_head.h"

enum { PICTURE_TEXT_BYTES = 1 << 20 }; /* no picture takes more */

/* Draws the returned maps as grids: a row a query, a column a key, darker = more
 * weight, labels at both sides where their number is that of the tokens (keys from
 * a context have none), else token numbers from 0; a title that says which head,
 * which sequence and what the darkest cell stands for; a legend. Beyond 100 tokens
 * neighbours share a cell, and the legend says so. Small outputs follow as a table.
 * What does not fit into 64 maps and PICTURE_TEXT_BYTES is counted in the last
 * line. UTF-8. Maps "none": one sentence that says so. */
void picture_text_draw(const struct attention_request *request,
                       const struct multi_head_result *result, struct buffer *out);

#endif
