#include "http/guard.h"

#include <assert.h>
#include <string.h>

#include "http/guard_state.h"

#define B GUARD_TEXT
#define V (GUARD_TEXT | GUARD_VISIBLE)
#define T (GUARD_TEXT | GUARD_VISIBLE | GUARD_TOKEN)
#define C (GUARD_TEXT | GUARD_VISIBLE | GUARD_HOST_BYTE)
#define H (GUARD_TEXT | GUARD_VISIBLE | GUARD_HOST_BYTE | GUARD_TOKEN)
/* clang-format off */
const unsigned char guard_classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, B, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    B, T, V, T, T, T, T, T, V, V, T, T, V, H, H, V,
    H, H, H, H, H, H, H, H, H, H, C, V, V, V, V, V,
    V, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H,
    H, H, H, H, H, H, H, H, H, H, H, C, V, C, T, H,
    T, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H,
    H, H, H, H, H, H, H, H, H, H, H, V, T, V, H, 0,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};
/* clang-format on */
#undef B
#undef V
#undef T
#undef C
#undef H

void guard_init(struct guard *g, size_t head_limit)
{
    memset(g, 0, sizeof *g);
    g->head_limit = (uint32_t)head_limit;
}

/* Writes where there is room, and what is left over to g->rest. */
static void put(struct guard *g, struct guard_flow *f, const char *bytes, size_t count)
{
    size_t room = (size_t)(f->room_end - f->out);
    size_t now = count < room ? count : room;
    memmove(f->out, bytes, now);
    f->out += now;
    assert(g->waiting + (count - now) <= sizeof g->rest);
    memcpy(g->rest + g->waiting, bytes + now, count - now);
    g->waiting = (uint8_t)(g->waiting + (count - now));
}

void guard_move(struct guard *g, struct guard_flow *f, size_t count)
{
    if (g->in_trailers) {
        guard_hold(g, f, count);
        return;
    }
    put(g, f, f->in, count);
    f->in += count;
}

void guard_drop(struct guard_flow *f, size_t count)
{
    f->in += count;
}

void guard_hold(struct guard *g, struct guard_flow *f, size_t count)
{
    f->in += count;
    g->held = (uint8_t)(g->held + count < GUARD_HELD ? g->held + count : GUARD_HELD);
}

void guard_emit(struct guard *g, struct guard_flow *f, const char *text, size_t length)
{
    put(g, f, text, length);
    g->held = 0;
}

void guard_tell(struct guard *g)
{
    bool within = g->state > GUARD_START_LF;
    if (within != atomic_load_explicit(&g->unfinished, memory_order_relaxed))
        atomic_store_explicit(&g->unfinished, within, memory_order_relaxed);
}

bool guard_is_within(const struct guard *g)
{
    return atomic_load_explicit(&g->unfinished, memory_order_relaxed);
}

size_t guard_rest(struct guard *g, char *out, size_t room)
{
    size_t count = (size_t)(g->waiting - g->waited);
    if (count > room)
        count = room;
    memcpy(out, g->rest + g->waited, count);
    g->waited = (uint8_t)(g->waited + count);
    if (g->waited == g->waiting)
        g->waited = g->waiting = 0;
    return count;
}

/* What ends the line that the library has begun to read, so that it takes it for one
 * of HTTP. */
static const char *end_of_line(const struct guard *g)
{
    static const char version[] = "HTTP/1.1\r\n";
    bool length = g->value_state == GUARD_LENGTH_VALUE;
    bool coding = g->value_state == GUARD_CODING_VALUE;
    switch ((enum guard_state)g->state) {
    case GUARD_START: return "X / HTTP/1.1\r\n";
    case GUARD_START_LF: return "\nX / HTTP/1.1\r\n";
    case GUARD_METHOD: return " / HTTP/1.1\r\n";
    case GUARD_IN_TARGET: return g->target_bytes ? " HTTP/1.1\r\n" : "/ HTTP/1.1\r\n";
    case GUARD_IN_VERSION: return version + g->value_bytes;
    case GUARD_LINE_LF:
    case GUARD_FIELD_LF: return "\n";
    case GUARD_NAME: return "x:\r\n";
    case GUARD_BLANKS: return length ? "0\r\n" : coding ? "x\r\n" : "\r\n";
    case GUARD_LENGTH_VALUE: return g->value_bytes ? "\r\n" : "0\r\n";
    case GUARD_CODING_VALUE:
    case GUARD_CODING_LIST: return "x\r\n";
    case GUARD_VALUE:
    case GUARD_HOST_VALUE:
    case GUARD_LENGTH_BLANKS: return "\r\n";
    case GUARD_FIELD_START:
    case GUARD_END_LF:
    case GUARD_BODY:
    case GUARD_SIZE:
    case GUARD_EXTENSION:
    case GUARD_SIZE_LF:
    case GUARD_DATA:
    case GUARD_DATA_CR:
    case GUARD_DATA_LF: break;
    }
    return "";
}

static const char *end_of_body(const struct guard *g)
{
    switch (g->state) {
    case GUARD_DATA_CR: return "\r\n0\r\n\r\n";
    case GUARD_DATA_LF: return "\n0\r\n\r\n";
    default: return "0\r\n\r\n";
    }
}

