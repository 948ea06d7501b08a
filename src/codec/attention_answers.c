/* What is answered, and how. */
#include "codec/attention_members.h"
#include "codec/json_option.h"
#include "codec/whole_json.h"

enum { ID_BYTES = 128, LABEL_BYTES = 256 };

static bool read_maps(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    (void)m;
    static const char *const words[] = {"heads", "mean", "top_k", "none"};
    static const enum map_form means[] = {MAPS_HEADS, MAPS_MEAN, MAPS_TOP_K, MAPS_NONE};
    size_t choice = 0;
    if (!json_option_choice(&d->reader, at, words, 4, &choice, e))
        return false;
    d->out->input.maps = means[choice];
    return true;
}

static bool read_map_stage(struct request_decoder *d, const struct request_member *m,
                           const struct field *at, struct error *e)
{
    (void)m;
    static const char *const words[] = {"scores", "capped", "biased", "weights"};
    static const enum map_stage means[] = {MAP_STAGE_SCORES, MAP_STAGE_CAPPED,
                                           MAP_STAGE_BIASED, MAP_STAGE_WEIGHTS};
    size_t choice = 0;
    if (!json_option_choice(&d->reader, at, words, 4, &choice, e))
        return false;
    d->out->input.map_stage = means[choice];
    return true;
}

static bool read_map_heads(struct request_decoder *d, const struct request_member *m,
                           const struct field *at, struct error *e)
{
    (void)m;
    const struct tensor_limit limit = {d->limits->max_heads, "max_heads"};
    const size_t *heads = NULL;
    size_t count = 0;
    if (!wholes_from_json(&d->reader, at, &limit, &heads, &count, e))
        return false;
    if (count == 0)
        return field_error(at, e, ERROR_INVALID_INPUT, "must name at least one head");
    d->out->input.map_heads_given = true;
    d->out->input.map_heads = heads;
    d->out->input.map_head_count = count;
    return true;
}

static bool read_precision(struct request_decoder *d, const struct request_member *m,
                           const struct field *at, struct error *e)
{
    (void)m;
    size_t digits = 0;
    if (!json_option_whole(&d->reader, at, 1, 9, &digits, e))
        return false;
    d->out->precision = (unsigned)digits;
    return true;
}

static bool read_tensor_format(struct request_decoder *d,
                               const struct request_member *m, const struct field *at,
                               struct error *e)
{
    (void)m;
    static const char *const words[] = {"nested", "base64"};
    static const enum tensor_format means[] = {TENSOR_NESTED, TENSOR_BASE64};
    size_t choice = 0;
    if (!json_option_choice(&d->reader, at, words, 2, &choice, e))
        return false;
    d->out->tensor_format = means[choice];
    return true;
}

static bool read_return(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, struct error *e)
{
    (void)m;
    static const char *const words[] = {"projections", "lse", "present", "entropy",
                                        "statistics"};
    struct attention_input *input = &d->out->input;
    bool *const wanted[] = {&input->want_projections, &input->want_lse,
                            &input->want_present, &input->want_entropy,
                            &input->want_statistics};
    size_t count = 0, choice = 0;
    bool found;
    if (!json_reader_array(&d->reader, at, e))
        return false;
    for (;;) {
        if (!json_reader_element(&d->reader, &count, &found, e))
            return false;
        if (!found)
            return true;
        const struct field *here = FIELD_AT(at, count - 1);
        if (!json_option_choice(&d->reader, here, words, 5, &choice, e))
            return false;
        if (*wanted[choice])
            return field_error(here, e, ERROR_INVALID_INPUT, "\"%s\" stands here twice",
                               words[choice]);
        *wanted[choice] = true;
    }
}

static bool read_label(struct request_decoder *d, const struct field *at,
                       struct json_text *out, struct error *e)
{
    if (!json_reader_string(&d->reader, at, out, e))
        return false;
    if (out->length > LABEL_BYTES)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "has %zu bytes, at most %d are allowed", out->length,
                           LABEL_BYTES);
    return true;
}

static bool too_many_labels(struct json_reader *r, size_t count, size_t most,
                            const struct field *at, struct error *e)
{
    if (!json_reader_rest(r, &count, e))
        return false;
    return field_error(at, e, ERROR_TOO_LARGE,
                       "has %zu labels, at most %zu are allowed (max_tokens)", count,
                       most);
}

static bool read_labels(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, struct error *e)
{
    (void)m;
    struct json_list labels = {0};
    size_t count = 0;
    bool found;
    if (!json_reader_array(&d->reader, at, e))
        return false;
    for (;;) {
        if (!json_reader_element(&d->reader, &count, &found, e))
            return false;
        if (!found)
            break;
        if (count > d->limits->max_tokens)
            return too_many_labels(&d->reader, count, d->limits->max_tokens, at, e);
        struct json_text *label = json_list_add(&labels, sizeof *label, d->arena, e);
        if (!label || !read_label(d, FIELD_AT(at, count - 1), label, e))
            return false;
    }
    d->out->labels_given = true;
    d->out->labels = labels.items;
    d->out->label_count = count;
    return true;
}

static bool read_timeout(struct request_decoder *d, const struct request_member *m,
                         const struct field *at, struct error *e)
{
    (void)m;
    if (!json_reader_double(&d->reader, at, &d->out->timeout_ms, e))
        return false;
    if (d->out->timeout_ms <= 0)
        return field_error(at, e, ERROR_INVALID_INPUT, "must be more than 0");
    return true;
}

static bool is_id(struct json_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '.' && c != '_' && c != ':' && c != '-')
            return false;
    }
    return text.length >= 1 && text.length <= ID_BYTES;
}

static bool read_id(struct request_decoder *d, const struct request_member *m,
                    const struct field *at, struct error *e)
{
    (void)m;
    struct json_text text;
    if (!json_reader_string(&d->reader, at, &text, e))
        return false;
    if (!is_id(text))
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be 1 to %d of the characters A-Z a-z 0-9 . _ : -",
                           ID_BYTES);
    d->out->id = text;
    return true;
}

static const struct request_member members[] = {
    {"maps", read_maps, 0},
    {"top_k", request_read_count, REQUEST_FILLS(input.top_k)},
    {"map_heads", read_map_heads, 0},
    {"map_stage", read_map_stage, 0},
    {"precision", read_precision, 0},
    {"tensor_format", read_tensor_format, 0},
    {"return", read_return, 0},
    {"labels", read_labels, 0},
    {"timeout_ms", read_timeout, 0},
    {"id", read_id, 0},
};
const struct request_members request_answers = REQUEST_MEMBERS(members);
