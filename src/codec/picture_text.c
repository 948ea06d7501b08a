#include "codec/picture_text.h"

#include "codec/picture_cells.h"
#include "core/approximations.h"

enum {
    WIDE_CELLS = 32, /* up to here a cell is two columns wide, and so square */
    MOST_MAPS = 64,
    TABLE_TOKENS = 16,
    TABLE_WIDTH = 8,
    /* No map takes more: cells of three bytes, and labels at two sides, whose glyphs
     * have up to 20 bytes, marks included. A table of outputs takes far less. */
    MAP_BYTES = PICTURE_MOST_CELLS *
                    (3 * PICTURE_MOST_CELLS + 2 * 20 * PICTURE_LABEL_COLUMNS + 16) +
                4096,
};

static const char *const shade[PICTURE_LEVELS] = {" ", "░", "▒", "▓", "█"};
static const char hidden[] = "·";

static const char *const stage_name[] = {
    [MAP_STAGE_WEIGHTS] = "weights",
    [MAP_STAGE_SCORES] = "scores",
    [MAP_STAGE_CAPPED] = "capped scores",
    [MAP_STAGE_BIASED] = "biased scores",
};

struct picture {
    const char *stage;
    size_t top; /* of each row, 0: all */
    struct picture_axis rows, columns;
    size_t cell_columns; /* of the terminal */
    size_t label_columns;
    struct picture_cells cells;
};

static void repeat(struct buffer *out, const char *text, size_t count)
{
    while (count-- > 0)
        buffer_text(out, text);
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
        picture_axis_row(&p->rows, r, p->label_columns, out);
        buffer_text(out, " │");
        for (size_t c = 0; c < p->columns.cells; c++) {
            int level = picture_cells_level(&p->cells, r, c);
            repeat(out, level == PICTURE_HIDDEN ? hidden : shade[level],
                   p->cell_columns);
        }
        buffer_text(out, "│\n");
    }
    draw_frame(p, "└", "┘", out);
}

/* What the shades stand for: a blank is no weight, but the least of the scores. */
static void draw_shades(const struct picture *p, struct buffer *out)
{
    const struct picture_cells *c = &p->cells;
    repeat(out, " ", p->label_columns + 1);
    if (!c->weights && c->most > c->least)
        buffer_printf(out, " blank from %.2g ", picture_cells_least(c, 0));
    for (int level = 1; level < PICTURE_LEVELS && c->most > c->least; level++)
        buffer_printf(out, " %s from %.2g ", shade[level],
                      picture_cells_least(c, level));
    if (c->any_hidden)
        buffer_printf(out, " %s %s ", hidden,
                      p->top ? "hidden, or not among the largest" : "hidden");
    buffer_text(out, "\n");
}

static void draw_legend(const struct picture *p, struct buffer *out)
{
    const struct picture_cells *c = &p->cells;
    if (c->most > c->least || c->any_hidden)
        draw_shades(p, out);
    if (c->any_shown && (p->rows.share > 1 || p->columns.share > 1) &&
        !(c->weights && c->most <= 0)) {
        repeat(out, " ", p->label_columns + 2);
        buffer_printf(out, "each cell is the mean of %zu × %zu %s%s\n", p->rows.share,
                      p->columns.share, p->stage,
                      c->weights ? "" : ", hidden ones left out");
    }
}

/* Which numbers are drawn, and how large they are. */
static void draw_figures(const struct picture *p, struct buffer *out)
{
    const struct picture_cells *c = &p->cells;
    if (p->top)
        buffer_printf(out, " · the %zu largest of each row", p->top);
    if (c->weights)
        buffer_printf(out, " · darkest cell %.2g\n", (double)c->most);
    else if (c->any_shown)
        buffer_printf(out, " · %s from %.2g to %.2g\n", p->stage, (double)c->least,
                      (double)c->most);
    else
        buffer_printf(out, " · %s, all hidden\n", p->stage);
}

