#include "codec/picture_text.h"

#include <math.h>
#include <string.h>

#include "codec/terminal_text.h"

enum {
    LEVELS = 5,
    WIDE_CELLS = 32,  /* up to here a cell is two columns wide, and so square */
    MOST_CELLS = 100, /* a side; beyond, neighbours share a cell */
    LABEL_COLUMNS = 12,
    MOST_MAPS = 64,
    TABLE_TOKENS = 16,
    TABLE_WIDTH = 8,
    /* No map takes more: cells of three bytes, and labels at two sides, whose glyphs
     * have up to 20 bytes, marks included. A table of outputs takes far less. */
    MAP_BYTES = MOST_CELLS * (3 * MOST_CELLS + 2 * 20 * LABEL_COLUMNS + 16) + 4096,
};

static const char *const shade[LEVELS] = {" ", "░", "▒", "▓", "█"};

/* One side of a map: tokens, some of which may share a cell. */
struct axis {
    size_t tokens, cells, share;   /* share: tokens a cell; the last may have fewer */
    const struct json_text *label; /* [tokens], or NULL: numbers */
};

struct picture {
    const float *map; /* [rows.tokens][columns.tokens] */
    struct axis rows, columns;
    size_t cell_columns; /* of the terminal */
    size_t label_columns;
    float darkest;
    float cell[MOST_CELLS * MOST_CELLS];
};

static struct axis make_axis(size_t tokens, const struct json_text *label)
{
    size_t share = (tokens + MOST_CELLS - 1) / MOST_CELLS;
    return (struct axis){.tokens = tokens,
                         .cells = (tokens + share - 1) / share,
                         .share = share,
                         .label = share == 1 ? label : NULL};
}

static void repeat(struct buffer *out, const char *text, size_t count)
{
    while (count-- > 0)
        buffer_text(out, text);
}

/* Columns that the first LABEL_COLUMNS columns of a label really take. */
static size_t label_width(struct json_text label)
{
    size_t columns = 0;
    for (size_t i = 0; i < label.length;) {
        struct glyph g = terminal_glyph(label.bytes + i, label.length - i);
        if (columns + g.columns > LABEL_COLUMNS)
            break;
        columns += g.columns;
        i += g.taken;
    }
    return columns;
}

static size_t digits_of(size_t number)
{
    size_t digits = 1;
    while (number /= 10)
        digits++;
    return digits;
}

static size_t axis_label_width(const struct axis *a)
{
    if (!a->label)
        return digits_of(a->tokens - 1);

    size_t widest = 0;
    for (size_t i = 0; i < a->tokens; i++) {
        size_t width = label_width(a->label[i]);
        widest = width > widest ? width : widest;
    }
    return widest;
}

/* The name of a row, to the right of its column. */
static void draw_row_name(const struct axis *a, size_t cell, size_t columns,
                          struct buffer *out)
{
    if (!a->label) {
        buffer_printf(out, "%*zu", (int)columns, cell * a->share);
        return;
    }
    struct json_text label = a->label[cell];
    size_t width = label_width(label);
    repeat(out, " ", columns - width);
    for (size_t i = 0, drawn = 0; drawn < width;) {
        struct glyph g = terminal_glyph(label.bytes + i, label.length - i);
        buffer_append(out, g.bytes, g.length);
        drawn += g.columns;
        i += g.taken;
    }
}

static size_t glyphs_in(struct json_text label)
{
    size_t glyphs = 0;
    for (size_t i = 0; i < label.length && glyphs < LABEL_COLUMNS; glyphs++)
        i += terminal_glyph(label.bytes + i, label.length - i).taken;
    return glyphs;
}

/* One glyph of a label that is read downwards and stands on the frame. */
static void draw_upright_glyph(struct json_text label, size_t line, size_t lines,
                               size_t columns, struct buffer *out)
{
    size_t skipped = lines - glyphs_in(label);
    if (line < skipped) {
        repeat(out, " ", columns);
        return;
    }
    size_t i = 0;
    for (size_t n = skipped; n < line; n++)
        i += terminal_glyph(label.bytes + i, label.length - i).taken;
    struct glyph g = terminal_glyph(label.bytes + i, label.length - i);
    if (g.columns > columns)
        g = (struct glyph){.bytes = "?", .length = 1, .columns = 1};
    buffer_append(out, g.bytes, g.length);
    repeat(out, " ", columns - g.columns);
}

