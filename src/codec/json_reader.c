#include "codec/json_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/json_string.h"
#include "codec/number.h"
#include "codec/number_kernels.h"
#include "codec/number_whole.h"

void json_reader_init(struct json_reader *r, const char *text, size_t length,
                      struct arena *arena)
{
    *r = (struct json_reader){.begin = text,
                              .at = text,
                              .end = text + length,
                              .arena = arena,
                              .most_depth = JSON_DEPTH};
}

static bool not_json(const struct json_reader *r, const char *at, struct error *e,
                     const char *format, ...) PRINTF_LIKE(4, 5);

/* Only a failure needs lines and columns, so they are counted then. */
static bool not_json(const struct json_reader *r, const char *at, struct error *e,
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
        return not_json(r, r->end, e, "the text ends where a value should begin");
    bool object = r->objects >> (r->depth - 1) & 1;
    return not_json(r, r->end, e, "the text ends inside an %s",
                    object ? "object" : "array");
}

/* Something else than `expected` stands here, or nothing. */
static bool unexpected(const struct json_reader *r, struct error *e,
                       const char *expected)
{
    return r->at == r->end ? cut_short(r, e) : not_json(r, r->at, e, "%s", expected);
}

static inline const char *after_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

static inline void skip_blanks(struct json_reader *r)
{
    r->at = after_blanks(r->at, r->end);
}

enum json_kind json_reader_peek(struct json_reader *r)
{
    skip_blanks(r);
    if (r->at == r->end)
        return JSON_KIND_END;

    switch (*r->at) {
    case '{': return JSON_KIND_OBJECT;
    case '[': return JSON_KIND_ARRAY;
    case '"': return JSON_KIND_STRING;
    case 't':
    case 'f': return JSON_KIND_BOOLEAN;
    case 'n': return JSON_KIND_NULL;
    case '-': return JSON_KIND_NUMBER;
    default: return *r->at >= '0' && *r->at <= '9' ? JSON_KIND_NUMBER : JSON_KIND_OTHER;
    }
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

static bool no_value(const struct json_reader *r, struct error *e)
{
    if (r->at == r->begin && r->end - r->at >= 3 &&
        memcmp(r->at, "\xEF\xBB\xBF", 3) == 0)
        return not_json(r, r->at, e, "a byte order mark is not allowed");
    if (r->at < r->end && (*r->at == 'N' || *r->at == 'I'))
        return not_json(r, r->at, e, "expected a value; JSON has no NaN or Infinity");
    return unexpected(r, e, "expected a value");
}

static bool expect(struct json_reader *r, enum json_kind wanted, const struct field *at,
                   struct error *e)
{
    enum json_kind kind = json_reader_peek(r);
    if (kind == wanted)
        return true;
    if (kind == JSON_KIND_OTHER || kind == JSON_KIND_END)
        return no_value(r, e);
    return field_error(at, e, ERROR_INVALID_INPUT, "must be %s, not %s",
                       json_kind_name(wanted), json_kind_name(kind));
}

/* Steps into the object or array that begins here. */
static bool enter(struct json_reader *r, bool object, struct error *e)
{
    if (r->depth == r->most_depth)
        return not_json(r, r->at, e, "nested deeper than %zu levels (json_depth)",
                        r->most_depth);

    const uint64_t bit = (uint64_t)1 << r->depth;
    r->objects = object ? r->objects | bit : r->objects & ~bit;
    r->depth++;
    r->at++;
    return true;
}

static void leave(struct json_reader *r)
{
    r->depth--;
    r->at++;
}

bool json_reader_object(struct json_reader *r, const struct field *at,
                        struct json_members *m, struct error *e)
{
    m->count = 0;
    return expect(r, JSON_KIND_OBJECT, at, e) && enter(r, true, e);
}

bool json_reader_array(struct json_reader *r, const struct field *at, struct error *e)
{
    skip_blanks(r);
    if (r->at < r->end && *r->at == '[')
        return enter(r, false, e);
    return expect(r, JSON_KIND_ARRAY, at, e) && enter(r, false, e);
}

/* Is there another one after `count` members or elements? Steps over the comma
 * before it, or out of the closing `bracket`. */
static inline bool next_item(struct json_reader *r, size_t count, char bracket,
                             const char *expected, bool *found, struct error *e)
{
    skip_blanks(r);
    *found = false;
    if (r->at < r->end && *r->at == bracket) {
        leave(r);
        return true;
    }
    if (count > 0) {
        if (r->at == r->end || *r->at != ',')
            return unexpected(r, e, expected);
        r->at++;
        skip_blanks(r);
    }
    *found = true;
    return true;
}

bool json_reader_element(struct json_reader *r, size_t *count, bool *found,
                         struct error *e)
{
    if (!next_item(r, *count, ']', "expected ',' or ']'", found, e))
        return false;
    *count += *found;
    return true;
}

static bool string_failed(const struct json_reader *r, enum json_string_status status,
                          const char *wrong, struct error *e)
{
    switch (status) {
    case JSON_STRING_CUT:
        return not_json(r, r->end, e, "the text ends inside a string");
    case JSON_STRING_CONTROL:
        return not_json(r, wrong, e, "a control character in a string must be escaped");
    case JSON_STRING_ESCAPE: return not_json(r, wrong, e, "this is not an escape");
    case JSON_STRING_SURROGATE:
        return not_json(r, wrong, e, "half of a surrogate pair stands alone");
    case JSON_STRING_UTF8: return not_json(r, wrong, e, "the text is not valid UTF-8");
    case JSON_STRING_OK:
    case JSON_STRING_NO_MEMORY: break;
    }
    return false;
}

static bool read_text(struct json_reader *r, struct json_text *out, struct error *e)
{
    const char *wrong = NULL;
    enum json_string_status status =
        json_string_read(&r->at, r->end, r->arena, out, &wrong, e);
    return status == JSON_STRING_OK || string_failed(r, status, wrong, e);
}

/* A name ends after so many bytes, or is not looked at any further. */
static bool read_name(struct json_reader *r, struct json_text *out, struct error *e)
{
    const size_t most = JSON_MAX_NAME + 2; /* its quotes */
    const bool more = (size_t)(r->end - r->at) > most;
    const char *end = more ? r->at + most : r->end, *wrong = NULL;
    enum json_string_status status =
        json_string_read(&r->at, end, r->arena, out, &wrong, e);
    if (status == JSON_STRING_CUT && more)
        return not_json(r, r->at, e, "a name is longer than %d bytes", JSON_MAX_NAME);
    return status == JSON_STRING_OK || string_failed(r, status, wrong, e);
}

/* Bytes of a name that a message shows: whole characters, not too many. */
static int clipped(struct json_text name)
{
    size_t length = name.length < 60 ? name.length : 60;
    while (length < name.length && ((unsigned char)name.bytes[length] & 0xC0) == 0x80)
        length--;
    return (int)length;
}

static bool remember(const struct json_reader *r, const char *begin,
                     struct json_members *m, struct json_text name, struct error *e)
{
    switch (json_members_add(m, name)) {
    case JSON_MEMBERS_OK: break;
    case JSON_MEMBERS_TWICE:
        return not_json(r, begin, e, "the member \"%.*s\" stands here twice",
                        clipped(name), name.bytes);
    case JSON_MEMBERS_TOO_MANY:
        return not_json(r, begin, e, "an object has more than %d members",
                        JSON_MAX_MEMBERS);
    }
    return true;
}

bool json_reader_member(struct json_reader *r, struct json_members *m,
                        struct json_text *name, bool *found, struct error *e)
{
    if (!next_item(r, m->count, '}', "expected ',' or '}'", found, e))
        return false;
    if (!*found)
        return true;
    if (r->at == r->end || *r->at != '"')
        return unexpected(r, e,
                          m->count > 0
                              ? "expected the name of a member in quotes"
                              : "expected the name of a member in quotes, or '}'");

