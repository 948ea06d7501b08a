#include "codec/attention_response.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/json_escape.h"
#include "codec/tensor_rows.h"

/* Numbers after which a piece ends with its row: about 0.2 ms of writing each. */
enum { NESTED_PIECE = 8192, BASE64_PIECE = 16 * 8192 };

enum {
    LITERAL_BYTES = 1024, /* more than any text between two tensors */
    TIMING_BYTES = 256
};
static const double longest_ms = 1e12; /* keeps a time's text within TIMING_BYTES */

/* A tensor and the text in front of it. */
struct part {
    const char *before;
    size_t before_length;
    struct tensor_rows rows;
};

/* Where a piece begins; it ends where the next one does. */
struct cut {
    size_t part, row;
    size_t bound;
};

struct attention_response {
    const struct attention_request *request;
    const struct multi_head_result *result;

    struct part *part;
    size_t parts;
    const char *after; /* the last tensor */
    size_t after_length;

    struct cut *cut; /* [pieces + 1] */
    size_t pieces;
};

/* The answer as it is being planned: text that stands before the next tensor. */
struct plan {
    struct attention_response *r;
    struct arena *arena;
    struct error *e;
    char literal[LITERAL_BYTES];
    size_t literal_length;
};

/* What one sequence may be answered with; the order is that of the answer. */
enum member { OUTPUTS, MAPS, QUERY, KEY, VALUE, LSE, MEMBERS };

static const struct {
    const char *before, *after;
} wording[MEMBERS] = {
    [OUTPUTS] = {",\"outputs\":", ""},
    [MAPS] = {",\"attention_maps\":", ""},
    [QUERY] = {",\"projections\":{\"query\":", ""},
    [KEY] = {",\"key\":", ""},
    [VALUE] = {",\"value\":", "}"},
    [LSE] = {",\"lse\":", ""},
};

/* `data` is NULL for what was not asked for. */
static struct tensor tensor_of(const struct multi_head_result *m, size_t b,
                               enum member member)
{
    const struct sequence_result *s = &m->sequence[b];
    switch (member) {
    case OUTPUTS:
        return m->split_heads ? (struct tensor){s->output, 3, {m->H, s->T, m->dv}}
                              : (struct tensor){s->output, 2, {s->T, m->width}};
    case MAPS:
        return m->mean_map ? (struct tensor){s->maps, 2, {s->T, s->S}}
                           : (struct tensor){s->maps, 3, {m->map_heads, s->T, s->S}};
    case QUERY: return (struct tensor){s->query, 3, {m->H, s->T, m->dk}};
    case KEY: return (struct tensor){s->key, 3, {m->G, s->S, m->dk}};
    case VALUE: return (struct tensor){s->value, 3, {m->G, s->S, m->dv}};
    case LSE:
    case MEMBERS: break;
    }
    return (struct tensor){s->lse, 2, {m->H, s->T}};
}

static bool same_extents(const struct tensor *a, const struct tensor *b)
{
    return memcmp(a->extent, b->extent, sizeof a->extent) == 0;
}

static bool is_ragged(const struct multi_head_result *m, enum member member)
{
    struct tensor first = tensor_of(m, 0, member);
    for (size_t b = 1; b < m->B; b++) {
        struct tensor t = tensor_of(m, b, member);
        if (!same_extents(&first, &t))
            return true;
    }
    return false;
}

PRINTF_LIKE(2, 3)
static void say(struct plan *p, const char *format, ...)
{
    char *at = p->literal + p->literal_length;
    size_t room = sizeof p->literal - p->literal_length;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(at, room, format, args);
    va_end(args);
    assert(length >= 0 && (size_t)length < room);
    p->literal_length += (size_t)length;
}

/* Moves what was said into the arena; NULL with the plan's error set. */
static const char *take_literal(struct plan *p, size_t *length)
{
    char *kept = arena_alloc(p->arena, p->literal_length, 1, p->e);
    if (kept)
        memcpy(kept, p->literal, p->literal_length);
    *length = p->literal_length;
    p->literal_length = 0;
    return kept;
}

static bool add_part(struct plan *p, struct tensor_rows rows)
{
    struct part *part = &p->r->part[p->r->parts++];
    part->rows = rows;
    part->before = take_literal(p, &part->before_length);
    return part->before != NULL;
}

