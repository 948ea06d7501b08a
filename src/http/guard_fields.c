#include <string.h>

#include "http/guard_state.h"

static void field_start(struct guard *g, struct guard_flow *f)
{
    if (*f->in == '\r') {
        guard_hold(g, f, 1);
        g->state = GUARD_END_LF;
    } else if (!guard_is(*f->in, GUARD_TOKEN)) {
        guard_refuse(g, f, GUARD_FIELD); /* blanks would continue the line before */
    } else if (g->fields == GUARD_FIELD_LIMIT) {
        guard_refuse(g, f, GUARD_HEAD_FIELDS);
    } else {
        g->fields++;
        g->name_bytes = 0;
        g->value_state = GUARD_VALUE;
        g->state = GUARD_NAME;
    }
}

static void keep_name(struct guard *g, const char *bytes, size_t count)
{
    size_t room = (size_t)(GUARD_NAME_BYTES - g->name_bytes);
    char *name = g->name + g->name_bytes;
    if (count > room)
        count = room;
    for (size_t i = 0; i < count; i++)
        name[i] = (char)(bytes[i] | (bytes[i] >= 'A' && bytes[i] <= 'Z' ? 0x20 : 0));
    g->name_bytes = (uint8_t)(g->name_bytes + count);
}

static bool is_named(const struct guard *g, const char *name, size_t length)
{
    return g->name_bytes == length && memcmp(g->name, name, length) == 0;
}
#define NAMED(g, name) is_named(g, name, sizeof(name) - 1)

static enum guard_reason take_host(struct guard *g)
{
    bool before = g->host_seen;
    g->host_seen = true;
    g->value_state = GUARD_HOST_VALUE;
    return before ? GUARD_HOST : GUARD_NONE;
}

static enum guard_reason take_length(struct guard *g)
{
    if (g->length_seen || g->coding_seen)
        return g->length_seen ? GUARD_LENGTH : GUARD_CODING_LENGTH;
    g->length_seen = true;
    g->value_state = GUARD_LENGTH_VALUE;
    return GUARD_NONE;
}

static enum guard_reason take_coding(struct guard *g)
{
    if (g->coding_seen || g->length_seen)
        return g->coding_seen ? GUARD_CODING : GUARD_CODING_LENGTH;
    if (g->http_1_0)
        return GUARD_CODING_1_0;
    g->coding_seen = true;
    g->value_state = GUARD_CODING_VALUE;
    return GUARD_NONE;
}

/* The field of a head, by its name: may it stand there? */
static enum guard_reason take_name(struct guard *g)
{
    if (g->in_trailers) /* where nothing means anything (RFC 9110, 6.5.1) */
        return GUARD_NONE;
    if (NAMED(g, "host"))
        return take_host(g);
    if (NAMED(g, "content-length"))
        return take_length(g);
    if (NAMED(g, "transfer-encoding"))
        return take_coding(g);
    return GUARD_NONE;
}

/* What begins with "cookie" begins with "cooki_" from here on. */
static void pass_name(struct guard *g, struct guard_flow *f, size_t count)
{
    enum { COOKIE = 6 };
    size_t before = g->name_bytes;
    keep_name(g, f->in, count);
    if (before < COOKIE && before + count >= COOKIE && !g->in_trailers &&
        memcmp(g->name, "cookie", COOKIE) == 0) {
        size_t most = COOKIE - 1 - before;
        guard_pass(g, f, most);
        guard_drop(f, 1);
        guard_emit(g, f, "_", 1);
        count -= most + 1;
    }
    guard_pass(g, f, count);
}

/* Bytes beyond ASCII are no token, but some send them in names of their own: in what
 * begins with X- they are borne, as nothing here, or before us, takes that for a
 * field that says where the message ends. */
static bool is_borne(const struct guard *g, char c)
{
    return (unsigned char)c >= 0x80 && g->name_bytes >= 2 &&
           memcmp(g->name, "x-", 2) == 0;
}

static void name(struct guard *g, struct guard_flow *f)
{
    pass_name(g, f, guard_run(f, SIZE_MAX, GUARD_TOKEN));
    if (f->in == f->end)
        return;
    if (is_borne(g, *f->in)) {
        guard_pass(g, f, 1);
        return;
    }
    enum guard_reason why = *f->in == ':' ? take_name(g) : GUARD_FIELD;
    if (why) {
        guard_refuse(g, f, why);
        return;
    }
    guard_pass(g, f, 1);
    g->value_bytes = 0;
    g->state = GUARD_BLANKS;
}

static void blanks(struct guard *g, struct guard_flow *f)
{
    while (f->in < f->end && *f->in == ' ')
        guard_pass(g, f, 1);
    if (f->in == f->end)
        return;
    if (*f->in != '\t')
        g->state = g->value_state;
    else if (g->value_state == GUARD_CODING_VALUE)
        guard_refuse(g, f, GUARD_CODING);
    else
        guard_pass(g, f, 1);
}