    const char *begin = r->at;
    if (!read_name(r, name, e) || !remember(r, begin, m, *name, e))
        return false;
    skip_blanks(r);
    if (r->at == r->end || *r->at != ':')
        return unexpected(r, e, "expected ':'");
    r->at++;
    return true;
}

bool json_reader_first_float(struct json_reader *r, float *out)
{
    const char *p = after_blanks(r->at, r->end);
    if (number_read_float(&p, r->end, out) != NUMBER_OK)
        return false;
    r->at = p;
    return true;
}

static bool one_more_float(struct json_reader *r, float *out)
{
    const char *p = after_blanks(r->at, r->end);
    if (p == r->end || *p != ',')
        return false;
    p = after_blanks(p + 1, r->end);
    if (number_read_float(&p, r->end, out) != NUMBER_OK)
        return false;
    r->at = p;
    return true;
}

/* As many as are short and whole: rows of a few need no kernel. */
static size_t more_wholes(struct json_reader *r, float *out, size_t room)
{
    size_t count = 0;
    while (count < room) {
        uint32_t whole;
        const char *p = after_blanks(r->at, r->end);
        if (p == r->end || *p != ',')
            break;
        p = after_blanks(p + 1, r->end);
        if (!number_whole_read(&p, r->end, &whole))
            break;
        out[count++] = (float)whole;
        r->at = p;
    }
    return count;
}

static bool another_follows(const struct json_reader *r)
{
    const char *p = after_blanks(r->at, r->end);
    return p < r->end && *p == ',';
}

size_t json_reader_more_floats(struct json_reader *r, float *out, size_t room)
{
    size_t count = more_wholes(r, out, room);
    if (count == room || !another_follows(r))
        return count;

    const struct number_kernels *kernels = number_kernels_choice(0);
    while (count < room) {
        count += kernels->read(r->begin, &r->at, r->end, out + count, room - count);
        if (count == room || !one_more_float(r, &out[count]))
            break;
        count++;
    }
    return count;
}

static bool number_failed(const struct json_reader *r, enum number_status status,
                          const struct field *at, const char *type, struct error *e)
{
    if (status == NUMBER_OUT_OF_RANGE)
        return field_error(at, e, ERROR_INVALID_INPUT, "is outside the range of %s",
                           type);
    if (status == NUMBER_TOO_LONG)
        return not_json(r, r->at, e, "a number is longer than %d characters",
                        NUMBER_MAX_TOKEN);
    if (r->at == r->end)
        return not_json(r, r->at, e, "the text ends inside a number");
    return not_json(r, r->at, e, "expected a digit");
}

bool json_reader_float(struct json_reader *r, const struct field *at, float *out,
                       struct error *e)
{
    if (!expect(r, JSON_KIND_NUMBER, at, e))
        return false;
    enum number_status status = number_read_float(&r->at, r->end, out);
    return status == NUMBER_OK || number_failed(r, status, at, "float32", e);
}

bool json_reader_double(struct json_reader *r, const struct field *at, double *out,
                        struct error *e)
{
    if (!expect(r, JSON_KIND_NUMBER, at, e))
        return false;
    enum number_status status = number_read_double(&r->at, r->end, out);
    return status == NUMBER_OK || number_failed(r, status, at, "float64", e);
}

bool json_reader_size(struct json_reader *r, const struct field *at, size_t *out,
                      struct error *e)
{
    const double most = 9007199254740992.0; /* 2^53: all whole numbers up to it exist */
    double value;
    if (!json_reader_double(r, at, &value, e))
        return false;
    if (!(value >= 0 && value <= most) || value != (double)(uint64_t)value)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be a whole number, 0 or more");
    *out = (size_t)value;
    return true;
}

static bool read_word(struct json_reader *r, const char *word, struct error *e)
{
    for (; *word; word++, r->at++) {
        if (r->at == r->end)
            return not_json(r, r->at, e, "the text ends inside a word");
        if (*r->at != *word)
            return not_json(r, r->at, e, "expected true, false or null");
    }
    return true;
}

bool json_reader_boolean(struct json_reader *r, const struct field *at, bool *out,
                         struct error *e)
{
    if (!expect(r, JSON_KIND_BOOLEAN, at, e))
        return false;
    *out = *r->at == 't';
    return read_word(r, *out ? "true" : "false", e);
}

bool json_reader_null(struct json_reader *r, const struct field *at, struct error *e)
{
    return expect(r, JSON_KIND_NULL, at, e) && read_word(r, "null", e);
}

bool json_reader_string(struct json_reader *r, const struct field *at,
                        struct json_text *out, struct error *e)
{
    return expect(r, JSON_KIND_STRING, at, e) && read_text(r, out, e);
}

/* The next three call each other, JSON_MOST_DEPTH deep at most: enter() sees to it. */
static bool skip_object(struct json_reader *r, struct error *e)
{
    struct json_members members;
    struct json_text name;
    bool found;
    if (!json_reader_object(r, NULL, &members, e))
        return false;
    for (;;) {
        if (!json_reader_member(r, &members, &name, &found, e))
            return false;
        if (!found)
            return true;
        if (!json_reader_skip(r, e))
            return false;
    }
}

static bool skip_array(struct json_reader *r, struct error *e)
{
    size_t count = 0;
    bool found;
    if (!json_reader_array(r, NULL, e))
        return false;
    for (;;) {
        if (!json_reader_element(r, &count, &found, e))
            return false;
        if (!found)
            return true;
        if (!json_reader_skip(r, e))
            return false;
    }
}

bool json_reader_skip(struct json_reader *r, struct error *e)
{
    bool boolean;
    switch (json_reader_peek(r)) {
    case JSON_KIND_OBJECT: return skip_object(r, e);
    case JSON_KIND_ARRAY: return skip_array(r, e);
    case JSON_KIND_STRING: return read_text(r, NULL, e);
    case JSON_KIND_BOOLEAN: return json_reader_boolean(r, NULL, &boolean, e);
    case JSON_KIND_NULL: return json_reader_null(r, NULL, e);
    case JSON_KIND_NUMBER: {
        enum number_status status = number_skip(&r->at, r->end);
        return status == NUMBER_OK || number_failed(r, status, NULL, "", e);
    }
    case JSON_KIND_END:
    case JSON_KIND_OTHER: break;
    }
    return no_value(r, e);
}

bool json_reader_rest(struct json_reader *r, size_t *count, struct error *e)
{
    for (bool found = true; found;)
        if (!json_reader_skip(r, e) || !json_reader_element(r, count, &found, e))
            return false;
    return true;
}

bool json_reader_finish(struct json_reader *r, struct error *e)
{
    skip_blanks(r);
    if (r->at == r->end)
        return true;
    return not_json(r, r->at, e, "expected the end of the text");
}

bool json_reader_refuse(const struct json_reader *r, struct error *e, const char *why)
{
    return not_json(r, r->at, e, "%s", why);
}

bool json_reader_check(struct json_reader *r, struct error *e)
{
    return json_reader_skip(r, e) && json_reader_finish(r, e);
}

bool json_check(const char *text, size_t length, struct arena *arena, struct error *e)
{
    struct json_reader r;
    json_reader_init(&r, text, length, arena);
    return json_reader_check(&r, e);
}