void guard_refuse(struct guard *g, struct guard_flow *f, enum guard_reason why)
{
    char text[GUARD_MORE], *end = text;
    if (g->state >= GUARD_BODY || g->in_trailers) {
        end = stpcpy(end, end_of_body(g));
    } else {
        end = stpcpy(end, end_of_line(g));
        end = stpcpy(end, g->host_seen ? "\r\n" : "Host: a\r\n\r\n");
    }
    f->in = f->end;
    g->reason = (uint8_t)why;
    guard_emit(g, f, text, (size_t)(end - text));
}

/* Of the head, or of trailers: not beyond the limit. */
static void limited_step(struct guard *g, struct guard_flow *f)
{
    const char *from = f->in, *end = f->end;
    size_t left = g->head_limit - g->head_bytes;
    if (left == 0) {
        guard_refuse(g, f, GUARD_HEAD_BYTES);
        return;
    }
    if ((size_t)(end - from) > left)
        f->end = from + left;
    if (g->state < GUARD_FIELD_START)
        guard_line_step(g, f);
    else
        guard_fields_step(g, f);
    g->head_bytes += (uint32_t)(f->in - from);
    f->end = end;
}

size_t guard_filter(struct guard *g, const char *in, size_t length, char *out,
                    size_t room)
{
    struct guard_flow f = {in, in + length, out, out + room};
    while (f.in < f.end && !guard_is_shut(g)) {
        if (g->state <= GUARD_START_LF)
            guard_line_step(g, &f);
        else if (g->state < GUARD_BODY)
            limited_step(g, &f);
        else
            guard_body_step(g, &f);
    }
    return (size_t)(f.out - out);
}

bool guard_has_seen(const struct guard *g, uint64_t n)
{
    return g->messages > n ||
           (g->messages == n &&
            (g->state >= GUARD_BODY || g->in_trailers || guard_is_shut(g)));
}

static const struct {
    unsigned status; /* 0: that of the code */
    enum error_code code;
    const char *text;
    unsigned most; /* allowed; 0: head_limit */
    const char *unit;
} reasons[] = {
    [GUARD_LINE] = {0, ERROR_BAD_REQUEST, "the request line is malformed", 0, NULL},
    [GUARD_VERSION] = {505, ERROR_BAD_REQUEST, "the only version known is HTTP/1.1", 0,
                       NULL},
    [GUARD_TARGET] = {414, ERROR_TOO_LARGE, "the target is too long",
                      GUARD_TARGET_LIMIT, "bytes"},
    [GUARD_PARAMETERS] = {414, ERROR_TOO_LARGE, "the target is too long",
                          GUARD_AND_LIMIT + 1, "parameters"},
    [GUARD_FIELD] = {0, ERROR_BAD_REQUEST, "a header field is malformed", 0, NULL},
    [GUARD_HEAD_BYTES] = {431, ERROR_TOO_LARGE, "the head is too long", 0,
                          "bytes (header_limit)"},
    [GUARD_HEAD_FIELDS] = {431, ERROR_TOO_LARGE, "the head is too long",
                           GUARD_FIELD_LIMIT, "fields"},
    [GUARD_HOST] = {0, ERROR_BAD_REQUEST, "the Host is missing, malformed or repeated",
                    0, NULL},
    [GUARD_LENGTH] = {0, ERROR_BAD_REQUEST,
                      "the Content-Length is malformed or repeated", 0, NULL},
    [GUARD_LENGTH_RANGE] = {0, ERROR_TOO_LARGE,
                            "the Content-Length does not fit 63 bits", 0, NULL},
    [GUARD_CODING] = {0, ERROR_BAD_REQUEST,
                      "the Transfer-Encoding is malformed or repeated", 0, NULL},
    [GUARD_CODING_OTHER] = {0, ERROR_NOT_IMPLEMENTED,
                            "the only transfer coding known is chunked", 0, NULL},
    [GUARD_CODING_LENGTH] = {0, ERROR_BAD_REQUEST,
                             "a Transfer-Encoding cannot stand beside a Content-Length",
                             0, NULL},
    [GUARD_CODING_1_0] = {0, ERROR_BAD_REQUEST,
                          "a Transfer-Encoding cannot stand in HTTP/1.0", 0, NULL},
    [GUARD_CHUNK] = {0, ERROR_BAD_REQUEST, "the chunked coding is malformed", 0, NULL},
    [GUARD_CHUNK_RANGE] = {0, ERROR_TOO_LARGE,
                           "the length of a chunk does not fit 63 bits", 0, NULL},
    [GUARD_EXTENSIONS] = {0, ERROR_TOO_LARGE, "the chunk extensions are too long",
                          GUARD_EXTENSIONS_LIMIT, "bytes"},
};

bool guard_refuses(const struct guard *g, uint64_t n, unsigned *status, struct error *e)
{
    if (!guard_is_shut(g) || g->messages != n)
        return false;
    enum error_code code = reasons[g->reason].code;
    const char *text = reasons[g->reason].text, *unit = reasons[g->reason].unit;
    unsigned most = reasons[g->reason].most;
    *status = reasons[g->reason].status;
    *e = (struct error){0};
    if (unit)
        error_set(e, code, "", "%s: at most %u %s are allowed", text,
                  most ? most : g->head_limit, unit);
    else
        error_set(e, code, "", "%s", text);
    return true;
}
