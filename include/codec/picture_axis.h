/* picture_axis.h - one side of a drawn map: tokens, their names, and the cells that
 * they share. */
#ifndef CODEC_PICTURE_AXIS_H
#define CODEC_PICTURE_AXIS_H

#include "base/buffer.h"
#include "codec/json_string.h"

enum {
    PICTURE_MOST_CELLS = 100,  /* a side; beyond, neighbours share a cell */
    PICTURE_LABEL_COLUMNS = 12 /* of a label; what is longer is cut */
};

struct picture_axis {
    size_t tokens, cells, share;   /* share: tokens a cell; the last may have fewer */
    const struct json_text *label; /* [tokens], borrowed; NULL: numbers from 0 */
};

/* Labels are dropped where tokens share a cell. */
struct picture_axis picture_axis_of(size_t tokens, const struct json_text *label);

/* Columns of the terminal that the names of the rows take. */
size_t picture_axis_width(const struct picture_axis *a);

/* The name of a row, to the right of its `columns`. */
void picture_axis_row(const struct picture_axis *a, size_t cell, size_t columns,
                      struct buffer *out);

/* The names of the columns, each `cell_columns` wide, indented by `indent`: labels are
 * read downwards and stand on the frame, numbers are as close as there is room. */
void picture_axis_columns(const struct picture_axis *a, size_t cell_columns,
                          size_t indent, struct buffer *out);

#endif
