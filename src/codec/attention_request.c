#include "codec/attention_request.h"

#include <assert.h>
#include <string.h>

#include "codec/json_option.h"
#include "codec/tensor_json.h"

enum {
    ID_BYTES = 128,
    LABEL_BYTES = 256,
    MOST_MEMBERS = 32 /* in one of the tables below */
};

struct decoder {
    struct json_reader reader;
    const struct attention_limits *limits;
    struct arena *arena;
    struct attention_request *out;
};

/* A member the caller may send, and what reads it. */
struct member {
    const char *name;
    bool (*read)(struct decoder *d, const struct member *m, const struct field *at,
                 struct error *e);
    size_t offset; /* of what it fills in the request, where the reader needs it */
};

#define FILLS(what) offsetof(struct attention_request, what)

static void *filled_by(const struct decoder *d, const struct member *m)
{
    return (char *)d->out + m->offset;
}

static bool unknown_member(const struct field *at, struct json_text name,
                           const struct member *members, size_t count, struct error *e)
{
    const char *names[MOST_MEMBERS];
    assert(count <= MOST_MEMBERS);
    for (size_t i = 0; i < count; i++)
        names[i] = members[i].name;
    return json_option_unknown(at, name, names, count, e);
}

static const struct member *find(struct json_text name, const struct member *members,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (json_text_is(name, members[i].name))
            return &members[i];
    return NULL;
}

/* Walks over an object and hands each member to its reader. */
static bool read_object(struct decoder *d, const struct member *members, size_t count,
                        const struct field *at, struct error *e)
{
    struct json_members seen;
    struct json_text name;
    bool found;
    if (!json_reader_object(&d->reader, at, &seen, e))
        return false;
    for (;;) {
        if (!json_reader_member(&d->reader, &seen, &name, &found, e))
            return false;
        if (!found)
            return true;
        const struct member *m = find(name, members, count);
        if (!m)
            return unknown_member(at, name, members, count, e);
        if (!m->read(d, m, FIELD_NAME(at, m->name), e))
            return false;
    }
}

static bool read_sequences(struct decoder *d, const struct member *m,
                           const struct field *at, struct error *e)
{
    return batch_from_json(&d->reader, at, d->limits, filled_by(d, m), e);
}

/* Rank 2 to 4; which axis is what, and so which limit is whose, is for the
 * validator. Here the largest of them keeps a flood from being stored. */
static bool read_projected(struct decoder *d, const struct member *m,
                           const struct field *at, struct error *e)
{
    bool tokens = d->limits->max_tokens > d->limits->max_width;
    const struct tensor_rules rules = {
        .min_rank = 2,
        .max_rank = 4,
        .max_extent = tokens ? d->limits->max_tokens : d->limits->max_width,
        .limit_name = tokens ? "max_tokens" : "max_width",
    };
    return tensor_from_json(&d->reader, at, &rules, filled_by(d, m), e);
}

static bool read_weight(struct decoder *d, const struct member *m,
                        const struct field *at, size_t rank, struct error *e)
{
    const struct tensor_rules rules = {
        .min_rank = rank,
        .max_rank = rank,
        .max_extent = d->limits->max_width,
        .limit_name = "max_width",
    };
    return tensor_from_json(&d->reader, at, &rules, filled_by(d, m), e);
}

static bool read_matrix(struct decoder *d, const struct member *m,
                        const struct field *at, struct error *e)
{
    return read_weight(d, m, at, 2, e);
}

static bool read_bias(struct decoder *d, const struct member *m, const struct field *at,
                      struct error *e)
{
    return read_weight(d, m, at, 1, e);
}

static const struct member weight_members[] = {
    {"wq", read_matrix, FILLS(input.weights.wq)},
    {"wk", read_matrix, FILLS(input.weights.wk)},
    {"wv", read_matrix, FILLS(input.weights.wv)},
    {"wo", read_matrix, FILLS(input.weights.wo)},
    {"bq", read_bias, FILLS(input.weights.bq)},
    {"bk", read_bias, FILLS(input.weights.bk)},
    {"bv", read_bias, FILLS(input.weights.bv)},
    {"bo", read_bias, FILLS(input.weights.bo)},
};

static bool read_weights(struct decoder *d, const struct member *m,
                         const struct field *at, struct error *e)
{
    (void)m;
    d->out->input.weights.given = true;
    return read_object(d, weight_members,
                       sizeof weight_members / sizeof *weight_members, at, e);
}

static bool read_count(struct decoder *d, const struct member *m,
                       const struct field *at, struct error *e)
{
    return json_option_whole(&d->reader, at, 1, SIZE_MAX, filled_by(d, m), e);
}

