#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/json_reader_parts.h"

/* Only a failure needs lines and columns, so they are counted then. */
bool json_refuse_at(const struct json_reader *r, const char *at, struct error *e,
                    const char *format, ...)
{
    size_t line = 1, column = 1;
    for (const char *p = r->begin; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xC0) != 0x80) { /* begins a character */
            column++;
        }
    }

    char what[sizeof e->message / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return error_set(e, ERROR_INVALID_JSON, "", "line %zu, column %zu (byte %zu): %s",
                     line, column, (size_t)(at - r->begin), what);
}

static bool cut_short(const struct json_reader *r, struct error *e)
{
    if (r->depth == 0)
        return json_refuse_at(r, r->end, e, "the text ends where a value should begin");
    bool object = r->objects >> (r->depth - 1) & 1;
    return json_refuse_at(r, r->end, e, "the text ends inside an %s",
                          object ? "object" : "array");
}

/* Something else than `expected` stands here, or nothing. */
bool json_unexpected(const struct json_reader *r, struct error *e, const char *expected)
{
    return r->at == r->end ? cut_short(r, e)
                           : json_refuse_at(r, r->at, e, "%s", expected);
}

const char *json_kind_name(enum json_kind kind)
{
    switch (kind) {
    case JSON_KIND_END: return "nothing";
    case JSON_KIND_OBJECT: return "an object";
    case JSON_KIND_ARRAY: return "an array";
    case JSON_KIND_STRING: return "a string";
    case JSON_KIND_NUMBER: return "a number";
    case JSON_KIND_BOOLEAN: return "a boolean";
    case JSON_KIND_NULL: return "null";
    case JSON_KIND_OTHER: break;
    }
    return "no value";
}

bool json_no_value(const struct json_reader *r, struct error *e)
{
    if (r->at == r->begin && r->end - r->at >= 3 &&
        memcmp(r->at, "\xEF\xBB\xBF", 3) == 0)
        return json_refuse_at(r, r->at, e, "a byte order mark is not allowed");
    if (r->at < r->end && (*r->at == 'N' || *r->at == 'I'))
        return json_refuse_at(r, r->at, e,
                              "expected a value; JSON has no NaN or Infinity");
    return json_unexpected(r, e, "expected a value");
}

bool json_expect(struct json_reader *r, enum json_kind wanted, const struct field *at,
                 struct error *e)
{
    enum json_kind kind = json_reader_peek(r);
    if (kind == wanted)
        return true;
    if (kind == JSON_KIND_OTHER || kind == JSON_KIND_END)
        return json_no_value(r, e);
    return field_error(at, e, ERROR_INVALID_INPUT, "must be %s, not %s",
                       json_kind_name(wanted), json_kind_name(kind));
}
