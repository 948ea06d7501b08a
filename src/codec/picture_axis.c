#include "codec/picture_axis.h"

#include "base/size.h"
#include "codec/terminal_text.h"

struct picture_axis picture_axis_of(size_t tokens, const struct json_text *label)
{
    size_t share = size_divided_up(tokens, PICTURE_MOST_CELLS);
    return (struct picture_axis){.tokens = tokens,
                                 .cells = size_divided_up(tokens, share),
                                 .share = share,
                                 .label = share == 1 ? label : NULL};
}

static void repeat(struct buffer *out, const char *text, size_t count)
{
    while (count-- > 0)
        buffer_text(out, text);
}

/* Columns that the first PICTURE_LABEL_COLUMNS columns of a label really take. */
static size_t label_width(struct json_text label)
{
    size_t columns = 0;
    for (size_t i = 0; i < label.length;) {
        struct glyph g = terminal_glyph(label.bytes + i, label.length - i);
        if (columns + g.columns > PICTURE_LABEL_COLUMNS)
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

size_t picture_axis_width(const struct picture_axis *a)
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

void picture_axis_row(const struct picture_axis *a, size_t cell, size_t columns,
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
    for (size_t i = 0; i < label.length && glyphs < PICTURE_LABEL_COLUMNS; glyphs++)
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

static void draw_labels(const struct picture_axis *a, size_t cell_columns,
                        size_t indent, struct buffer *out)
{
    size_t lines = 0;
    for (size_t c = 0; c < a->cells; c++) {
        size_t glyphs = glyphs_in(a->label[c]);
        lines = glyphs > lines ? glyphs : lines;
    }
    for (size_t line = 0; line < lines; line++) {
        repeat(out, " ", indent);
        for (size_t c = 0; c < a->cells; c++)
            draw_upright_glyph(a->label[c], line, lines, cell_columns, out);
        buffer_text(out, "\n");
    }
}

/* Every 1, 2, 5, 10 ... cells, as close as the numbers allow. */
static size_t tick_distance(const struct picture_axis *a, size_t cell_columns)
{
    static const size_t distances[] = {1, 2, 5, 10, 20};
    size_t wanted = digits_of(a->tokens - 1) + 1, i = 0;
    while (distances[i] * cell_columns < wanted)
        i++;
    return distances[i];
}

static void draw_numbers(const struct picture_axis *a, size_t cell_columns,
                         size_t indent, struct buffer *out)
{
    size_t distance = tick_distance(a, cell_columns);
    repeat(out, " ", indent);
    for (size_t c = 0; c < a->cells; c += distance)
        buffer_printf(out, "%-*zu", (int)(distance * cell_columns), c * a->share);
    buffer_text(out, "\n");
}

void picture_axis_columns(const struct picture_axis *a, size_t cell_columns,
                          size_t indent, struct buffer *out)
{
    if (a->label)
        draw_labels(a, cell_columns, indent, out);
    else
        draw_numbers(a, cell_columns, indent, out);
}
