/* picture_cells.h - a map of any size as at most 100 x 100 cells, and their shades. */
#ifndef CODEC_PICTURE_CELLS_H
#define CODEC_PICTURE_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/picture_axis.h"

/* Whole, or given as the `top` largest of each row. Borrowed. */
struct picture_map {
    const float *whole;     /* [rows][columns], or NULL */
    const int32_t *indices; /* [rows][top] columns */
    const float *values;    /* [rows][top] */
    size_t top;
    bool weights; /* of 0 or more, where 0 is what is not seen; else scores */
};

enum { PICTURE_LEVELS = 5, PICTURE_HIDDEN = -1 };

struct picture_cells {
    bool weights, any_hidden, any_shown;
    size_t columns;
    float least, most; /* of the shown cells; weights start at 0 */
    float value[PICTURE_MOST_CELLS * PICTURE_MOST_CELLS]; /* NAN: hidden */
};

/* A cell is the mean of all its weights, or of those of its scores that are finite; it
 * is hidden when none is. */
void picture_cells_fill(const struct picture_map *map, const struct picture_axis *rows,
                        const struct picture_axis *columns, struct picture_cells *out);

/* 0 to PICTURE_LEVELS - 1, or PICTURE_HIDDEN. Rounded, so that a shade stands for an
 * equal stretch around its value. */
int picture_cells_level(const struct picture_cells *c, size_t row, size_t column);

/* The least value drawn with that level. */
double picture_cells_least(const struct picture_cells *c, int level);

#endif
