#include <string.h>

#include "http/guard_state.h"

static void start(struct guard *g, struct guard_flow *f)
{
    char c = *f->in;
    if (guard_is(c, GUARD_TOKEN)) {
        g->head_bytes = 0;
        g->state = GUARD_METHOD;
    } else if (c == '\r' && g->empty_lines < GUARD_EMPTY_LINES) {
        g->empty_lines++;
        g->state = GUARD_START_LF;
        guard_pass(g, f, 1);
    } else {
        guard_refuse(g, f, GUARD_LINE);
    }
}

static void line_feed(struct guard *g, struct guard_flow *f, enum guard_state next)
{
    if (*f->in != '\n') {
        guard_refuse(g, f, GUARD_LINE);
        return;
    }
    guard_pass(g, f, 1);
    g->state = (uint8_t)next;
}

static void method(struct guard *g, struct guard_flow *f)
{
    guard_pass(g, f, guard_run(f, SIZE_MAX, GUARD_TOKEN));
    if (f->in == f->end)
        return;
    if (*f->in != ' ') {
        guard_refuse(g, f, GUARD_LINE);
        return;
    }
    guard_pass(g, f, 1);
    g->state = GUARD_IN_TARGET;
}

/* Which bytes a path or a query may have is http/target's to say. */
static void target(struct guard *g, struct guard_flow *f)
{
    size_t n = guard_run(f, GUARD_TARGET_LIMIT - g->target_bytes, GUARD_VISIBLE);
    const char *end = f->in + n, *and = f->in;
    while ((and = memchr(and, '&', (size_t)(end - and))) != NULL) {
        if (g->ands++ == GUARD_AND_LIMIT) {
            guard_pass(g, f, (size_t)(and-f->in));
            guard_refuse(g, f, GUARD_PARAMETERS);
            return;
        }
        and++;
    }
    guard_pass(g, f, n);
    g->target_bytes = (uint16_t)(g->target_bytes + n);
    if (f->in == f->end)
        return;
    if (guard_is(*f->in, GUARD_VISIBLE)) {
        guard_refuse(g, f, GUARD_TARGET);
    } else if (*f->in != ' ' || g->target_bytes == 0) {
        guard_refuse(g, f, GUARD_LINE);
    } else {
        guard_pass(g, f, 1);
        g->value_bytes = 0;
        g->state = GUARD_IN_VERSION;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.2 would be answered as HTTP/1.1 (RFC 9110, 2.5). */
static void version(struct guard *g, struct guard_flow *f)
{
    enum { MAJOR = 5, MINOR = 7, END = 8 };
    static const char expected[] = "HTTP/1.1";
    if (g->value_bytes == 0 && f->end - f->in > END &&
        memcmp(f->in, expected, END) == 0) { /* nearly always */
        guard_pass(g, f, END);
        g->value_bytes = END;
    }
    char c = *f->in;
    unsigned at = g->value_bytes;
    bool right = at < MINOR ? c == expected[at] : at == MINOR ? is_digit(c) : c == '\r';
    if (!right) {
        guard_refuse(g, f, at == MAJOR && is_digit(c) ? GUARD_VERSION : GUARD_LINE);
        return;
    }
    guard_pass(g, f, 1);
    g->http_1_0 |= at == MINOR && c == '0';
    if (at == END)
        g->state = GUARD_LINE_LF;
    else
        g->value_bytes++;
}

void guard_line_step(struct guard *g, struct guard_flow *f)
{
    switch (g->state) {
    case GUARD_START: start(g, f); break;
    case GUARD_START_LF: line_feed(g, f, GUARD_START); break;
    case GUARD_METHOD: method(g, f); break;
    case GUARD_IN_TARGET: target(g, f); break;
    case GUARD_IN_VERSION: version(g, f); break;
    default: line_feed(g, f, GUARD_FIELD_START); break;
    }
}
