/* How it is computed: the options of the operator. */
#include "codec/attention_members.h"
#include "codec/json_option.h"

static bool read_count(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    return json_option_whole(&d->reader, at, 1, SIZE_MAX, request_filled_by(d, m), e);
}

static bool read_scale(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    (void)m;
    d->out->input.scale_given = true;
    if (!json_reader_float(&d->reader, at, &d->out->input.scale, e))
        return false;
    if (d->out->input.scale == 0.0f)
        return field_error(at, e, ERROR_INVALID_INPUT, "must not be 0");
    return true;
}

static bool read_boolean(struct request_decoder *d, const struct request_member *m,
                         const struct field *at, struct error *e)
{
    return json_reader_boolean(&d->reader, at, request_filled_by(d, m), e);
}

static bool read_align(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    (void)m;
    static const char *const words[] = {"top_left", "bottom_right"};
    static const enum align means[] = {ALIGN_TOP_LEFT, ALIGN_BOTTOM_RIGHT};
    size_t choice = 0;
    if (!json_option_choice(&d->reader, at, words, 2, &choice, e))
        return false;
    d->out->input.align = means[choice];
    return true;
}

static bool read_mask(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    return mask_from_json(&d->reader, at, d->limits, request_filled_by(d, m), e);
}

static const struct request_member members[] = {
    {"heads", read_count, REQUEST_FILLS(input.heads)},
    {"kv_heads", read_count, REQUEST_FILLS(input.kv_heads)},
    {"scale", read_scale, 0},
    {"causal", read_boolean, REQUEST_FILLS(input.causal)},
    {"align", read_align, 0},
    {"mask", read_mask, REQUEST_FILLS(input.mask)},
};
const struct request_members request_options = REQUEST_MEMBERS(members);
