#include "codec/attention_request.h"

#include "codec/attention_members.h"
#include "core/approximations.h"

static bool is_blank(const char *body, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = body[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return true;
}

static void open_reader(struct json_reader *r, const char *body, size_t length,
                        const struct attention_limits *limits, struct arena *arena)
{
    json_reader_init(r, body, length, arena);
    if (limits->json_depth > 0)
        r->most_depth = limits->json_depth;
}

static bool read_document(struct request_decoder *d, struct error *e)
{
    const struct request_members tables[] = {request_inputs, request_options,
                                             request_answers};
    struct json_members seen;
    if (!request_object(d, tables, sizeof tables / sizeof *tables, NULL, &seen, e) ||
        !json_reader_finish(&d->reader, e))
        return false;

    struct attention_input *input = &d->out->input;
    if (!json_members_have(&seen, "maps") &&
        approximations_map_columns(&input->method, 1) == 0)
        input->maps = MAPS_NONE;
    return true;
}

bool attention_request_decode(const char *body, size_t length,
                              const struct attention_limits *limits,
                              struct arena *arena, struct attention_request *out,
                              struct error *e)
{
    *out = (struct attention_request){0};
    if (is_blank(body, length))
        return error_set(e, ERROR_EMPTY_BODY, "", "send a JSON object");

    struct request_decoder d = {.limits = limits, .arena = arena, .out = out};
    open_reader(&d.reader, body, length, limits, arena);
    if (read_document(&d, e)) {
        out->base64_bytes = d.reader.base64_bytes;
        return true;
    }

    /* What is not JSON is called so, even when something before the place is wrong,
     * too: a client with a broken encoder has to look there first. */
    struct error syntax = {0};
    open_reader(&d.reader, body, length, limits, arena);
    if (e->code != ERROR_OUT_OF_MEMORY && !json_reader_check(&d.reader, &syntax) &&
        syntax.code == ERROR_INVALID_JSON)
        *e = syntax;
    return false;
}
