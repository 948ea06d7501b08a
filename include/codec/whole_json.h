/* whole_json.h - lists of whole numbers, 0 or more, out of JSON: arrays, or base64
 * tensors; tensor_wholes_from_json() says how large they may be. */
#ifndef CODEC_WHOLE_JSON_H
#define CODEC_WHOLE_JSON_H

#include <stdint.h>

#include "codec/tensor_json.h"

/* At most limit->most numbers, else ERROR_TOO_LARGE; an empty array is no numbers, and
 * `*out` is then not NULL either. */
MUST_USE bool wholes_from_json(struct json_reader *r, const struct field *at,
                               const struct tensor_limit *limit, const size_t **out,
                               size_t *count, struct error *e);

/* Positions of tokens, [T] or [B][T]. */
struct positions {
    const int64_t *position;
    size_t rank, extent[2];
};
MUST_USE bool positions_from_json(struct json_reader *r, const struct field *at,
                                  const struct attention_limits *limits,
                                  struct positions *out, struct error *e);

#endif
