/* The member `rope`: angles by a base or by tables, and positions. */
#include "codec/attention_members.h"
#include "codec/json_option.h"
#include "codec/whole_json.h"

static const double usual_base = 10000; /* Su et al. 2021 */

static bool read_base(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    double *base = request_filled_by(d, m);
    if (!json_reader_double(&d->reader, at, base, e))
        return false;
    return *base > 0 || field_error(at, e, ERROR_INVALID_INPUT, "must be more than 0");
}

static bool read_dims(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    size_t *dims = request_filled_by(d, m);
    if (!json_option_whole(&d->reader, at, 1, SIZE_MAX, dims, e))
        return false;
    return *dims % 2 == 0 || field_error(at, e, ERROR_INVALID_INPUT,
                                         "must be even: channels turn in pairs");
}

/* Of the first token, or of each. */
static bool read_positions(struct request_decoder *d, const struct request_member *m,
                           const struct field *at, struct error *e)
{
    (void)m;
    struct rope_input *rope = &d->out->input.rope;
    if (json_reader_peek(&d->reader) == JSON_KIND_NUMBER) {
        size_t offset = 0;
        if (!json_option_whole(&d->reader, at, 0, SIZE_MAX, &offset, e))
            return false;
        rope->offset = (int64_t)offset;
        rope->offset_given = true;
        return true;
    }
    struct positions positions;
    if (!positions_from_json(&d->reader, at, d->limits, &positions, e))
        return false;
    rope->positions = positions.position;
    rope->position_rank = positions.rank;
    rope->position_extent[0] = positions.extent[0];
    rope->position_extent[1] = positions.extent[1];
    return true;
}

static bool read_table(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    const struct tensor_limit limit[TENSOR_MAX_RANK] = {
        [2] = {d->limits->max_map_numbers, "max_map_numbers"},
        [3] = {d->limits->max_width, "max_width"},
    };
    return tensor_from_json_by_axis(&d->reader, at, 2, 2, limit,
                                    request_filled_by(d, m), e);
}

static const struct request_member rope_members[] = {
    {"base", read_base, REQUEST_FILLS(input.rope.base)},
    {"dims", read_dims, REQUEST_FILLS(input.rope.dims)},
    {"interleaved", request_read_boolean, REQUEST_FILLS(input.rope.interleaved)},
    {"positions", read_positions, 0},
    {"cos", read_table, REQUEST_FILLS(input.rope.cosines)},
    {"sin", read_table, REQUEST_FILLS(input.rope.sines)},
};

/* The angles are computed from a base, or given: not both. */
static bool check_angles(const struct json_members *seen, const struct field *at,
                         struct error *e)
{
    bool cosines = json_members_have(seen, "cos");
    bool sines = json_members_have(seen, "sin");
    if (cosines != sines)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "has %s without %s: they go together",
                           cosines ? "cos" : "sin", cosines ? "sin" : "cos");
    if (cosines && json_members_have(seen, "base"))
        return field_error(FIELD_NAME(at, "base"), e, ERROR_INVALID_INPUT,
                           "cannot be given together with cos and sin");
    return true;
}

bool request_read_rope(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    (void)m;
    static const struct request_members members = REQUEST_MEMBERS(rope_members);
    struct json_members seen;
    d->out->input.rope.given = true;
    d->out->input.rope.base = usual_base;
    return request_object(d, &members, 1, at, &seen, e) && check_angles(&seen, at, e);
}
