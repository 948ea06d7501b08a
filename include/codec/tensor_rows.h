/* tensor_rows.h - a tensor's numbers as JSON text, any stretch of rows at a time.
 *
 * A row is what is never cut: nested, the innermost numbers; in base64, three
 * numbers, because their 12 bytes are 16 characters without padding. The texts of
 * consecutive stretches, one after another, are the whole. */
#ifndef CODEC_TENSOR_ROWS_H
#define CODEC_TENSOR_ROWS_H

#include "core/tensor.h"

enum row_form {
    ROWS_NUMBERS,    /* nested, finite numbers, brackets and commas included */
    ROWS_LOGARITHMS, /* the same, with "-Infinity" where a row was empty */
    ROWS_BASE64      /* the characters between the quotes */
};

struct tensor_rows {
    enum row_form form;
    unsigned precision; /* significant digits; 0: shortest that round-trips */
    size_t rows, width; /* numbers in a row; the last one may be shorter in base64 */
    size_t row_bound;   /* most bytes of one row's text */

    struct tensor tensor;      /* nested: borrowed numbers, of rank 2 or more */
    const float *const *array; /* base64: the tensor is these one after another, */
    size_t arrays, numbers;    /* borrowed, each of `numbers` */
};

/* The numbers need not be there yet. */
struct tensor_rows tensor_rows_nested(const struct tensor *t, enum row_form form,
                                      unsigned precision);
struct tensor_rows tensor_rows_base64(const float *const *array, size_t arrays,
                                      size_t numbers);

/* Writes rows `from` up to but not including `to`; returns the place behind them.
 * `out` has room for row_bound bytes a row. */
char *tensor_rows_write(const struct tensor_rows *r, size_t from, size_t to, char *out);

#endif
