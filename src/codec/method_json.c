/* The member `method`: a name, or an object with the parameters of that method. */
#include "codec/attention_members.h"
#include "codec/json_option.h"
#include "codec/rule_names.h"
#include "codec/whole_json.h"
#include "core/approximations.h"

enum { METHOD_NAMES = METHOD_BIGBIRD + 1 };

static bool read_name(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    (void)m;
    const char *names[METHOD_NAMES];
    size_t choice = 0;
    for (size_t i = 0; i < METHOD_NAMES; i++)
        names[i] = approximations_name((enum method_name)i);
    if (!json_option_choice(&d->reader, at, names, METHOD_NAMES, &choice, e))
        return false;
    d->out->input.method.name = (enum method_name)choice;
    return true;
}

static bool read_rule(struct request_decoder *d, const struct request_member *m,
                      const struct field *at, struct error *e)
{
    (void)m;
    size_t choice = 0;
    if (!json_option_choice(&d->reader, at, rule_names, RULE_NAMES, &choice, e))
        return false;
    d->out->input.method.rule = (enum linear_rule)choice;
    return true;
}

/* Linformer's e and f: [k][S]. */
static bool read_projection(struct request_decoder *d, const struct request_member *m,
                            const struct field *at, struct error *e)
{
    const struct tensor_rules rules = {2, 2, d->limits->max_tokens, "max_tokens"};
    return tensor_from_json(&d->reader, at, &rules, request_filled_by(d, m), e);
}

/* Of each token: [T][..] or [B][T][..]. */
static bool read_gates(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    const struct tensor_limit limit[TENSOR_MAX_RANK] = {
        [1] = {d->limits->max_batch, "max_batch"},
        [2] = {d->limits->max_tokens, "max_tokens"},
        [3] = {d->limits->max_width, "max_width"},
    };
    return tensor_from_json_by_axis(&d->reader, at, 2, 3, limit,
                                    request_filled_by(d, m), e);
}

/* [G][dk][dv] or [B][G][dk][dv]. */
static bool read_state(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    const struct tensor_limit limit[TENSOR_MAX_RANK] = {
        {d->limits->max_batch, "max_batch"},
        {d->limits->max_heads, "max_heads"},
        {d->limits->max_width, "max_width"},
        {d->limits->max_width, "max_width"},
    };
    return tensor_from_json_by_axis(&d->reader, at, 3, 4, limit,
                                    request_filled_by(d, m), e);
}

/* Starts of the rows, one more than there are, and the end of the last. */
static bool read_row_starts(struct request_decoder *d, const struct request_member *m,
                            const struct field *at, struct error *e)
{
    (void)m;
    struct method_input *method = &d->out->input.method;
    const struct tensor_limit limit = {d->limits->max_tokens + 1, "max_tokens"};
    return wholes_from_json(&d->reader, at, &limit, &method->layout_rows,
                            &method->layout_row_count, e);
}

static bool read_columns(struct request_decoder *d, const struct request_member *m,
                         const struct field *at, struct error *e)
{
    (void)m;
    struct method_input *method = &d->out->input.method;
    const struct tensor_limit limit = {d->limits->max_map_numbers, "max_map_numbers"};
    return wholes_from_json(&d->reader, at, &limit, &method->layout_columns,
                            &method->layout_column_count, e);
}

static const struct request_member layout_members[] = {
    {"row_starts", read_row_starts, 0},
    {"columns", read_columns, 0},
};

static bool read_layout(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, struct error *e)
{
    (void)m;
    static const struct request_members members = REQUEST_MEMBERS(layout_members);
    struct json_members seen;
    return request_object(d, &members, 1, at, &seen, e) &&
           request_needs(&seen, "row_starts", at, e) &&
           request_needs(&seen, "columns", at, e);
}

/* Tokens for longformer, a number of blocks for bigbird; which of the two it had to
 * be is known when the name is. */
static bool read_global(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, struct error *e)
{
    (void)m;
    struct method_input *method = &d->out->input.method;
    if (json_reader_peek(&d->reader) == JSON_KIND_NUMBER)
        return json_option_whole(&d->reader, at, 0, SIZE_MAX, &method->global_count, e);

    const struct tensor_limit limit = {d->limits->max_tokens, "max_tokens"};
    return wholes_from_json(&d->reader, at, &limit, &method->global,
                            &method->global_count, e);
}

