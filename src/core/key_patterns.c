#include "core/key_patterns.h"

#include <stdlib.h>
#include <string.h>

#include "base/field.h"
#include "core/random.h"

/* A pattern as it grows, row by row. */
struct builder {
    struct key_pattern *pattern;
    uint32_t *first;          /* of the pattern: first[rows] is its end so far */
    struct key_range *ranges; /* [capacity] */
    size_t rows, capacity, keys;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t divided_up(size_t n, size_t by)
{
    return n / by + (n % by != 0);
}

/* Room for T rows of at most `per_row` ranges, which cannot be more than half of the
 * keys since no two touch. */
static bool begin(struct builder *b, const struct attention *a, size_t per_row,
                  struct arena *arena, struct error *e)
{
    per_row = least(per_row, divided_up(a->S, 2));
    *b = (struct builder){.keys = a->S};
    if (__builtin_mul_overflow(a->T, per_row, &b->capacity) ||
        b->capacity > UINT32_MAX || a->S > UINT32_MAX)
        return error_set(e, ERROR_TOO_LARGE, "/method",
                         "needs a pattern of %zu x %zu ranges", a->T, per_row);

    b->pattern = arena_alloc(arena, 1, sizeof *b->pattern, e);
    b->first = arena_alloc(arena, a->T + 1, sizeof *b->first, e);
    b->ranges = arena_alloc(arena, b->capacity, sizeof *b->ranges, e);
    if (!b->pattern || !b->first || !b->ranges)
        return false;

    *b->pattern = (struct key_pattern){b->first, b->ranges};
    b->first[0] = 0;
    return true;
}

static void begin_row(struct builder *b)
{
    b->first[b->rows + 1] = b->first[b->rows];
    b->rows++;
}

/* Adds the keys from `from` to below `to` to the newest row. Calls ascend in `from`. */
static void add(struct builder *b, size_t from, size_t to)
{
    uint32_t begins = b->first[b->rows - 1], *ends = &b->first[b->rows];
    to = least(to, b->keys);
    if (from >= to)
        return;
    struct key_range *last = *ends > begins ? &b->ranges[*ends - 1] : NULL;
    if (!last || from > last->to)
        b->ranges[(*ends)++] = (struct key_range){(uint32_t)from, (uint32_t)to};
    else if (to > last->to)
        last->to = (uint32_t)to;
}

/* Row by row the same as the one before. */
static void repeat_row(struct builder *b)
{
    uint32_t from = b->first[b->rows - 1], count = b->first[b->rows] - from;
    begin_row(b);
    memcpy(b->ranges + b->first[b->rows], b->ranges + from, count * sizeof *b->ranges);
    b->first[b->rows] += count;
}

static const struct key_pattern *end(struct builder *b, struct arena *arena)
{
    arena_shrink(arena, b->ranges, b->capacity * sizeof *b->ranges,
                 b->first[b->rows] * sizeof *b->ranges);
    return b->pattern;
}

/* Ascending numbers that follow one another are one run. */
static size_t runs(const size_t *number, size_t count)
{
    size_t found = 0;
    for (size_t n = 0; n < count; n++)
        found += n == 0 || number[n] > number[n - 1] + 1;
    return found;
}

/* Refuses a number of the layout; `relation` stands before the expected one. */
static bool refuse(const char *member, size_t index, size_t is, const char *relation,
                   size_t expected, struct error *e)
{
    const struct field *method = FIELD_NAME(NULL, "method");
    const struct field *layout = FIELD_NAME(method, "layout");
    return field_error(FIELD_AT(FIELD_NAME(layout, member), index), e,
                       ERROR_INVALID_INPUT, "is %zu, expected %s%zu", is, relation,
                       expected);
}

static bool check_layout_rows(const struct method_input *m, size_t blocks,
                              struct error *e)
{
    const size_t *rows = m->layout_rows;
    if (m->layout_row_count != blocks + 1)
        return error_set(
            e, ERROR_INVALID_INPUT, "/method/layout/row_starts",
            "has %zu numbers, expected %zu (one more than there are blocks "
            "of queries)",
            m->layout_row_count, blocks + 1);
    if (rows[0] != 0)
        return refuse("row_starts", 0, rows[0], "", 0, e);
    for (size_t r = 1; r <= blocks; r++)
        if (rows[r] < rows[r - 1])
            return refuse("row_starts", r, rows[r], "no less than the one before, ",
                          rows[r - 1], e);
    return rows[blocks] == m->layout_column_count ||
           refuse("row_starts", blocks, rows[blocks], "the length of columns, ",
                  m->layout_column_count, e);
}

static bool check_layout_columns(const struct method_input *m, size_t rows,
                                 size_t blocks, struct error *e)
{
    const size_t *columns = m->layout_columns;
    for (size_t r = 0; r < rows; r++)
        for (size_t n = m->layout_rows[r]; n < m->layout_rows[r + 1]; n++) {
            if (columns[n] >= blocks)
                return refuse("columns", n, columns[n],
                              "less than the number of blocks of keys, ", blocks, e);
            if (n > m->layout_rows[r] && columns[n] <= columns[n - 1])
                return refuse("columns", n, columns[n],
                              "more than the one before in its row, ", columns[n - 1],
                              e);
        }
    return true;
}

const struct key_pattern *key_pattern_block_sparse(const struct attention *a,
                                                   const struct method_input *m,
                                                   struct arena *arena, struct error *e)
{
    size_t rows = divided_up(a->T, m->block), columns = divided_up(a->S, m->block);
    if (!check_layout_rows(m, rows, e) || !check_layout_columns(m, rows, columns, e))
        return NULL;

