/* tensor_rows.h - a tensor's numbers as JSON text, any stretch of rows at a time.
 *
 * A row is what is never cut: nested, the innermost numbers; in base64, three
 * numbers, because their 12 bytes are 16 characters without padding. The texts of
 * consecutive stretches, one after another, are the whole. */
#ifndef CODEC_TENSOR_ROWS_H
#define CODEC_TENSOR_ROWS_H

#include "core/tensor.h"

enum row_form {
    ROWS_NUMBERS,  /* nested, finite float32, brackets and commas included */
    ROWS_EXTENDED, /* the same, with "-Infinity", "Infinity" and "NaN" as words */
    ROWS_INTEGERS, /* nested, int32 */
    ROWS_BASE64    /* the characters between the quotes, of float32 or int32 */
};

/* Row-major numbers of four bytes; borrowed. */
struct row_numbers {
    const void *data;
    size_t stride; /* from one number to the next: 1 where they are dense */
    size_t rank;   /* 2 or more */
    size_t extent[TENSOR_MAX_RANK];
};

size_t row_numbers_count(const struct row_numbers *n);

struct tensor_rows {
    enum row_form form;
    unsigned precision; /* significant digits; 0: shortest that round-trips */
    size_t rows, width; /* numbers in a row; the last one may be shorter in base64 */
    size_t row_bound;   /* most bytes of one row's text */

    struct row_numbers numbers; /* nested: all of them; base64: of each array */
    const void *const *array;   /* base64: the tensor is these one after another, */
    size_t arrays;              /* borrowed */
};

/* The numbers need not be there yet. */
struct tensor_rows tensor_rows_nested(const struct row_numbers *numbers,
                                      enum row_form form, unsigned precision);

/* `numbers` says what each array is like; its own data is not looked at. */
struct tensor_rows tensor_rows_base64(const void *const *array, size_t arrays,
                                      const struct row_numbers *numbers);

/* Writes rows `from` up to but not including `to`; returns the place behind them.
 * `out` has room for row_bound bytes a row. */
char *tensor_rows_write(const struct tensor_rows *r, size_t from, size_t to, char *out);

#endif