static const struct request_member method_members[] = {
    {"name", read_name, 0},
    {"compare", request_read_boolean, REQUEST_FILLS(input.method.compare)},
    {"rank", request_read_count, REQUEST_FILLS(input.method.rank)},
    {"seed", request_read_seed, REQUEST_FILLS(input.method.seed)},
    {"e", read_projection, REQUEST_FILLS(input.method.e)},
    {"f", read_projection, REQUEST_FILLS(input.method.f)},
    {"landmarks", request_read_count, REQUEST_FILLS(input.method.landmarks)},
    {"features", request_read_count, REQUEST_FILLS(input.method.features)},
    {"rule", read_rule, 0},
    {"decay", read_gates, REQUEST_FILLS(input.method.decay)},
    {"beta", read_gates, REQUEST_FILLS(input.method.beta)},
    {"state", read_state, REQUEST_FILLS(input.method.state)},
    {"k", request_read_count, REQUEST_FILLS(input.method.k)},
    {"block", request_read_count, REQUEST_FILLS(input.method.block)},
    {"layout", read_layout, 0},
    {"window", request_read_whole, REQUEST_FILLS(input.method.window)},
    {"global", read_global, 0},
    {"random", request_read_whole, REQUEST_FILLS(input.method.random)},
};

/* What belongs to which methods; a parameter of another one is refused even with a
 * value that would change nothing. */
static bool check_owners(const struct method_input *method,
                         const struct json_members *seen, const struct field *at,
                         struct error *e)
{
    static const struct {
        const char *name;
        unsigned methods; /* 1 << each */
    } owners[] = {
        {"compare", ~(1U << METHOD_EXACT)},
        {"rank", 1U << METHOD_LINFORMER},
        {"seed",
         1U << METHOD_LINFORMER | 1U << METHOD_PERFORMER | 1U << METHOD_BIGBIRD},
        {"e", 1U << METHOD_LINFORMER},
        {"f", 1U << METHOD_LINFORMER},
        {"landmarks", 1U << METHOD_NYSTROM},
        {"features", 1U << METHOD_PERFORMER},
        {"rule", 1U << METHOD_LINEAR},
        {"decay", 1U << METHOD_LINEAR},
        {"beta", 1U << METHOD_LINEAR},
        {"state", 1U << METHOD_LINEAR},
        {"k", 1U << METHOD_TOP_K},
        {"block", 1U << METHOD_BLOCK_SPARSE | 1U << METHOD_BIGBIRD},
        {"layout", 1U << METHOD_BLOCK_SPARSE},
        {"window", 1U << METHOD_LONGFORMER},
        {"global", 1U << METHOD_LONGFORMER | 1U << METHOD_BIGBIRD},
        {"random", 1U << METHOD_BIGBIRD},
    };
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        if (json_members_have(seen, owners[i].name) &&
            !(owners[i].methods & 1U << method->name))
            return field_error(FIELD_NAME(at, owners[i].name), e, ERROR_INVALID_INPUT,
                               "is not a parameter of the method %s",
                               approximations_name(method->name));
    return true;
}

static bool check_global(const struct method_input *method,
                         const struct json_members *seen, const struct field *at,
                         struct error *e)
{
    bool tokens = method->name == METHOD_LONGFORMER;
    if (!json_members_have(seen, "global") || (method->global != NULL) == tokens)
        return true;
    return field_error(FIELD_NAME(at, "global"), e, ERROR_INVALID_INPUT,
                       tokens ? "must be an array of tokens with the method longformer"
                              : "must be a number of blocks with the method bigbird");
}

/* Matrices that are given are not drawn. */
static bool check_seed(const struct json_members *seen, const struct field *at,
                       struct error *e)
{
    bool given = json_members_have(seen, "e") || json_members_have(seen, "f");
    if (!given || !json_members_have(seen, "seed"))
        return true;
    return field_error(FIELD_NAME(at, "seed"), e, ERROR_INVALID_INPUT,
                       "cannot be given together with e and f, which need none");
}

bool request_read_method(struct request_decoder *d, const struct request_member *m,
                         const struct field *at, struct error *e)
{
    static const struct request_members members = REQUEST_MEMBERS(method_members);
    const struct method_input *method = &d->out->input.method;
    enum json_kind kind = json_reader_peek(&d->reader);
    struct json_members seen;
    if (kind == JSON_KIND_STRING)
        return read_name(d, m, at, e);
    if (kind == JSON_KIND_NUMBER || kind == JSON_KIND_BOOLEAN ||
        kind == JSON_KIND_NULL || kind == JSON_KIND_ARRAY)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be a name, or an object with one, not %s",
                           json_kind_name(kind));
    return request_object(d, &members, 1, at, &seen, e) &&
           request_needs(&seen, "name", at, e) && check_owners(method, &seen, at, e) &&
           check_global(method, &seen, at, e) && check_seed(&seen, at, e);
}