    size_t most = 0;
    for (size_t r = 0; r < rows; r++) {
        size_t from = m->layout_rows[r];
        size_t found = runs(m->layout_columns + from, m->layout_rows[r + 1] - from);
        most = found > most ? found : most;
    }
    struct builder b;
    if (!begin(&b, a, most, arena, e))
        return NULL;

    for (size_t i = 0; i < a->T; i++) {
        if (i % m->block) {
            repeat_row(&b);
            continue;
        }
        begin_row(&b);
        size_t r = i / m->block;
        for (size_t n = m->layout_rows[r]; n < m->layout_rows[r + 1]; n++)
            add(&b, m->layout_columns[n] * m->block,
                (m->layout_columns[n] + 1) * m->block);
    }
    return end(&b, arena);
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The keys from `from` to `to`, both included and both perhaps outside, and the global
 * ones, ascending. */
static void add_window(struct builder *b, ptrdiff_t from, ptrdiff_t to,
                       const size_t *global, size_t count)
{
    size_t first = from < 0 ? 0 : (size_t)from, end = to < 0 ? 0 : (size_t)to + 1;
    size_t n = 0;
    for (; n < count && global[n] < first; n++)
        add(b, global[n], global[n] + 1);
    add(b, first, end);
    for (; n < count; n++)
        add(b, global[n], global[n] + 1);
}

/* Marks the rows of the global tokens in `sees_all` [T], and writes the keys that stand
 * there, ascending. */
static bool find_global(const struct attention *a, const struct method_input *m,
                        bool *sees_all, size_t *keys, size_t *count, struct error *e)
{
    const struct field *method = FIELD_NAME(NULL, "method");
    memset(sees_all, 0, a->T * sizeof *sees_all);
    for (size_t n = 0; n < m->global_count; n++) {
        size_t token = m->global[n];
        if (token >= a->T)
            return field_error(
                FIELD_AT(FIELD_NAME(method, "global"), n), e, ERROR_INVALID_INPUT,
                "is %zu, but there are %zu tokens, counted from 0", token, a->T);
        sees_all[token] = true;
        ptrdiff_t position = (ptrdiff_t)token + a->offset;
        if (position >= 0 && position < (ptrdiff_t)a->S)
            keys[(*count)++] = (size_t)position;
    }
    if (*count)
        qsort(keys, *count, sizeof *keys, ascending);
    return true;
}

const struct key_pattern *key_pattern_longformer(const struct attention *a,
                                                 const struct method_input *m,
                                                 struct arena *arena, struct error *e)
{
    bool *sees_all = arena_alloc(arena, a->T, sizeof *sees_all, e);
    size_t *keys = arena_alloc(arena, m->global_count, sizeof *keys, e), count = 0;
    struct builder b;
    if (!sees_all || !keys || !find_global(a, m, sees_all, keys, &count, e) ||
        !begin(&b, a, runs(keys, count) + 1, arena, e))
        return NULL;

