/* pattern_builder.h - a key pattern as it grows, row by row: its ranges are first
 * counted, then written. */
#ifndef CORE_PATTERN_BUILDER_H
#define CORE_PATTERN_BUILDER_H

#include "core/key_patterns.h"

struct pattern_builder {
    uint32_t *first;          /* of the pattern: first[rows] is its end so far */
    struct key_range *ranges; /* NULL: they are counted */
    struct key_range last;    /* the newest one, if its row has one */
    size_t T, rows, keys;     /* rows in the end, so far; keys of each */
};

/* False when all rows are there, or more ranges than there may be. */
bool pattern_goes_on(const struct pattern_builder *b);

/* Adds a row that sees no key. */
void pattern_begin_row(struct pattern_builder *b);

/* Adds a row like the one before. */
void pattern_repeat_row(struct pattern_builder *b);

/* Adds the keys from `from` to below `to`, as far as there are such, to the newest row.
 * Calls ascend in `from`. */
void pattern_add(struct pattern_builder *b, size_t from, size_t to);

/* Adds one row after another while the pattern goes on, each time the same ones. */
typedef void (*pattern_rows)(struct pattern_builder *b, const void *plan);

/* Allocates what `rows` makes of `plan`, for T queries and S keys. NULL with `e` set
 * when there is no room, or there are more than KEY_PATTERN_MOST_RANGES; a row may add
 * as many as there are keys, and the sum of two is far below 2^32. */
MUST_USE const struct key_pattern *pattern_build(size_t T, size_t S, pattern_rows rows,
                                                 const void *plan, struct arena *arena,
                                                 struct error *e);

#endif