static bool add_nested(struct plan *p, enum member member)
{
    const struct multi_head_result *m = p->r->result;
    enum row_form form = member == LSE ? ROWS_LOGARITHMS : ROWS_NUMBERS;
    for (size_t b = 0; b < m->B; b++) {
        struct tensor t = tensor_of(m, b, member);
        say(p, "%s", b > 0 ? "," : m->single ? "" : "[");
        if (!add_part(p, tensor_rows_nested(&t, form, p->r->request->precision)))
            return false;
    }
    say(p, "%s", m->single ? "" : "]");
    return true;
}

/* One base64 object of `count` sequences from `first` on, which have one shape. */
static bool add_base64_object(struct plan *p, enum member member, size_t first,
                              size_t count, bool batch_axis)
{
    const struct multi_head_result *m = p->r->result;
    const float **array = arena_alloc(p->arena, count, sizeof *array, p->e);
    if (!array)
        return false;
    for (size_t i = 0; i < count; i++)
        array[i] = tensor_of(m, first + i, member).data;

    struct tensor t = tensor_of(m, first, member);
    say(p, "{\"dtype\":\"f32\",\"shape\":[");
    if (batch_axis)
        say(p, "%zu,", count);
    for (size_t i = 0; i < t.rank; i++)
        say(p, "%s%zu", i ? "," : "", t.extent[i]);
    say(p, "],\"data\":\"");
    if (!add_part(p, tensor_rows_base64(array, count, tensor_count(&t))))
        return false;
    say(p, "\"}");
    return true;
}

/* Sequences of one shape are one tensor; others cannot be, and are an array. */
static bool add_base64(struct plan *p, enum member member)
{
    const struct multi_head_result *m = p->r->result;
    if (!is_ragged(m, member))
        return add_base64_object(p, member, 0, m->B, !m->single);

    for (size_t b = 0; b < m->B; b++) {
        say(p, "%s", b > 0 ? "," : "[");
        if (!add_base64_object(p, member, b, 1, false))
            return false;
    }
    say(p, "]");
    return true;
}

static bool add_members(struct plan *p, struct json_text id)
{
    char name[LITERAL_BYTES / 4];
    assert(json_escape_length(id) < sizeof name);
    *json_escape_write(id, name) = '\0';
    say(p, "{\"id\":%s", name);

    bool base64 = p->r->request->tensor_format == TENSOR_BASE64;
    for (enum member member = 0; member < MEMBERS; member++) {
        if (!tensor_of(p->r->result, 0, member).data)
            continue;
        say(p, "%s", wording[member].before);
        if (!(base64 ? add_base64(p, member) : add_nested(p, member)))
            return false;
        say(p, "%s", wording[member].after);
    }
    p->r->after = take_literal(p, &p->r->after_length);
    return p->r->after != NULL;
}

static size_t numbers_of(const struct attention_response *r)
{
    size_t numbers = 0;
    for (size_t i = 0; i < r->parts; i++)
        numbers += r->part[i].rows.rows * r->part[i].rows.width;
    return numbers;
}

/* Begins the next piece at this row. */
static struct cut *cut_at(struct attention_response *r, size_t part, size_t row)
{
    struct cut *cut = &r->cut[r->pieces++];
    *cut = (struct cut){.part = part, .row = row};
    return cut;
}

/* Walks over all rows, cutting behind the one that makes a piece full. What is
 * left at the end belongs to the last piece, with the closing of the answer, so
 * that a small answer is one piece. */
static void cut_pieces(struct attention_response *r, size_t full)
{
    struct cut *cut = cut_at(r, 0, 0);
    size_t held = 0;
    for (size_t i = 0; i < r->parts; i++) {
        const struct tensor_rows *rows = &r->part[i].rows;
        cut->bound += r->part[i].before_length;
        for (size_t row = 0; row < rows->rows;) {
            size_t wanted = (full - held + rows->width - 1) / rows->width;
            size_t taken = wanted < rows->rows - row ? wanted : rows->rows - row;
            row += taken;
            held += taken * rows->width;
            cut->bound += taken * rows->row_bound;
            if (held >= full) {
                bool over = row == rows->rows;
                cut = cut_at(r, over ? i + 1 : i, over ? 0 : row);
                held = 0;
            }
        }
    }
}

