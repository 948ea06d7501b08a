/* attention_request.h - the body of POST /v1/attention, decoded. */
#ifndef CODEC_ATTENTION_REQUEST_H
#define CODEC_ATTENTION_REQUEST_H

#include "base/arena.h"
#include "codec/json_reader.h"
#include "core/attention_input.h"

enum tensor_format { TENSOR_NESTED, TENSOR_BASE64 };

struct attention_request {
    struct attention_input input;
    enum tensor_format tensor_format;
    unsigned precision; /* significant digits 1 to 9; 0: shortest that round-trips */
    const struct json_text *labels; /* echoed, and drawn beside pictures */
    size_t label_count;
    bool labels_given;
    double timeout_ms;   /* 0: not given */
    struct json_text id; /* length 0: not given */
    size_t base64_bytes; /* of the body: characters of tensors in base64 */
};

/* Decodes `body` (UTF-8 JSON) into `out`; arrays live in `arena`, some text in
 * the body itself, so both must outlive `out`. ERROR_EMPTY_BODY,
 * ERROR_INVALID_JSON, ERROR_INVALID_INPUT, ERROR_TOO_LARGE or
 * ERROR_OUT_OF_MEMORY. What is not JSON at all is called so even when something
 * before it in the text is wrong, too. Unknown members are refused by name,
 * with the nearest known one. `out->id` is set as soon as it was read, even on
 * failure, so that the refusal can carry it. */
MUST_USE bool attention_request_decode(const char *body, size_t length,
                                       const struct attention_limits *limits,
                                       struct arena *arena,
                                       struct attention_request *out, struct error *e);

#endif
