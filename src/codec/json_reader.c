#include "codec/json_reader.h"

#include "codec/json_reader_parts.h"

void json_reader_init(struct json_reader *r, const char *text, size_t length,
                      struct arena *arena)
{
    *r = (struct json_reader){.begin = text,
                              .at = text,
                              .end = text + length,
                              .arena = arena,
                              .most_depth = JSON_DEPTH};
}

enum json_kind json_reader_peek(struct json_reader *r)
{
    json_skip_blanks(r);
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

/* Steps into the object or array that begins here. */
static bool enter(struct json_reader *r, bool object, struct error *e)
{
    if (r->depth == r->most_depth)
        return json_refuse_at(r, r->at, e, "nested deeper than %zu levels (json_depth)",
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
    return json_expect(r, JSON_KIND_OBJECT, at, e) && enter(r, true, e);
}

bool json_reader_array(struct json_reader *r, const struct field *at, struct error *e)
{
    json_skip_blanks(r);
    if (r->at < r->end && *r->at == '[')
        return enter(r, false, e);
    return json_expect(r, JSON_KIND_ARRAY, at, e) && enter(r, false, e);
}

/* Is there another one after `count` members or elements? Steps over the comma
 * before it, or out of the closing `bracket`. */
static inline bool next_item(struct json_reader *r, size_t count, char bracket,
                             const char *expected, bool *found, struct error *e)
{
    json_skip_blanks(r);
    *found = false;
    if (r->at < r->end && *r->at == bracket) {
        leave(r);
        return true;
    }
    if (count > 0) {
        if (r->at == r->end || *r->at != ',')
            return json_unexpected(r, e, expected);
        r->at++;
        json_skip_blanks(r);
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
        return json_refuse_at(r, begin, e, "the member \"%.*s\" stands here twice",
                              clipped(name), name.bytes);
    case JSON_MEMBERS_TOO_MANY:
        return json_refuse_at(r, begin, e, "an object has more than %d members",
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
        return json_unexpected(r, e,
                               m->count > 0
                                   ? "expected the name of a member in quotes"
                                   : "expected the name of a member in quotes, or '}'");

    const char *begin = r->at;
    if (!json_read_name(r, name, e) || !remember(r, begin, m, *name, e))
        return false;
    json_skip_blanks(r);
    if (r->at == r->end || *r->at != ':')
        return json_unexpected(r, e, "expected ':'");
    r->at++;
    return true;
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
    case JSON_KIND_STRING: return json_skip_string(r, e);
    case JSON_KIND_BOOLEAN: return json_reader_boolean(r, NULL, &boolean, e);
    case JSON_KIND_NULL: return json_reader_null(r, NULL, e);
    case JSON_KIND_NUMBER: return json_skip_number(r, e);
    case JSON_KIND_END:
    case JSON_KIND_OTHER: break;
    }
    return json_no_value(r, e);
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
    json_skip_blanks(r);
    if (r->at == r->end)
        return true;
    return json_refuse_at(r, r->at, e, "expected the end of the text");
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