/* {"labels"} and {"timing"}, at most. */
static size_t tail_bound(const struct attention_response *r)
{
    const struct attention_request *q = r->request;
    size_t bytes = sizeof ",\"labels\":[]" + TIMING_BYTES;
    for (size_t i = 0; i < q->label_count; i++)
        bytes += json_escape_length(q->labels[i]) + 1;
    return r->after_length + bytes;
}

static bool make_cuts(struct attention_response *r, struct arena *arena,
                      struct error *e)
{
    bool base64 = r->request->tensor_format == TENSOR_BASE64;
    size_t full = base64 ? BASE64_PIECE : NESTED_PIECE;
    r->cut = arena_alloc(arena, numbers_of(r) / full + 2, sizeof *r->cut, e);
    if (!r->cut)
        return false;

    cut_pieces(r, full);
    r->cut[r->pieces - 1].bound += tail_bound(r);
    r->cut[r->pieces] = (struct cut){.part = r->parts};
    return true;
}

static size_t predicted_size(const struct attention_response *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < r->pieces; i++)
        bytes += r->cut[i].bound;
    return bytes;
}

struct attention_response *attention_response_plan(
    const struct attention_request *request, const struct multi_head_result *result,
    struct json_text id, const struct attention_limits *limits, struct arena *arena,
    struct error *e)
{
    struct attention_response *r = arena_alloc(arena, 1, sizeof *r, e);
    if (!r)
        return NULL;
    *r = (struct attention_response){.request = request, .result = result};
    r->part = arena_alloc(arena, MEMBERS * result->B, sizeof *r->part, e);
    if (!r->part)
        return NULL;

    struct plan plan = {.r = r, .arena = arena, .e = e};
    if (!add_members(&plan, id) || !make_cuts(r, arena, e))
        return NULL;

    size_t bytes = predicted_size(r);
    if (bytes > limits->answer_limit) {
        error_set(
            e, ERROR_TOO_LARGE, "",
            "the answer may take %zu bytes, at most %zu are allowed (answer_limit)",
            bytes, limits->answer_limit);
        return NULL;
    }
    return r;
}

size_t attention_response_pieces(const struct attention_response *r)
{
    return r->pieces;
}

size_t attention_response_bound(const struct attention_response *r, size_t piece)
{
    return r->cut[piece].bound;
}

static char *write_text(const char *text, size_t length, char *out)
{
    memcpy(out, text, length);
    return out + length;
}

static char *write_piece(const struct attention_response *r, size_t piece, char *out)
{
    struct cut at = r->cut[piece], end = r->cut[piece + 1];
    for (; at.part < end.part || (at.part == end.part && at.row < end.row); at.part++) {
        const struct part *part = &r->part[at.part];
        if (at.row == 0)
            out = write_text(part->before, part->before_length, out);
        size_t to = at.part < end.part ? part->rows.rows : end.row;
        out = tensor_rows_write(&part->rows, at.row, to, out);
        at.row = 0;
    }
    return out;
}

size_t attention_response_write(const struct attention_response *r, size_t piece,
                                char *out)
{
    assert(piece + 1 < r->pieces);
    return (size_t)(write_piece(r, piece, out) - out);
}

static char *write_labels(const struct attention_request *q, char *out)
{
    if (!q->labels_given)
        return out;

    static const char open[] = ",\"labels\":[";
    out = write_text(open, sizeof open - 1, out);
    for (size_t i = 0; i < q->label_count; i++) {
        if (i > 0)
            *out++ = ',';
        out = json_escape_write(q->labels[i], out);
    }
    *out++ = ']';
    return out;
}

static double printable_ms(double ms)
{
    return fmin(fmax(ms, 0.0), longest_ms);
}

size_t attention_response_finish(const struct attention_response *r,
                                 const struct attention_timing *timing, char *out)
{
    char *at = write_piece(r, r->pieces - 1, out);
    at = write_text(r->after, r->after_length, at);
    at = write_labels(r->request, at);

    char text[TIMING_BYTES];
    int length =
        snprintf(text, sizeof text,
                 ",\"timing\":{\"parse_ms\":%.3f,\"queue_ms\":%.3f,"
                 "\"compute_ms\":%.3f,\"total_ms\":%.3f}}",
                 printable_ms(timing->parse_ms), printable_ms(timing->queue_ms),
                 printable_ms(timing->compute_ms), printable_ms(timing->total_ms));
    assert(length > 0 && (size_t)length < sizeof text);
    return (size_t)(write_text(text, (size_t)length, at) - out);
}