static void draw_column_labels(const struct picture *p, struct buffer *out)
{
    size_t lines = 0;
    for (size_t c = 0; c < p->columns.cells; c++) {
        size_t glyphs = glyphs_in(p->columns.label[c]);
        lines = glyphs > lines ? glyphs : lines;
    }
    for (size_t line = 0; line < lines; line++) {
        repeat(out, " ", p->label_columns + 2);
        for (size_t c = 0; c < p->columns.cells; c++)
            draw_upright_glyph(p->columns.label[c], line, lines, p->cell_columns, out);
        buffer_text(out, "\n");
    }
}

/* Every 1, 2, 5, 10 ... cells, as close as the numbers allow. */
static size_t tick_distance(const struct picture *p)
{
    static const size_t distances[] = {1, 2, 5, 10, 20};
    size_t wanted = digits_of(p->columns.tokens - 1) + 1, i = 0;
    while (distances[i] * p->cell_columns < wanted)
        i++;
    return distances[i];
}

static void draw_column_numbers(const struct picture *p, struct buffer *out)
{
    size_t distance = tick_distance(p);
    repeat(out, " ", p->label_columns + 2);
    for (size_t c = 0; c < p->columns.cells; c += distance)
        buffer_printf(out, "%-*zu", (int)(distance * p->cell_columns),
                      c * p->columns.share);
    buffer_text(out, "\n");
}

/* The mean of the weights that share the cell (r, c). */
static float mean_of_cell(const struct picture *p, size_t r, size_t c)
{
    size_t T = p->rows.tokens, S = p->columns.tokens;
    size_t top = r * p->rows.share, left = c * p->columns.share;
    size_t bottom = top + p->rows.share < T ? top + p->rows.share : T;
    size_t right = left + p->columns.share < S ? left + p->columns.share : S;

    double sum = 0;
    for (size_t i = top; i < bottom; i++)
        for (size_t j = left; j < right; j++)
            sum += (double)p->map[i * S + j];
    return (float)(sum / (double)((bottom - top) * (right - left)));
}

static void fill_cells(struct picture *p)
{
    p->darkest = 0;
    for (size_t r = 0; r < p->rows.cells; r++) {
        for (size_t c = 0; c < p->columns.cells; c++) {
            float mean = mean_of_cell(p, r, c);
            p->cell[r * MOST_CELLS + c] = mean;
            p->darkest = fmaxf(p->darkest, mean);
        }
    }
}

/* Rounded, so that a shade stands for an equal stretch around its value. */
static size_t level_of(float value, float darkest)
{
    return value > 0 ? (size_t)(value / darkest * (LEVELS - 1) + 0.5f) : 0;
}

static void draw_frame(const struct picture *p, const char *left, const char *right,
                       struct buffer *out)
{
    repeat(out, " ", p->label_columns + 1);
    buffer_text(out, left);
    repeat(out, "─", p->columns.cells * p->cell_columns);
    buffer_text(out, right);
    buffer_text(out, "\n");
}

static void draw_grid(const struct picture *p, struct buffer *out)
{
    draw_frame(p, "┌", "┐", out);
    for (size_t r = 0; r < p->rows.cells; r++) {
        draw_row_name(&p->rows, r, p->label_columns, out);
        buffer_text(out, " │");
        for (size_t c = 0; c < p->columns.cells; c++) {
            float value = p->cell[r * MOST_CELLS + c];
            repeat(out, shade[level_of(value, p->darkest)], p->cell_columns);
        }
        buffer_text(out, "│\n");
    }
    draw_frame(p, "└", "┘", out);
}

static void draw_legend(const struct picture *p, struct buffer *out)
{
    if (p->darkest <= 0)
        return;

    repeat(out, " ", p->label_columns + 1);
    for (size_t level = 1; level < LEVELS; level++) {
        double least = ((double)level - 0.5) / (LEVELS - 1) * (double)p->darkest;
        buffer_printf(out, " %s from %.2g ", shade[level], least);
    }
    buffer_text(out, "\n");
    if (p->rows.share > 1 || p->columns.share > 1) {
        repeat(out, " ", p->label_columns + 2);
        buffer_printf(out, "each cell is the mean of %zu × %zu weights\n",
                      p->rows.share, p->columns.share);
    }
}

