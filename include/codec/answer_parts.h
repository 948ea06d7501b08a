/* answer_parts.h - what an answer consists of: the tensors (and figures about heads)
 * and the text between them. Used by attention_response alone. */
#ifndef CODEC_ANSWER_PARTS_H
#define CODEC_ANSWER_PARTS_H

#include "codec/attention_request.h"
#include "codec/statistics_rows.h"
#include "codec/tensor_rows.h"
#include "core/multi_head.h"

struct answer_part {
    const char *before; /* the text in front of it, not terminated by a zero */
    size_t before_length;
    size_t rows, width, row_bound; /* as in tensor_rows.h */

    bool is_statistics;
    struct tensor_rows tensor; /* unless it is */
    struct statistics_rows statistics;
};

struct answer_parts {
    struct answer_part *part;
    size_t count;
    const char *after; /* the last part: what closes the last member */
    size_t after_length;
};

/* From the opening brace up to what `return` named last. Texts live in `arena`; only
 * shapes are looked at. False: ERROR_OUT_OF_MEMORY. */
MUST_USE bool answer_parts_plan(const struct attention_request *request,
                                const struct multi_head_result *result,
                                struct json_text id, struct arena *arena,
                                struct answer_parts *out, struct error *e);

/* Writes rows `from` up to but not including `to`, at most row_bound bytes each;
 * returns the place behind them. Without the text before. */
char *answer_part_write(const struct answer_part *part, size_t from, size_t to,
                        char *out);

#endif
