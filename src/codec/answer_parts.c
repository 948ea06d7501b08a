#include "codec/answer_parts.h"

#include <assert.h>
#include <string.h>

#include "codec/json_escape.h"
#include "codec/whole_number.h"

enum { LITERAL_BYTES = 1024 }; /* more than any text between two tensors */

/* The answer as it is being planned: text that stands before the next tensor. */
struct plan {
    const struct attention_request *request;
    const struct multi_head_result *result;
    struct answer_parts *out;
    struct arena *arena;
    struct error *e;
    char literal[LITERAL_BYTES];
    size_t literal_length;
};

/* What one sequence may be answered with; the order is that of the answer. */
enum member {
    OUTPUTS,
    MAPS,
    TOP_INDICES,
    TOP_VALUES,
    QUERY,
    KEY,
    VALUE,
    LSE,
    PRESENT_KEY,
    PRESENT_VALUE,
    STATE,
    ENTROPY,
    ENTROPY_PART,
    STATISTICS,
    MEMBERS
};

static const struct {
    const char *before, *after;
} wording[MEMBERS] = {
    [OUTPUTS] = {",\"outputs\":", ""},
    [MAPS] = {",\"attention_maps\":", ""},
    [TOP_INDICES] = {",\"attention_maps\":{\"indices\":", ""},
    [TOP_VALUES] = {",\"values\":", "}"},
    [QUERY] = {",\"projections\":{\"query\":", ""},
    [KEY] = {",\"key\":", ""},
    [VALUE] = {",\"value\":", "}"},
    [LSE] = {",\"lse\":", ""},
    [PRESENT_KEY] = {",\"present\":{\"key\":", ""},
    [PRESENT_VALUE] = {",\"value\":", "}"},
    [STATE] = {",\"state\":", ""},
    [ENTROPY] = {",\"entropy\":{\"nats\":", ""},
    [ENTROPY_PART] = {",\"normalised\":", "}"},
    [STATISTICS] = {",\"statistics\":", ""},
};

static size_t past_length(const struct attention_request *q)
{
    const struct past_input *past = &q->input.past;
    return past->given ? past->key.extent[past->key.rank - 2] : 0;
}

/* `data` is NULL for what was not asked for. */
static struct row_numbers numbers_of(const struct plan *p, size_t b, enum member member)
{
    const struct multi_head_result *m = p->result;
    const struct sequence_result *s = &m->sequence[b];
    const size_t own = s->S - past_length(p->request), top = m->top;
    switch (member) {
    case OUTPUTS:
        return m->split_heads
                   ? (struct row_numbers){s->output, 1, 3, {m->H, s->T, m->dv}}
                   : (struct row_numbers){s->output, 1, 2, {s->T, m->width}};
    case MAPS:
        return m->mean_map ? (struct row_numbers){s->maps, 1, 2, {s->T, s->map_columns}}
                           : (struct row_numbers){
                                 s->maps, 1, 3, {m->map_heads, s->T, s->map_columns}};
    case TOP_INDICES:
        return (struct row_numbers){s->top_indices, 1, 3, {m->map_heads, s->T, top}};
    case TOP_VALUES:
        return (struct row_numbers){s->top_values, 1, 3, {m->map_heads, s->T, top}};
    case QUERY: return (struct row_numbers){s->query, 1, 3, {m->H, s->T, m->dk}};
    case KEY: return (struct row_numbers){s->key, 1, 3, {m->G, own, m->dk}};
    case VALUE: return (struct row_numbers){s->value, 1, 3, {m->G, own, m->dv}};
    case LSE: return (struct row_numbers){s->lse, 1, 2, {m->H, s->T}};
    case PRESENT_KEY:
        return (struct row_numbers){s->present_key, 1, 3, {m->G, s->S, m->dk}};
    case PRESENT_VALUE:
        return (struct row_numbers){s->present_value, 1, 3, {m->G, s->S, m->dv}};
    case STATE: return (struct row_numbers){s->state, 1, 3, {m->G, m->dk, m->dv}};
    case ENTROPY: return (struct row_numbers){s->entropy, 2, 2, {m->H, s->T}};
    case ENTROPY_PART:
        return (struct row_numbers){
            s->entropy ? s->entropy + 1 : NULL, 2, 2, {m->H, s->T}};
    case STATISTICS: /* add_statistics() has it; GCOVR_EXCL_START */
    case MEMBERS: break;
    }
    return (struct row_numbers){0};
    /* GCOVR_EXCL_STOP */
}

static bool is_wanted(const struct plan *p, enum member member)
{
    if (member == STATISTICS)
        return p->result->sequence[0].statistics != NULL;
    return numbers_of(p, 0, member).data != NULL;
}

/* Which numbers may be none: of an empty row, of a cell that is hidden. */
static enum row_form form_of(const struct plan *p, enum member member)
{
    bool maps = member == MAPS || member == TOP_VALUES;
    if (member == TOP_INDICES)
        return ROWS_INTEGERS;
    if (member == LSE || (maps && p->request->input.map_stage != MAP_STAGE_WEIGHTS))
        return ROWS_EXTENDED;
    return ROWS_NUMBERS;
}

static bool is_ragged(const struct plan *p, enum member member)
{
    const struct row_numbers first = numbers_of(p, 0, member);
    for (size_t b = 1; b < p->result->B; b++) {
        struct row_numbers n = numbers_of(p, b, member);
        if (memcmp(first.extent, n.extent, sizeof n.extent) != 0)
            return true;
    }
    return false;
}