/* Whose map it is and how large. */
static void draw_title(const struct attention_request *q,
                       const struct multi_head_result *m, size_t b, size_t map,
                       float darkest, struct buffer *out)
{
    if (m->mean_map)
        buffer_printf(out, "mean of %zu %s", m->H, m->H == 1 ? "head" : "heads");
    else
        buffer_printf(out, "head %zu of %zu",
                      q->input.map_heads_given ? q->input.map_heads[map] : map, m->H);
    if (!m->single)
        buffer_printf(out, " · sequence %zu", b);
    size_t T = m->sequence[b].T, S = m->sequence[b].S;
    buffer_printf(out, " · %zu %s × %zu %s · darkest cell %.2g\n", T,
                  T == 1 ? "query" : "queries", S, S == 1 ? "key" : "keys",
                  (double)darkest);
}

/* The labels, where they can be those of these tokens. */
static const struct json_text *labels_for(const struct attention_request *q,
                                          size_t tokens)
{
    return q->labels_given && q->label_count == tokens ? q->labels : NULL;
}

static void draw_map(const struct attention_request *q,
                     const struct multi_head_result *m, size_t b, size_t map,
                     struct buffer *out)
{
    const struct sequence_result *s = &m->sequence[b];
    bool same_tokens = q->input.context.count == 0;
    struct picture p = {
        .map = s->maps + map * s->T * s->S,
        .rows = make_axis(s->T, labels_for(q, s->T)),
        .columns = make_axis(s->S, same_tokens ? labels_for(q, s->S) : NULL),
        .cell_columns = s->S <= WIDE_CELLS ? 2 : 1,
    };
    p.label_columns = axis_label_width(&p.rows);
    fill_cells(&p);

    draw_title(q, m, b, map, p.darkest, out);
    if (p.columns.label)
        draw_column_labels(&p, out);
    else
        draw_column_numbers(&p, out);
    draw_grid(&p, out);
    draw_legend(&p, out);
    buffer_text(out, "\n");
}

/* Number c of token i, heads joined. */
static float output_at(const struct multi_head_result *m,
                       const struct sequence_result *s, size_t i, size_t c)
{
    if (!m->split_heads)
        return s->output[i * m->width + c];
    return s->output[(c / m->dv * s->T + i) * m->dv + c % m->dv];
}

/* The outputs of a sequence small enough to be read. */
static void draw_outputs(const struct attention_request *q,
                         const struct multi_head_result *m, size_t b,
                         struct buffer *out)
{
    const struct sequence_result *s = &m->sequence[b];
    size_t width = m->split_heads ? m->H * m->dv : m->width;
    if (s->T > TABLE_TOKENS || width > TABLE_WIDTH)
        return;

    const struct axis rows = make_axis(s->T, labels_for(q, s->T));
    size_t columns = axis_label_width(&rows);
    buffer_text(out, "outputs");
    if (!m->single)
        buffer_printf(out, " · sequence %zu", b);
    buffer_printf(out, " · %zu × %zu\n", s->T, width);
    for (size_t i = 0; i < s->T; i++) {
        draw_row_name(&rows, i, columns, out);
        buffer_text(out, " ");
        for (size_t c = 0; c < width; c++)
            buffer_printf(out, " %10.4g", (double)output_at(m, s, i, c));
        buffer_text(out, "\n");
    }
    buffer_text(out, "\n");
}

/* Is there still room for whatever comes next? `begin`: the length before the
 * picture. */
static bool has_room(const struct buffer *out, size_t begin)
{
    return out->length - begin <= PICTURE_TEXT_BYTES - 2 * MAP_BYTES;
}

void picture_text_draw(const struct attention_request *request,
                       const struct multi_head_result *result, struct buffer *out)
{
    bool none = !result->sequence[0].maps;
    size_t maps_each = none ? 0 : result->mean_map ? 1 : result->map_heads;
    size_t begin = out->length, drawn = 0, b = 0;
    if (none)
        buffer_text(out, "No maps: the request says \"maps\": \"none\".\n\n");

    for (; b < result->B && has_room(out, begin); b++) {
        for (size_t map = 0; map < maps_each; map++) {
            if (drawn == MOST_MAPS || !has_room(out, begin))
                break;
            draw_map(request, result, b, map, out);
            drawn++;
        }
        if (drawn < (b + 1) * maps_each)
            break;
        draw_outputs(request, result, b, out);
    }

    if (drawn < result->B * maps_each)
        buffer_printf(out,
                      "Maps not drawn: %zu. Choose with map_heads, or ask for JSON.\n",
                      result->B * maps_each - drawn);
    else if (b < result->B)
        buffer_printf(out, "Sequences not drawn: %zu. Ask for JSON.\n", result->B - b);
}
