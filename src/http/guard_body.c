#include "http/guard_state.h"

void guard_message_end(struct guard *g)
{
    g->messages++;
    g->state = GUARD_START;
    g->empty_lines = g->fields = g->ands = 0;
    g->target_bytes = g->extension_bytes = 0;
    g->left = 0;
    g->http_1_0 = g->in_trailers = false;
    g->host_seen = g->length_seen = g->coding_seen = g->ignores_body = false;
    g->value_state = GUARD_START;
}

void guard_ignore_body(struct guard *g, uint64_t n)
{
    if (g->messages == n)
        g->ignores_body = g->state >= GUARD_BODY;
}

size_t guard_ignored(const struct guard *g)
{
    bool data = g->state == GUARD_BODY || g->state == GUARD_DATA;
    return data && g->ignores_body && g->left < SIZE_MAX ? (size_t)g->left : 0;
}

static void chunk_begin(struct guard *g)
{
    g->left = 0;
    g->value_bytes = 0;
    g->state = GUARD_SIZE;
}

void guard_body_begin(struct guard *g)
{
    if (g->coding_seen)
        chunk_begin(g);
    else if (g->left > 0)
        g->state = GUARD_BODY;
    else
        guard_message_end(g);
}

/* True when the body, or the chunk, is complete. */
static bool pass_data(struct guard *g, struct guard_flow *f)
{
    size_t n = (size_t)(f->end - f->in);
    if (n > g->left)
        n = (size_t)g->left;
    guard_pass(g, f, n);
    g->left -= n;
    return g->left == 0;
}

/* -1: it is none. */
static int hexadecimal(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void size(struct guard *g, struct guard_flow *f)
{
    enum { MOST_DIGITS = 16 };
    char c = *f->in;
    int digit = hexadecimal(c);
    if (digit >= 0 && (g->value_bytes == MOST_DIGITS || g->left > INT64_MAX / 16)) {
        guard_refuse(g, f, GUARD_CHUNK_RANGE);
    } else if (digit >= 0) {
        g->value_bytes++;
        g->left = 16 * g->left + (unsigned)digit;
        guard_hold(g, f, 1);
    } else if (g->value_bytes > 0 && (c == ';' || c == '\r')) {
        g->state = c == ';' ? GUARD_EXTENSION : GUARD_SIZE_LF;
        guard_hold(g, f, 1);
    } else {
        guard_refuse(g, f, GUARD_CHUNK);
    }
}

static void extension(struct guard *g, struct guard_flow *f)
{
    size_t n = guard_run(f, GUARD_EXTENSIONS_LIMIT - g->extension_bytes, GUARD_TEXT);
    g->extension_bytes = (uint16_t)(g->extension_bytes + n);
    guard_hold(g, f, n);
    if (f->in == f->end)
        return;
    if (guard_is(*f->in, GUARD_TEXT)) {
        guard_refuse(g, f, GUARD_EXTENSIONS);
    } else if (*f->in != '\r') {
        guard_refuse(g, f, GUARD_CHUNK);
    } else {
        guard_hold(g, f, 1);
        g->state = GUARD_SIZE_LF;
    }
}

/* The size is said in as few digits as it needs. */
static void size_line_feed(struct guard *g, struct guard_flow *f)
{
    if (*f->in != '\n') {
        guard_refuse(g, f, GUARD_CHUNK);
        return;
    }
    guard_hold(g, f, 1);
    if (g->left == 0) {
        g->in_trailers = true;
        g->fields = 0;
        g->head_bytes = 0;
        g->state = GUARD_FIELD_START;
        return;
    }
    static const char digits[] = "0123456789abcdef";
    char line[GUARD_HELD], *end = line;
    int shift = 60;
    while (g->left >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *end++ = digits[g->left >> shift & 15];
    *end++ = '\r';
    *end++ = '\n';
    guard_emit(g, f, line, (size_t)(end - line));
    g->state = GUARD_DATA;
}

static void data_end(struct guard *g, struct guard_flow *f, char expected)
{
    if (*f->in != expected) {
        guard_refuse(g, f, GUARD_CHUNK);
        return;
    }
    guard_pass(g, f, 1);
    if (expected == '\r')
        g->state = GUARD_DATA_LF;
    else
        chunk_begin(g);
}

void guard_body_step(struct guard *g, struct guard_flow *f)
{
    switch (g->state) {
    case GUARD_BODY:
        if (pass_data(g, f))
            guard_message_end(g);
        break;
    case GUARD_SIZE: size(g, f); break;
    case GUARD_EXTENSION: extension(g, f); break;
    case GUARD_SIZE_LF: size_line_feed(g, f); break;
    case GUARD_DATA:
        if (pass_data(g, f))
            g->state = GUARD_DATA_CR;
        break;
    case GUARD_DATA_CR: data_end(g, f, '\r'); break;
    default: data_end(g, f, '\n'); break;
    }
}
