/* What is computed with: tokens or projected tensors, and weights. */
#include "codec/attention_members.h"

static bool read_sequences(struct request_decoder *d, const struct request_member *m,
                           const struct field *at, struct error *e)
{
    return batch_from_json(&d->reader, at, d->limits, request_filled_by(d, m), e);
}

/* Rank 2 to 4; which axis is what, and so which limit is whose, is for the
 * validator. Here the largest of them keeps a flood from being stored. */
static bool read_projected(struct request_decoder *d, const struct request_member *m,
                           const struct field *at, struct error *e)
{
    bool tokens = d->limits->max_tokens > d->limits->max_width;
    const struct tensor_rules rules = {
        .min_rank = 2,
        .max_rank = 4,
        .max_extent = tokens ? d->limits->max_tokens : d->limits->max_width,
        .limit_name = tokens ? "max_tokens" : "max_width",
    };
    return tensor_from_json(&d->reader, at, &rules, request_filled_by(d, m), e);
}

static bool read_weight(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, size_t rank, struct error *e)
{
    const struct tensor_rules rules = {
        .min_rank = rank,
        .max_rank = rank,
        .max_extent = d->limits->max_width,
        .limit_name = "max_width",
    };
    return tensor_from_json(&d->reader, at, &rules, request_filled_by(d, m), e);
}

static bool read_matrix(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, struct error *e)
{
    return read_weight(d, m, at, 2, e);
}

static bool read_bias(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    return read_weight(d, m, at, 1, e);
}

static const struct request_member weight_members[] = {
    {"wq", read_matrix, REQUEST_FILLS(input.weights.wq)},
    {"wk", read_matrix, REQUEST_FILLS(input.weights.wk)},
    {"wv", read_matrix, REQUEST_FILLS(input.weights.wv)},
    {"wo", read_matrix, REQUEST_FILLS(input.weights.wo)},
    {"bq", read_bias, REQUEST_FILLS(input.weights.bq)},
    {"bk", read_bias, REQUEST_FILLS(input.weights.bk)},
    {"bv", read_bias, REQUEST_FILLS(input.weights.bv)},
    {"bo", read_bias, REQUEST_FILLS(input.weights.bo)},
};

static bool read_weights(struct request_decoder *d, const struct request_member *m,
                         const struct field *at, struct error *e)
{
    (void)m;
    static const struct request_members members = REQUEST_MEMBERS(weight_members);
    struct json_members seen;
    d->out->input.weights.given = true;
    return request_object(d, &members, 1, at, &seen, e);
}

static bool read_cache(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    const struct attention_limits *most = d->limits;
    const struct tensor_limit limit[TENSOR_MAX_RANK] = {
        {most->max_batch, "max_batch"},
        {most->max_heads, "max_heads"},
        {most->max_tokens, "max_tokens"},
        {most->max_width, "max_width"},
    };
    return tensor_from_json_by_axis(&d->reader, at, 3, 4, limit,
                                    request_filled_by(d, m), e);
}

static const struct request_member past_members[] = {
    {"key", read_cache, REQUEST_FILLS(input.past.key)},
    {"value", read_cache, REQUEST_FILLS(input.past.value)},
};

static bool read_past(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    (void)m;
    static const struct request_members members = REQUEST_MEMBERS(past_members);
    struct json_members seen;
    d->out->input.past.given = true;
    return request_object(d, &members, 1, at, &seen, e) &&
           request_needs(&seen, "key", at, e) && request_needs(&seen, "value", at, e);
}

static const struct request_member members[] = {
    {"sequences", read_sequences, REQUEST_FILLS(input.sequences)},
    {"context", read_sequences, REQUEST_FILLS(input.context)},
    {"query", read_projected, REQUEST_FILLS(input.query)},
    {"key", read_projected, REQUEST_FILLS(input.key)},
    {"value", read_projected, REQUEST_FILLS(input.value)},
    {"weights", read_weights, 0},
    {"past", read_past, 0},
};
const struct request_members request_inputs = REQUEST_MEMBERS(members);