/* Whose map it is and how large. */
static void draw_title(const struct attention_request *q,
                       const struct multi_head_result *m, size_t b, size_t map,
                       struct buffer *out)
{
    if (m->mean_map)
        buffer_printf(out, "mean of %zu %s", m->H, m->H == 1 ? "head" : "heads");
    else
        buffer_printf(out, "head %zu of %zu",
                      q->input.map_heads_given ? q->input.map_heads[map] : map, m->H);
    if (!m->single)
        buffer_printf(out, " · sequence %zu", b);
    const struct sequence_result *s = &m->sequence[b];
    buffer_printf(out, " · %zu %s × ", s->T, s->T == 1 ? "query" : "queries");
    if (s->map_columns != s->S)
        buffer_printf(out, "%zu mixtures of ", s->map_columns);
    buffer_printf(out, "%zu %s", s->S, s->S == 1 ? "key" : "keys");
}

/* The labels, where they can be those of these tokens. */
static const struct json_text *labels_for(const struct attention_request *q,
                                          size_t tokens)
{
    return q->labels_given && q->label_count == tokens ? q->labels : NULL;
}

static struct picture_map map_of(const struct attention_request *q,
                                 const struct multi_head_result *m, size_t b,
                                 size_t map)
{
    const struct sequence_result *s = &m->sequence[b];
    struct picture_map drawn = {.top = m->top,
                                .weights = q->input.map_stage == MAP_STAGE_WEIGHTS};
    if (m->top) {
        drawn.indices = s->top_indices + map * s->T * m->top;
        drawn.values = s->top_values + map * s->T * m->top;
    } else {
        drawn.whole = s->maps + map * s->T * s->map_columns;
    }
    return drawn;
}

static void draw_map(const struct attention_request *q,
                     const struct multi_head_result *m, size_t b, size_t map,
                     struct buffer *out)
{
    const struct sequence_result *s = &m->sequence[b];
    const size_t columns = s->map_columns;
    bool same_tokens = q->input.context.count == 0 && columns == s->S;
    const struct picture_map drawn = map_of(q, m, b, map);
    struct picture p = {
        .stage = stage_name[q->input.map_stage],
        .top = m->top,
        .rows = picture_axis_of(s->T, labels_for(q, s->T)),
        .columns =
            picture_axis_of(columns, same_tokens ? labels_for(q, columns) : NULL),
        .cell_columns = columns <= WIDE_CELLS ? 2 : 1,
    };
    p.label_columns = picture_axis_width(&p.rows);
    picture_cells_fill(&drawn, &p.rows, &p.columns, &p.cells);

    draw_title(q, m, b, map, out);
    draw_figures(&p, out);
    picture_axis_columns(&p.columns, p.cell_columns, p.label_columns + 2, out);
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

    const struct picture_axis rows = picture_axis_of(s->T, labels_for(q, s->T));
    size_t columns = picture_axis_width(&rows);
    buffer_text(out, "outputs");
    if (!m->single)
        buffer_printf(out, " · sequence %zu", b);
    buffer_printf(out, " · %zu × %zu\n", s->T, width);
    for (size_t i = 0; i < s->T; i++) {
        picture_axis_row(&rows, i, columns, out);
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

static void say_why_not(const struct attention_request *q, struct buffer *out)
{
    const struct method_input *method = &q->input.method;
    if (approximations_map_columns(method, 1) == 0)
        buffer_printf(out, "No maps: the method %s has none.\n\n",
                      approximations_name(method->name));
    else
        buffer_text(out, "No maps: the request says \"maps\": \"none\".\n\n");
}

void picture_text_draw(const struct attention_request *request,
                       const struct multi_head_result *result, struct buffer *out)
{
    const struct sequence_result *first = &result->sequence[0];
    bool none = !first->maps && !first->top_values;
    size_t maps_each = none ? 0 : result->mean_map ? 1 : result->map_heads;
    size_t begin = out->length, drawn = 0, b = 0;
    if (none)
        say_why_not(request, out);

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
