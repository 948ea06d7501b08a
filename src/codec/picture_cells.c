#include "codec/picture_cells.h"

#include <math.h>

/* What falls into the cells of one row of cells. */
struct gathering {
    double sum[PICTURE_MOST_CELLS];
    size_t count[PICTURE_MOST_CELLS];
};

static void gather(struct gathering *g, size_t cell, float value)
{
    if (!isfinite(value))
        return;
    g->sum[cell] += (double)value;
    g->count[cell]++;
}

static void gather_row(const struct picture_map *map, size_t row,
                       const struct picture_axis *columns, struct gathering *g)
{
    if (map->whole) {
        const float *x = map->whole + row * columns->tokens;
        for (size_t j = 0, cell = 0; j < columns->tokens; cell++)
            for (size_t n = 0; n < columns->share && j < columns->tokens; n++, j++)
                gather(g, cell, x[j]);
        return;
    }
    for (size_t n = row * map->top; n < (row + 1) * map->top; n++) {
        int32_t j = map->indices[n];
        if (j >= 0 && (size_t)j < columns->tokens)
            gather(g, (size_t)j / columns->share, map->values[n]);
    }
}

static size_t tokens_in(const struct picture_axis *a, size_t cell)
{
    size_t from = cell * a->share, left = a->tokens - from;
    return left < a->share ? left : a->share;
}

static void finish_row(const struct gathering *g, size_t row_tokens,
                       const struct picture_axis *columns, bool weights, float *value)
{
    for (size_t c = 0; c < columns->cells; c++) {
        size_t among = weights ? row_tokens * tokens_in(columns, c) : g->count[c];
        value[c] = among ? (float)(g->sum[c] / (double)among) : NAN;
    }
}

static void find_ends(struct picture_cells *c, size_t cells)
{
    c->least = c->weights ? 0 : INFINITY;
    c->most = c->weights ? 0 : -INFINITY;
    for (size_t i = 0; i < cells; i++) {
        if (isnan(c->value[i])) {
            c->any_hidden = true;
            continue;
        }
        c->any_shown = true;
        c->least = fminf(c->least, c->value[i]);
        c->most = fmaxf(c->most, c->value[i]);
    }
}

void picture_cells_fill(const struct picture_map *map, const struct picture_axis *rows,
                        const struct picture_axis *columns, struct picture_cells *out)
{
    out->weights = map->weights;
    out->any_hidden = out->any_shown = false;
    out->columns = columns->cells;
    for (size_t r = 0; r < rows->cells; r++) {
        struct gathering g = {0};
        size_t tokens = tokens_in(rows, r);
        for (size_t i = 0; i < tokens; i++)
            gather_row(map, r * rows->share + i, columns, &g);
        finish_row(&g, tokens, columns, map->weights, out->value + r * columns->cells);
    }
    find_ends(out, rows->cells * columns->cells);
}

int picture_cells_level(const struct picture_cells *c, size_t row, size_t column)
{
    const double value = (double)c->value[row * c->columns + column];
    const double least = (double)c->least, span = (double)c->most - least;
    if (isnan(value))
        return PICTURE_HIDDEN;
    if (span > 0)
        return (int)((value - least) / span * (PICTURE_LEVELS - 1) + 0.5);
    return c->weights ? 0 : PICTURE_LEVELS - 1; /* nothing is seen; all are the same */
}

double picture_cells_least(const struct picture_cells *c, int level)
{
    const double least = (double)c->least, span = (double)c->most - least;
    return level == 0 ? least : least + (level - 0.5) / (PICTURE_LEVELS - 1) * span;
}
