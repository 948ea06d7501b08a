/* How it is computed: the options of the operator. */
#include "codec/attention_members.h"
#include "codec/json_option.h"
#include "codec/whole_json.h"

/* Too many heads are too many, also where their number is too large to be kept. */
static bool read_head_count(struct request_decoder *d, const struct request_member *m,
                            const struct field *at, struct error *e)
{
    size_t *heads = request_filled_by(d, m);
    if (!json_reader_size(&d->reader, at, heads, e))
        return false;
    if (*heads == JSON_SIZE_BEYOND)
        return field_error(at, e, ERROR_TOO_LARGE,
                           "is more than %zu, the setting max_heads allows %zu",
                           JSON_SIZE_MOST, d->limits->max_heads);
    return (*heads != JSON_NO_SIZE && *heads >= 1) ||
           field_error(at, e, ERROR_INVALID_INPUT, "must be a whole number, 1 or more");
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

static bool read_side(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    size_t *side = request_filled_by(d, m);
    if (!json_reader_size(&d->reader, at, side, e))
        return false;
    if (*side <= JSON_SIZE_MOST)
        return true;
    if (*side == JSON_SIZE_BEYOND)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be at most %zu; leave out a side that has no end",
                           JSON_SIZE_MOST);
    return field_error(at, e, ERROR_INVALID_INPUT,
                       "must be a whole number, 0 or more; leave out a side that has "
                       "no end");
}

static const struct request_member window_members[] = {
    {"left", read_side, REQUEST_FILLS(input.window.left)},
    {"right", read_side, REQUEST_FILLS(input.window.right)},
};

static bool read_window(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, struct error *e)
{
    (void)m;
    static const struct request_members members = REQUEST_MEMBERS(window_members);
    struct window_view *window = &d->out->input.window;
    struct json_members seen;
    if (!request_object(d, &members, 1, at, &seen, e))
        return false;
    window->left_given = json_members_have(&seen, "left");
    window->right_given = json_members_have(&seen, "right");
    return true;
}

/* A number a sequence, or for a single one just the number. */
static bool read_key_lengths(struct request_decoder *d, const struct request_member *m,
                             const struct field *at, struct error *e)
{
    (void)m;
    struct attention_input *input = &d->out->input;
    if (json_reader_peek(&d->reader) == JSON_KIND_NUMBER) {
        size_t *only = arena_alloc(d->arena, 1, sizeof *only, e);
        input->key_lengths = only;
        input->key_length_count = 1;
        return only && json_option_whole(&d->reader, at, 0, SIZE_MAX, only, e);
    }
    const struct tensor_limit limit = {d->limits->max_batch, "max_batch"};
    if (!wholes_from_json(&d->reader, at, &limit, &input->key_lengths,
                          &input->key_length_count, e))
        return false;
    return input->key_length_count > 0 ||
           field_error(at, e, ERROR_INVALID_INPUT, "must not be empty");
}

static bool read_softcap(struct request_decoder *d, const struct request_member *m,
                         const struct field *at, struct error *e)
{
    float *softcap = request_filled_by(d, m);
    if (!json_reader_float(&d->reader, at, softcap, e))
        return false;
    return *softcap > 0 ||
           field_error(at, e, ERROR_INVALID_INPUT, "must be more than 0");
}

/* A number a head. */
static bool read_heads(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    const struct tensor_rules rules = {1, 1, d->limits->max_heads, "max_heads"};
    return tensor_from_json(&d->reader, at, &rules, request_filled_by(d, m), e);
}

static bool read_alibi(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    enum json_kind kind = json_reader_peek(&d->reader);
    bool *wanted = &d->out->input.alibi;
    if (kind == JSON_KIND_BOOLEAN)
        return json_reader_boolean(&d->reader, at, wanted, e);
    if (kind == JSON_KIND_NUMBER || kind == JSON_KIND_STRING || kind == JSON_KIND_NULL)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be true, or an array of slopes, not %s",
                           json_kind_name(kind));
    *wanted = true;
    return read_heads(d, m, at, e);
}

static bool read_rate(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    float *rate = request_filled_by(d, m);
    if (!json_reader_float(&d->reader, at, rate, e))
        return false;
    return (*rate >= 0 && *rate < 1) ||
           field_error(at, e, ERROR_INVALID_INPUT, "must be at least 0 and below 1");
}

static bool read_on(struct request_decoder *d, const struct request_member *m,
                    const struct field *at, struct error *e)
{
    static const char *const words[] = {"weights", "scores"};
    bool *on_scores = request_filled_by(d, m);
    size_t choice = 0;
    if (!json_option_choice(&d->reader, at, words, 2, &choice, e))
        return false;
    *on_scores = choice == 1;
    return true;
}

static const struct request_member dropout_members[] = {
    {"rate", read_rate, REQUEST_FILLS(input.dropout.rate)},
    {"seed", request_read_seed, REQUEST_FILLS(input.dropout.seed)},
    {"on", read_on, REQUEST_FILLS(input.dropout.on_scores)},
};

static bool read_dropout(struct request_decoder *d, const struct request_member *m,
                         const struct field *at, struct error *e)
{
    (void)m;
    static const struct request_members members = REQUEST_MEMBERS(dropout_members);
    struct json_members seen;
    return request_object(d, &members, 1, at, &seen, e) &&
           request_needs(&seen, "rate", at, e);
}

static const struct request_member members[] = {
    {"heads", read_head_count, REQUEST_FILLS(input.heads)},
    {"kv_heads", request_read_count, REQUEST_FILLS(input.kv_heads)},
    {"scale", read_scale, 0},
    {"causal", request_read_boolean, REQUEST_FILLS(input.causal)},
    {"align", read_align, 0},
    {"mask", read_mask, REQUEST_FILLS(input.mask)},
    {"window", read_window, 0},
    {"key_lengths", read_key_lengths, 0},
    {"softcap", read_softcap, REQUEST_FILLS(input.softcap)},
    {"alibi", read_alibi, REQUEST_FILLS(input.alibi_slopes)},
    {"sinks", read_heads, REQUEST_FILLS(input.sinks)},
    {"dropout", read_dropout, 0},
    {"rope", request_read_rope, 0},
    {"method", request_read_method, 0},
};
const struct request_members request_options = REQUEST_MEMBERS(members);
