#include "codec/attention_response.h"

#include <assert.h>
#include <string.h>

#include "base/size.h"
#include "codec/answer_method.h"
#include "codec/answer_parts.h"
#include "codec/json_escape.h"
#include "codec/milliseconds.h"

/* Numbers after which a piece ends with its row: about 0.2 ms of writing each. */
enum { NESTED_PIECE = 8192, BASE64_PIECE = 16 * 8192 };

/* The names of the four times, and the times. */
enum { TIMING_BYTES = 80 + 4 * MILLISECONDS_BYTES };

/* Where a piece begins; it ends where the next one does. */
struct cut {
    size_t part, row;
    size_t bound;
};

struct attention_response {
    const struct attention_request *request;
    const struct multi_head_result *result;

    struct answer_parts parts;
    struct cut *cut; /* [pieces + 1] */
    size_t pieces;
};

static size_t numbers_of(const struct attention_response *r)
{
    size_t numbers = 0;
    for (size_t i = 0; i < r->parts.count; i++)
        numbers += r->parts.part[i].rows * r->parts.part[i].width;
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
    for (size_t i = 0; i < r->parts.count; i++) {
        const struct answer_part *part = &r->parts.part[i];
        cut->bound += part->before_length;
        for (size_t row = 0; row < part->rows;) {
            size_t wanted = size_divided_up(full - held, part->width);
            size_t taken = wanted < part->rows - row ? wanted : part->rows - row;
            row += taken;
            held += taken * part->width;
            cut->bound += taken * part->row_bound;
            if (held >= full) {
                bool over = row == part->rows;
                cut = cut_at(r, over ? i + 1 : i, over ? 0 : row);
                held = 0;
            }
        }
    }
}

/* {"method"}, {"labels"} and {"timing"}, at most. */
static size_t tail_bound(const struct attention_response *r)
{
    const struct attention_request *q = r->request;
    size_t bytes = sizeof ",\"labels\":[]" + TIMING_BYTES;
    for (size_t i = 0; i < q->label_count; i++)
        bytes += json_escape_length(q->labels[i]) + 1;
    return r->parts.after_length + answer_method_bound(r->result) + bytes;
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
    r->cut[r->pieces] = (struct cut){.part = r->parts.count};
    return true;
}

size_t attention_response_most(const struct attention_response *r)
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
    if (!answer_parts_plan(request, result, id, arena, &r->parts, e) ||
        !make_cuts(r, arena, e))
        return NULL;

    size_t bytes = attention_response_most(r);
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
        const struct answer_part *part = &r->parts.part[at.part];
        if (at.row == 0)
            out = write_text(part->before, part->before_length, out);
        size_t to = at.part < end.part ? part->rows : end.row;
        out = answer_part_write(part, at.row, to, out);
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

static char *write_time(const char *before, double ms, char *out)
{
    return milliseconds_write(ms, write_text(before, strlen(before), out));
}

size_t attention_response_finish(const struct attention_response *r,
                                 const struct attention_timing *timing, char *out)
{
    char *at = write_piece(r, r->pieces - 1, out);
    at = write_text(r->parts.after, r->parts.after_length, at);
    at = answer_method_write(r->request, r->result, at);
    at = write_labels(r->request, at);

    at = write_time(",\"timing\":{\"parse_ms\":", timing->parse_ms, at);
    at = write_time(",\"queue_ms\":", timing->queue_ms, at);
    at = write_time(",\"compute_ms\":", timing->compute_ms, at);
    at = write_time(",\"total_ms\":", timing->total_ms, at);
    return (size_t)(write_text("}}", 2, at) - out);
}
