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
 * which sequence and what the darkest cell stands for; a legend. Maps of another stage
 * than the weights are shaded from their least value to their largest, cells that are
 * hidden are dots, and the legend says so. Of maps given as the largest of each row
 * those are drawn. Beyond 100 tokens neighbours share a cell, and the legend says so.
 * Small outputs follow as a table. What does not fit into 64 maps and
 * PICTURE_TEXT_BYTES is counted in the last line. UTF-8. No maps: one sentence that
 * says why. */
void picture_text_draw(const struct attention_request *request,
                       const struct multi_head_result *result, struct buffer *out);

#endif