static void say(struct plan *p, const char *text)
{
    size_t length = strlen(text);
    assert(length < sizeof p->literal - p->literal_length);
    memcpy(p->literal + p->literal_length, text, length);
    p->literal_length += length;
}

static void say_count(struct plan *p, size_t count)
{
    assert(WHOLE_NUMBER_BYTES < sizeof p->literal - p->literal_length);
    char *end = whole_number_write(count, p->literal + p->literal_length);
    p->literal_length = (size_t)(end - p->literal);
}

static void say_name(struct plan *p, struct json_text name)
{
    assert(6 * name.length + 2 < sizeof p->literal - p->literal_length);
    char *end = json_escape_write(name, p->literal + p->literal_length);
    p->literal_length = (size_t)(end - p->literal);
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

static bool add_part(struct plan *p, struct answer_part part)
{
    part.before = take_literal(p, &part.before_length);
    p->out->part[p->out->count++] = part;
    return part.before != NULL;
}

static bool add_tensor(struct plan *p, struct tensor_rows rows)
{
    return add_part(p, (struct answer_part){.rows = rows.rows,
                                            .width = rows.width,
                                            .row_bound = rows.row_bound,
                                            .tensor = rows});
}

static bool add_nested(struct plan *p, enum member member)
{
    const struct multi_head_result *m = p->result;
    for (size_t b = 0; b < m->B; b++) {
        struct row_numbers n = numbers_of(p, b, member);
        say(p, b > 0 ? "," : m->single ? "" : "[");
        if (!add_tensor(
                p, tensor_rows_nested(&n, form_of(p, member), p->request->precision)))
            return false;
    }
    say(p, m->single ? "" : "]");
    return true;
}

/* One base64 object of `count` sequences from `first` on, which have one shape. */
static bool add_base64_object(struct plan *p, enum member member, size_t first,
                              size_t count, bool batch_axis)
{
    const void **array = arena_alloc(p->arena, count, sizeof *array, p->e);
    if (!array)
        return false;
    for (size_t i = 0; i < count; i++)
        array[i] = numbers_of(p, first + i, member).data;

    struct row_numbers n = numbers_of(p, first, member);
    say(p, member == TOP_INDICES ? "{\"dtype\":\"i32\",\"shape\":["
                                 : "{\"dtype\":\"f32\",\"shape\":[");
    if (batch_axis)
        say_count(p, count);
    for (size_t i = 0; i < n.rank; i++) {
        say(p, batch_axis || i > 0 ? "," : "");
        say_count(p, n.extent[i]);
    }
    say(p, "],\"data\":\"");
    if (!add_tensor(p, tensor_rows_base64(array, count, &n)))
        return false;
    say(p, "\"}");
    return true;
}

/* Sequences of one shape are one tensor; others cannot be, and are an array. */
static bool add_base64(struct plan *p, enum member member)
{
    const struct multi_head_result *m = p->result;
    if (!is_ragged(p, member))
        return add_base64_object(p, member, 0, m->B, !m->single);

    for (size_t b = 0; b < m->B; b++) {
        say(p, b > 0 ? "," : "[");
        if (!add_base64_object(p, member, b, 1, false))
            return false;
    }
    say(p, "]");
    return true;
}

static bool add_statistics(struct plan *p)
{
    const struct multi_head_result *m = p->result;
    for (size_t b = 0; b < m->B; b++) {
        const struct sequence_result *s = &m->sequence[b];
        const struct statistics_rows rows = {
            .head = s->statistics,
            .received = s->received,
            .heads = m->H,
            .keys = s->S,
            .precision = p->request->precision,
            .base64 = p->request->tensor_format == TENSOR_BASE64,
        };
        say(p, b > 0 ? "," : m->single ? "" : "[");
        if (!add_part(p, (struct answer_part){.rows = m->H,
                                              .width = s->S,
                                              .row_bound = statistics_rows_bound(&rows),
                                              .is_statistics = true,
                                              .statistics = rows}))
            return false;
    }
    say(p, m->single ? "" : "]");
    return true;
}

static bool add_member(struct plan *p, enum member member)
{
    if (member == STATISTICS)
        return add_statistics(p);
    return p->request->tensor_format == TENSOR_BASE64 ? add_base64(p, member)
                                                      : add_nested(p, member);
}

static bool add_members(struct plan *p, struct json_text id)
{
    say(p, "{\"id\":");
    say_name(p, id);

    for (enum member member = 0; member < MEMBERS; member++) {
        if (!is_wanted(p, member))
            continue;
        say(p, wording[member].before);
        if (!add_member(p, member))
            return false;
        say(p, wording[member].after);
    }
    p->out->after = take_literal(p, &p->out->after_length);
    return p->out->after != NULL;
}

bool answer_parts_plan(const struct attention_request *request,
                       const struct multi_head_result *result, struct json_text id,
                       struct arena *arena, struct answer_parts *out, struct error *e)
{
    *out = (struct answer_parts){0};
    size_t members = 0;
    struct plan plan = {
        .request = request, .result = result, .out = out, .arena = arena, .e = e};
    for (enum member member = 0; member < MEMBERS; member++)
        members += is_wanted(&plan, member);
    out->part = arena_alloc(arena, members * result->B, sizeof *out->part, e);
    return out->part && add_members(&plan, id);
}

char *answer_part_write(const struct answer_part *part, size_t from, size_t to,
                        char *out)
{
    return part->is_statistics ? statistics_rows_write(&part->statistics, from, to, out)
                               : tensor_rows_write(&part->tensor, from, to, out);
}
