/* number_list.h - one row of an answer: numbers and the commas between them. */
#ifndef CODEC_NUMBER_LIST_H
#define CODEC_NUMBER_LIST_H

#include <stddef.h>
#include <stdint.h>

enum {
    NUMBER_LIST_EACH = 16 /* most bytes of a number and its comma */
};

/* Each writes `count` numbers (1 or more), separated by commas, and returns the place
 * behind them. `digits` are significant, 0 the shortest that round-trips. Up to
 * NUMBER_LIST_EACH bytes a number may be written to. */

/* Finite ones only. */
char *number_list_write(const float *x, size_t count, unsigned digits, char *out);

/* The others, too, as the strings "-Infinity", "Infinity" and "NaN". */
char *number_list_write_extended(const float *x, size_t count, unsigned digits,
                                 char *out);

char *number_list_write_integers(const int32_t *x, size_t count, char *out);

#endif
