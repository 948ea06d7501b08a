/* tensor_json.h - tensors out of JSON: nested arrays, or base64 objects
 * {"dtype": "f32", "shape": [..], "data": ".."} with f32 f64 f16 bf16 i32 i64
 * bool, little endian, row-major. Numbers go from text straight into float
 * arrays of the arena; no tree is built.
 *
 * Failures have pointers ("/sequences/0/3"): ragged rows ("has 3 numbers,
 * expected 4"), another type, NaN, infinity or a number outside float32, a rank
 * or extent that is not allowed. Every extent is at least 1. */
#ifndef CODEC_TENSOR_JSON_H
#define CODEC_TENSOR_JSON_H

#include "codec/json_reader.h"
#include "core/attention_input.h"

struct tensor_limit {
    size_t most;
    const char *setting; /* where to raise it */
};

/* What is allowed, looked at while reading so that a flood is refused before
 * it is stored: ERROR_TOO_LARGE with the setting's name. */
struct tensor_rules {
    size_t min_rank, max_rank;
    size_t max_extent;      /* of any axis */
    const char *limit_name; /* the setting behind max_extent, for the message */
};

MUST_USE bool tensor_from_json(struct json_reader *r, const struct field *at,
                               const struct tensor_rules *rules, struct tensor *out,
                               struct error *e);

/* The same with a limit for each axis, counted from the right: [3] is the last. */
MUST_USE bool tensor_from_json_by_axis(struct json_reader *r, const struct field *at,
                                       size_t min_rank, size_t max_rank,
                                       const struct tensor_limit limit[TENSOR_MAX_RANK],
                                       struct tensor *out, struct error *e);

/* Whole numbers, 0 or more, each exactly: of JSON up to JSON_SIZE_MOST, of a base64
 * tensor below 2^53, or 2^31 (i32), or 2^24 (f32, f16, bf16). Row-major. */
struct whole_tensor {
    const size_t *data;
    size_t rank, extent[TENSOR_MAX_RANK];
};
MUST_USE bool tensor_wholes_from_json(struct json_reader *r, const struct field *at,
                                      size_t min_rank, size_t max_rank,
                                      const struct tensor_limit limit[TENSOR_MAX_RANK],
                                      struct whole_tensor *out, struct error *e);

/* `sequences` or `context`: [T][d], or [B][T_b][d] with lengths that may differ;
 * as base64 objects: one of rank 2 or 3, or an array of rank 2 ones. */
MUST_USE bool batch_from_json(struct json_reader *r, const struct field *at,
                              const struct attention_limits *limits, struct batch *out,
                              struct error *e);

/* `mask`: booleans, or numbers where "-Infinity" and null mean -infinity; rank 1
 * to 4. The first leaf decides which; a mixture is refused. dtype bool is
 * boolean, every other additive (where -infinity is allowed). */
MUST_USE bool mask_from_json(struct json_reader *r, const struct field *at,
                             const struct attention_limits *limits,
                             struct attention_mask *out, struct error *e);

#endif
