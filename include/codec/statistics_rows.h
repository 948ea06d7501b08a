/* statistics_rows.h - figures about the heads of one sequence as JSON text.
 *
 *     [{"entropy", "maximum", "distance", "first", "own", "previous", "next",
 *       "received": [S]}, a head each]
 *
 * Means over the rows that see a key, of the weights: entropy in nats, the largest of
 * a row, the distance between query and key in tokens, the part on key 0, on the
 * query's own key, the one before and the one after; and what each key received, the
 * sum of its column. */
#ifndef CODEC_STATISTICS_ROWS_H
#define CODEC_STATISTICS_ROWS_H

#include "core/attention.h"

struct statistics_rows {
    const struct head_statistics *head; /* [heads], borrowed */
    const float *received;              /* [heads][keys], borrowed */
    size_t heads, keys;
    unsigned precision; /* significant digits; 0: shortest that round-trips */
    bool base64;        /* "received" is a base64 tensor */
};

/* Most bytes of one head's text. */
size_t statistics_rows_bound(const struct statistics_rows *r);

/* Writes heads `from` up to but not including `to`; returns the place behind them. The
 * brackets around all of them belong to the first and the last. */
char *statistics_rows_write(const struct statistics_rows *r, size_t from, size_t to,
                            char *out);

#endif