    ptrdiff_t window = (ptrdiff_t)least(m->window, a->T + a->S);
    for (size_t i = 0; i < a->T; i++) {
        ptrdiff_t p = (ptrdiff_t)i + a->offset;
        begin_row(&b);
        if (sees_all[i])
            add(&b, 0, a->S);
        else
            add_window(&b, p - window, p + window, keys, count);
    }
    return end(&b, arena);
}

static ptrdiff_t floor_divided(ptrdiff_t n, ptrdiff_t by)
{
    return n / by - (n % by < 0);
}

/* What the rows of one block of positions see, as one byte a block of keys. */
struct block_row {
    ptrdiff_t own;
    size_t blocks, global;
    size_t near,
        beyond;       /* blocks of the window that are not global: near to < beyond */
    uint8_t *visible; /* [blocks] */
};

static size_t clamped(ptrdiff_t n, size_t from, size_t to)
{
    return n < (ptrdiff_t)from ? from : least((size_t)n, to);
}

/* Marks the random blocks, as key_patterns.h says. */
static void mark_random(struct block_row *row, size_t random, uint64_t seed)
{
    size_t window = row->beyond - row->near;
    size_t others = row->blocks - row->global - window;
    uint64_t stream = random_stream(seed, (uint64_t)row->own);
    random = least(random, others);
    for (size_t n = 0; n < random; n++) {
        size_t newest = others - random + n;
        size_t t = (size_t)random_below(stream, n, newest + 1) + row->global;
        t += t >= row->near ? window : 0;
        if (row->visible[t]) {
            t = newest + row->global;
            t += t >= row->near ? window : 0;
        }
        row->visible[t] = 1;
    }
}

static void mark_block_row(struct block_row *row, size_t random, uint64_t seed)
{
    memset(row->visible, 0, row->blocks);
    memset(row->visible, 1, row->global);
    row->near = clamped(row->own - 1, row->global, row->blocks);
    row->beyond = clamped(row->own + 2, row->near, row->blocks);
    memset(row->visible + row->near, 1, row->beyond - row->near);
    if (row->own >= 0 && row->own < (ptrdiff_t)row->global)
        memset(row->visible, 1, row->blocks);
    else
        mark_random(row, random, seed);
}

const struct key_pattern *key_pattern_bigbird(const struct attention *a,
                                              const struct method_input *m,
                                              struct arena *arena, struct error *e)
{
    /* A block that holds every position is one block however large it is. */
    ptrdiff_t block = (ptrdiff_t)least(m->block, a->T + a->S);
    struct block_row row = {.blocks = divided_up(a->S, (size_t)block)};
    row.global = least(m->global_count, row.blocks);
    row.visible = arena_alloc(arena, row.blocks, 1, e);
    struct builder b;
    if (!row.visible || !begin(&b, a, least(m->random, row.blocks) + 2, arena, e))
        return NULL;

    for (size_t i = 0; i < a->T; i++) {
        ptrdiff_t own = floor_divided((ptrdiff_t)i + a->offset, block);
        if (i > 0 && own == row.own) {
            repeat_row(&b);
            continue;
        }
        row.own = own;
        mark_block_row(&row, m->random, m->seed);
        begin_row(&b);
        for (size_t n = 0; n < row.blocks; n++)
            if (row.visible[n])
                add(&b, n * (size_t)block, (n + 1) * (size_t)block);
    }
    return end(&b, arena);
}
