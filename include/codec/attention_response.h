/* attention_response.h - the answer of POST /v1/attention, as JSON in pieces.
 *
 * {"id", "outputs", "attention_maps", what `return` named, "method", "labels",
 *  "timing"}
 *
 * For one sequence; for a batch every array has an axis more, in front:
 *
 *     outputs         [T][width], or [H][T][dv] when query came as rank 4
 *     attention_maps  [heads][T][S], or [T][S] (mean), or {"indices", "values"}, both
 *                     [heads][T][k]; fewer columns than S where a method has fewer
 *     projections     {"query": [H][T][dk], "key": [G][S][dk], "value": [G][S][dv]},
 *                     of the request's own tokens, without the past
 *     lse             [H][T]
 *     present         {"key": [G][S][dk], "value": [G][S][dv]}, the past included
 *     state           [G][dk][dv], with the method "linear" in place of present
 *     entropy         {"nats": [H][T], "normalised": [H][T]}
 *     statistics      [H], see statistics_rows.h
 *     method          see answer_method.h
 *
 * What may be infinite (lse, maps at another stage than the weights) is then a string,
 * "-Infinity", in nested form. With base64 every array of numbers is an object
 * {"dtype": "f32", "shape", "data"}, indices have the dtype i32; sequences of unlike
 * shapes are an array of such objects.
 *
 * A large answer is cut into pieces that are independent of each other: each
 * is written by whichever worker is free, and the pieces in order are the
 * answer. Where the cuts are depends on the request alone. */
#ifndef CODEC_ATTENTION_RESPONSE_H
#define CODEC_ATTENTION_RESPONSE_H

#include "codec/attention_request.h"
#include "core/multi_head.h"

struct attention_timing {
    double parse_ms, queue_ms, compute_ms, total_ms;
};

struct attention_response; /* lives in the arena it was planned in */

/* Plans the answer. ERROR_TOO_LARGE when its predicted size is over
 * limits->answer_limit (names the figure and the setting). The arguments must
 * outlive the plan; `id` is the request's final id. Call before computing: only
 * shapes are looked at. */
MUST_USE struct attention_response *attention_response_plan(
    const struct attention_request *request, const struct multi_head_result *result,
    struct json_text id, const struct attention_limits *limits, struct arena *arena,
    struct error *e);

/* Pieces, the last one (which holds the timing) included. */
size_t attention_response_pieces(const struct attention_response *r);

/* Most bytes that piece can take; and all of them together. */
size_t attention_response_bound(const struct attention_response *r, size_t piece);
size_t attention_response_most(const struct attention_response *r);

/* Writes any piece but the last; returns its length. Thread-safe for different
 * pieces. */
size_t attention_response_write(const struct attention_response *r, size_t piece,
                                char *out);

/* Writes the last piece. */
size_t attention_response_finish(const struct attention_response *r,
                                 const struct attention_timing *timing, char *out);

#endif
