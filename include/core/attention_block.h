/* attention_block.h - the rows and keys that one tile of attention_tiled works on.
 *
 * A block is up to block_rows() query rows of one head. Keys that none of its rows may
 * see, by position, length or pattern, are left out: the keys that remain are spans,
 * and stand side by side as columns of its scores. Spans begin at and are as wide as
 * multiples of VECTOR_PAD; what is hidden within them is hidden cell by cell. */
#ifndef CORE_ATTENTION_BLOCK_H
#define CORE_ATTENTION_BLOCK_H

#include "core/attention.h"
#include "core/vector_kernels.h"

enum {
    BLOCK_ROWS = 6 * TILE_ROWS, /* unless the cache decides: see block_rows() */
    BLOCK_MOST_ROWS = 16 * TILE_ROWS,
    BLOCK_MOST_GROUPS = BLOCK_MOST_ROWS / TILE_ROWS
};

/* `width` keys from `key` on are the columns from `column` on. */
struct key_span {
    size_t key, column, width;
};

/* The arrays are parts of the tile's scratch. */
struct block {
    const struct attention *a;
    const struct vector_kernels *vector;
    size_t first, rows, groups; /* rows from `first`, in groups of TILE_ROWS */
    bool figures;               /* entropy, statistics or received weights are wanted */
    bool plain; /* scores become weights as they are, and no figures are wanted */
    struct key_span *spans; /* ascending */
    size_t span_count;
    struct bounds row[BLOCK_MOST_ROWS];     /* columns a row may see, holes apart */
    struct bounds group[BLOCK_MOST_GROUPS]; /* keys some row of a group may see */
    struct bounds group_columns[BLOCK_MOST_GROUPS]; /* up to whole vectors */
    size_t stride;      /* of a row of scores: padded, and off powers of two */
    float *scores;      /* [rows][stride]: scores, then weights */
    float *query_copy;  /* [rows][padded dk] */
    const float *query; /* of the head at work, row i at i query_stride */
    size_t query_stride;
    float *out;                      /* [rows][padded dv] */
    float *line;                     /* [padded S]: a row of a mask, or of a map */
    uint64_t *ranks;                 /* [S], with `keep` or `top` */
    uint8_t *marks;                  /* [padded S / VECTOR_PAD], with a pattern */
    float inverse[BLOCK_MOST_ROWS];  /* what a kept weight is multiplied with */
    size_t visible[BLOCK_MOST_ROWS]; /* allowed keys, where figures are wanted */
};

/* Rows of every block but the last, a multiple of TILE_ROWS: as many as leave half of
 * the near cache to the panels, since a panel is read once a block; of long problems
 * only, so that there are tasks for all threads. No bit of a row depends on it.
 * Patterns and sums over rows have BLOCK_ROWS everywhere: what blocks of another size
 * make of them has other bits. */
size_t block_rows(const struct attention *a);
size_t block_count(const struct attention *a);
/* Parts of the rows that sums over them come in: BLOCK_ROWS each. */
size_t block_parts(const struct attention *a);
size_t block_scratch_bytes(const struct attention *a);

void block_begin(struct block *b, const struct attention *a, size_t index,
                 void *scratch);

/* The same rows with all keys as columns, hidden ones, too. `span` is borrowed. */
struct block block_with_all_keys(const struct block *b, struct key_span *span);

/* Whether the maps are wanted at a stage that shows hidden cells as computed. */
bool block_shows_hidden(const struct attention *a);

/* The column of `key`, or of the first key behind it that has one. */
size_t block_column(const struct block *b, size_t key);

/* Neighbouring keys as columns; `span` counts on through the spans from 0. */
struct key_run {
    size_t span, key, column, count;
};

/* The next run of columns within `bounds`; false: no more. */
static inline bool block_next_run(const struct block *b, struct bounds bounds,
                                  struct key_run *r)
{
    while (r->span < b->span_count) {
        const struct key_span *s = &b->spans[r->span++];
        size_t from = bounds.from > s->column ? bounds.from : s->column;
        size_t end = s->column + s->width, to = bounds.to < end ? bounds.to : end;
        if (from < to) {
            r->key = s->key + (from - s->column);
            r->column = from;
            r->count = to - from;
            return true;
        }
    }
    return false;
}

static inline size_t vector_floored(size_t n)
{
    return n / VECTOR_PAD * VECTOR_PAD;
}

static inline void fill(float *x, size_t from, size_t to, float number)
{
    for (size_t j = from; j < to; j++)
        x[j] = number;
}

#endif