/* A value whose bytes are all in one class. */
static void value(struct guard *g, struct guard_flow *f, enum guard_class set,
                  enum guard_reason otherwise)
{
    guard_pass(g, f, guard_run(f, SIZE_MAX, set));
    if (f->in == f->end)
        return;
    if (*f->in != '\r') {
        guard_refuse(g, f, otherwise);
        return;
    }
    guard_pass(g, f, 1);
    g->state = GUARD_FIELD_LF;
}

static void length_digit(struct guard *g, struct guard_flow *f)
{
    uint64_t digit = (uint64_t)(*f->in - '0');
    if (g->left > (INT64_MAX - digit) / 10) {
        guard_refuse(g, f, GUARD_LENGTH_RANGE);
        return;
    }
    g->left = 10 * g->left + digit;
    g->value_bytes = 1;
    guard_pass(g, f, 1);
}

/* The library knows no blanks behind the digits, although they may stand there. */
static void length_value(struct guard *g, struct guard_flow *f)
{
    char c = *f->in;
    bool digits = g->value_bytes > 0;
    if (c >= '0' && c <= '9' && g->state == GUARD_LENGTH_VALUE) {
        length_digit(g, f);
    } else if (digits && (c == ' ' || c == '\t')) {
        guard_drop(f, 1);
        g->state = GUARD_LENGTH_BLANKS;
    } else if (digits && c == '\r') {
        guard_pass(g, f, 1);
        g->state = GUARD_FIELD_LF;
    } else {
        guard_refuse(g, f, GUARD_LENGTH);
    }
}

static void coding_value(struct guard *g, struct guard_flow *f)
{
    static const char known[] = "chunked";
    enum { KNOWN = sizeof known - 1 };
    char c = *f->in;
    bool whole = g->value_bytes == KNOWN;
    if (!whole && (c | 0x20) == known[g->value_bytes]) {
        g->value_bytes++;
        guard_pass(g, f, 1);
    } else if (whole && c == '\r') {
        guard_pass(g, f, 1);
        g->state = GUARD_FIELD_LF;
    } else if (whole && !guard_is(c, GUARD_TOKEN)) {
        guard_refuse(g, f, GUARD_CODING); /* chunked, and something else */
    } else {
        g->element = g->value_bytes > 0;
        g->blank = false;
        g->state = GUARD_CODING_LIST;
    }
}

/* A list of codings we do not have is not implemented; what is no list is an attempt
 * to be read in two ways. */
static void coding_list(struct guard *g, struct guard_flow *f)
{
    char c = *f->in;
    if (guard_is(c, GUARD_TOKEN) && !(g->element && g->blank)) {
        g->element = true;
        g->blank = false;
    } else if (c == ',' && g->element) {
        g->element = g->blank = false;
    } else if (c == ' ') {
        g->blank = true;
    } else {
        bool list = c == '\r' && g->element;
        guard_refuse(g, f, list ? GUARD_CODING_OTHER : GUARD_CODING);
        return;
    }
    guard_drop(f, 1);
}

static void field_line_feed(struct guard *g, struct guard_flow *f)
{
    if (*f->in != '\n') {
        guard_refuse(g, f, GUARD_FIELD);
        return;
    }
    guard_pass(g, f, 1);
    g->state = GUARD_FIELD_START;
}

static void end(struct guard *g, struct guard_flow *f)
{
    if (*f->in != '\n') {
        guard_refuse(g, f, GUARD_FIELD);
    } else if (g->in_trailers) {
        guard_hold(g, f, 1);
        guard_emit(g, f, "0\r\n\r\n", 5);
        guard_message_end(g);
    } else if (!g->host_seen && !g->http_1_0) {
        guard_refuse(g, f, GUARD_HOST);
    } else {
        guard_hold(g, f, 1);
        guard_emit(g, f, "\r\n", 2);
        guard_body_begin(g);
    }
}

void guard_fields_step(struct guard *g, struct guard_flow *f)
{
    switch (g->state) {
    case GUARD_FIELD_START: field_start(g, f); break;
    case GUARD_NAME: name(g, f); break;
    case GUARD_BLANKS: blanks(g, f); break;
    case GUARD_VALUE: value(g, f, GUARD_TEXT, GUARD_FIELD); break;
    case GUARD_HOST_VALUE: value(g, f, GUARD_HOST_BYTE, GUARD_HOST); break;
    case GUARD_LENGTH_VALUE:
    case GUARD_LENGTH_BLANKS: length_value(g, f); break;
    case GUARD_CODING_VALUE: coding_value(g, f); break;
    case GUARD_CODING_LIST: coding_list(g, f); break;
    case GUARD_FIELD_LF: field_line_feed(g, f); break;
    default: end(g, f); break;
    }
}