static bool read_scale(struct decoder *d, const struct member *m,
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

static bool read_causal(struct decoder *d, const struct member *m,
                        const struct field *at, struct error *e)
{
    return json_reader_boolean(&d->reader, at, filled_by(d, m), e);
}

static bool read_align(struct decoder *d, const struct member *m,
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

static bool read_mask(struct decoder *d, const struct member *m, const struct field *at,
                      struct error *e)
{
    return mask_from_json(&d->reader, at, d->limits, filled_by(d, m), e);
}

static bool read_maps(struct decoder *d, const struct member *m, const struct field *at,
                      struct error *e)
{
    (void)m;
    static const char *const words[] = {"heads", "mean", "none"};
    static const enum map_form means[] = {MAPS_HEADS, MAPS_MEAN, MAPS_NONE};
    size_t choice = 0;
    if (!json_option_choice(&d->reader, at, words, 3, &choice, e))
        return false;
    d->out->input.maps = means[choice];
    return true;
}

static bool read_map_heads(struct decoder *d, const struct member *m,
                           const struct field *at, struct error *e)
{
    (void)m;
    struct json_list heads = {0};
    size_t count = 0;
    bool found;
    if (!json_reader_array(&d->reader, at, e))
        return false;
    for (;;) {
        if (!json_reader_element(&d->reader, &count, &found, e))
            return false;
        if (!found)
            break;
        if (count > d->limits->max_heads)
            return field_error(at, e, ERROR_TOO_LARGE,
                               "has more than %zu heads (max_heads)",
                               d->limits->max_heads);
        size_t *head = json_list_add(&heads, sizeof *head, d->arena, e);
        if (!head || !json_option_whole(&d->reader, FIELD_AT(at, count - 1), 0,
                                        SIZE_MAX, head, e))
            return false;
    }
    if (count == 0)
        return field_error(at, e, ERROR_INVALID_INPUT, "must name at least one head");
    d->out->input.map_heads_given = true;
    d->out->input.map_heads = heads.items;
    d->out->input.map_head_count = count;
    return true;
}

static bool read_precision(struct decoder *d, const struct member *m,
                           const struct field *at, struct error *e)
{
    (void)m;
    size_t digits = 0;
    if (!json_option_whole(&d->reader, at, 1, 9, &digits, e))
        return false;
    d->out->precision = (unsigned)digits;
    return true;
}

static bool read_tensor_format(struct decoder *d, const struct member *m,
                               const struct field *at, struct error *e)
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

static bool read_return(struct decoder *d, const struct member *m,
                        const struct field *at, struct error *e)
{
    (void)m;
    static const char *const words[] = {"projections", "lse"};
    bool *const wanted[] = {&d->out->input.want_projections, &d->out->input.want_lse};
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
        if (!json_option_choice(&d->reader, here, words, 2, &choice, e))
            return false;
        if (*wanted[choice])
            return field_error(here, e, ERROR_INVALID_INPUT, "\"%s\" stands here twice",
                               words[choice]);
        *wanted[choice] = true;
    }
}

static bool read_label(struct decoder *d, const struct field *at, struct json_text *out,
                       struct error *e)
{
    if (!json_reader_string(&d->reader, at, out, e))
        return false;
    if (out->length > LABEL_BYTES)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "has %zu bytes, at most %d are allowed", out->length,
                           LABEL_BYTES);
    return true;
}

static bool read_labels(struct decoder *d, const struct member *m,
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
            return field_error(at, e, ERROR_TOO_LARGE,
                               "has more than %zu labels (max_tokens)",
                               d->limits->max_tokens);
        struct json_text *label = json_list_add(&labels, sizeof *label, d->arena, e);
        if (!label || !read_label(d, FIELD_AT(at, count - 1), label, e))
            return false;
    }
    d->out->labels_given = true;
    d->out->labels = labels.items;
    d->out->label_count = count;
    return true;
}

static bool read_timeout(struct decoder *d, const struct member *m,
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

static bool read_id(struct decoder *d, const struct member *m, const struct field *at,
                    struct error *e)
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

static const struct member members[] = {
    {"sequences", read_sequences, FILLS(input.sequences)},
    {"context", read_sequences, FILLS(input.context)},
    {"query", read_projected, FILLS(input.query)},
    {"key", read_projected, FILLS(input.key)},
    {"value", read_projected, FILLS(input.value)},
    {"weights", read_weights, 0},
    {"heads", read_count, FILLS(input.heads)},
    {"kv_heads", read_count, FILLS(input.kv_heads)},
    {"scale", read_scale, 0},
    {"causal", read_causal, FILLS(input.causal)},
    {"align", read_align, 0},
    {"mask", read_mask, FILLS(input.mask)},
    {"maps", read_maps, 0},
    {"map_heads", read_map_heads, 0},
    {"precision", read_precision, 0},
    {"tensor_format", read_tensor_format, 0},
    {"return", read_return, 0},
    {"labels", read_labels, 0},
    {"timeout_ms", read_timeout, 0},
    {"id", read_id, 0},
};

static bool is_blank(const char *body, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = body[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return true;
}

static bool read_document(struct decoder *d, struct error *e)
{
    enum json_kind kind = json_reader_peek(&d->reader);
    if (kind != JSON_KIND_OBJECT && kind != JSON_KIND_OTHER)
        return error_set(e, ERROR_INVALID_JSON, "", "must be an object, not %s",
                         json_kind_name(kind));
    return read_object(d, members, sizeof members / sizeof *members, NULL, e) &&
           json_reader_finish(&d->reader, e);
}

bool attention_request_decode(const char *body, size_t length,
                              const struct attention_limits *limits,
                              struct arena *arena, struct attention_request *out,
                              struct error *e)
{
    *out = (struct attention_request){0};
    if (is_blank(body, length))
        return error_set(e, ERROR_EMPTY_BODY, "", "send a JSON object");

    struct decoder d = {.limits = limits, .arena = arena, .out = out};
    json_reader_init(&d.reader, body, length, arena);
    if (read_document(&d, e))
        return true;

    /* What is not JSON is called so, even when something before the place is wrong,
     * too: a client with a broken encoder has to look there first. */
    struct error syntax = {0};
    if (e->code != ERROR_OUT_OF_MEMORY && !json_check(body, length, arena, &syntax) &&
        syntax.code == ERROR_INVALID_JSON)
        *e = syntax;
    return false;
}
