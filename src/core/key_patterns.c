#include "core/key_patterns.h"

#include <stdlib.h>
#include <string.h>

#include "base/field.h"
#include "core/random.h"

/* A pattern as it grows, row by row: first its ranges are counted, then written. */
struct builder {
    uint32_t *first;          /* of the pattern: first[rows] is its end so far */
    struct key_range *ranges; /* NULL: they are counted */
    struct key_range last;    /* the newest one, if its row has one */
    size_t rows, keys;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t divided_up(size_t n, size_t by)
{
    return n / by + (n % by != 0);
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
    if (*ends == begins || from > b->last.to) {
        b->last = (struct key_range){(uint32_t)from, (uint32_t)to};
        (*ends)++;
    } else if (to > b->last.to) {
        b->last.to = (uint32_t)to;
    }
    if (b->ranges)
        b->ranges[*ends - 1] = b->last;
}

/* Row by row the same as the one before. */
static void repeat_row(struct builder *b)
{
    uint32_t from = b->first[b->rows - 1], count = b->first[b->rows] - from;
    begin_row(b);
    if (b->ranges)
        memcpy(b->ranges + b->first[b->rows], b->ranges + from,
               count * sizeof *b->ranges);
    b->first[b->rows] += count;
}

/* Ranges that are too many are not counted on. */
static bool goes_on(const struct builder *b, const struct attention *a)
{
    return b->rows < a->T && b->first[b->rows] <= KEY_PATTERN_MOST_RANGES;
}

/* What a pattern is made of; each function uses what it needs. */
struct plan {
    const struct attention *a;
    const struct method_input *m;
    const bool *sees_all;           /* longformer: [T] */
    const struct key_range *global; /* longformer: keys of the global tokens */
    size_t global_count;
    size_t *picked;   /* bigbird: [random], of the row of blocks at work */
    uint8_t *visible; /* bigbird: [blocks], all 0 between two of those */
};

/* Allocates what `rows`, which adds one row after another, makes of `p`. A row may add
 * as many ranges as there are keys, and the sum of two is far below 2^32. */
static const struct key_pattern *build(const struct plan *p,
                                       void (*rows)(struct builder *b,
                                                    const struct plan *p),
                                       struct arena *arena, struct error *e)
{
    struct key_pattern *pattern = arena_alloc(arena, 1, sizeof *pattern, e);
    struct builder b = {.keys = p->a->S};
    b.first = arena_alloc(arena, p->a->T + 1, sizeof *b.first, e);
    if (!pattern || !b.first)
        return NULL;

    b.first[0] = 0;
    rows(&b, p);
    size_t count = b.first[b.rows];
    if (count > KEY_PATTERN_MOST_RANGES) {
        error_set(e, ERROR_TOO_LARGE, "/method",
                  "makes more than %d ranges of keys, the most there may be",
                  KEY_PATTERN_MOST_RANGES);
        return NULL;
    }
    b.ranges = arena_alloc(arena, count, sizeof *b.ranges, e);
    if (!b.ranges)
        return NULL;

    b.rows = 0;
    rows(&b, p);
    *pattern = (struct key_pattern){b.first, b.ranges};
    return pattern;
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

static void add_block_rows(struct builder *b, const struct plan *p)
{
    const struct method_input *m = p->m;
    for (size_t i = 0; goes_on(b, p->a); i++) {
        if (i % m->block) {
            repeat_row(b);
            continue;
        }
        begin_row(b);
        size_t r = i / m->block;
        for (size_t n = m->layout_rows[r]; n < m->layout_rows[r + 1]; n++)
            add(b, m->layout_columns[n] * m->block,
                (m->layout_columns[n] + 1) * m->block);
    }
}

const struct key_pattern *key_pattern_block_sparse(const struct attention *a,
                                                   const struct method_input *m,
                                                   struct arena *arena, struct error *e)
{
    size_t rows = divided_up(a->T, m->block), columns = divided_up(a->S, m->block);
    if (!check_layout_rows(m, rows, e) || !check_layout_columns(m, rows, columns, e))
        return NULL;
    const struct plan p = {.a = a, .m = m};
    return build(&p, add_block_rows, arena, e);
}

/* The keys from `from` to `to`, both included and both perhaps outside, and the global
 * ones, ascending. */
static void add_window(struct builder *b, ptrdiff_t from, ptrdiff_t to,
                       const struct plan *p)
{
    size_t first = from < 0 ? 0 : (size_t)from, end = to < 0 ? 0 : (size_t)to + 1;
    const struct key_range *g = p->global, *last = g + p->global_count;
    for (; g < last && g->from < first; g++)
        add(b, g->from, g->to);
    add(b, first, end);
    for (; g < last; g++)
        add(b, g->from, g->to);
}

static void add_longformer_rows(struct builder *b, const struct plan *p)
{
    const struct attention *a = p->a;
    ptrdiff_t window = (ptrdiff_t)least(p->m->window, a->T + a->S);
    for (size_t i = 0; goes_on(b, a); i++) {
        ptrdiff_t at = (ptrdiff_t)i + a->offset;
        begin_row(b);
        if (p->sees_all[i])
            add(b, 0, a->S);
        else
            add_window(b, at - window, at + window, p);
    }
}

/* Marks the rows of the global tokens in `sees_all` [T], and writes the keys that stand
 * there, ascending, each once, as ranges. */
static bool find_global(const struct attention *a, const struct method_input *m,
                        bool *sees_all, struct key_range *keys, size_t *count,
                        struct error *e)
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
    }
    *count = 0;
    for (size_t i = 0; i < a->T; i++) {
        ptrdiff_t at = (ptrdiff_t)i + a->offset;
        if (!sees_all[i] || at < 0 || at >= (ptrdiff_t)a->S)
            continue;
        if (*count > 0 && keys[*count - 1].to == (uint32_t)at)
            keys[*count - 1].to++;
        else
            keys[(*count)++] = (struct key_range){(uint32_t)at, (uint32_t)at + 1};
    }
    return true;
}

const struct key_pattern *key_pattern_longformer(const struct attention *a,
                                                 const struct method_input *m,
                                                 struct arena *arena, struct error *e)
{
    bool *sees_all = arena_alloc(arena, a->T, sizeof *sees_all, e);
    struct key_range *keys =
        arena_alloc(arena, least(m->global_count, a->T), sizeof *keys, e);
    struct plan p = {.a = a, .m = m, .sees_all = sees_all, .global = keys};
    if (!sees_all || !keys || !find_global(a, m, sees_all, keys, &p.global_count, e))
        return NULL;
    return build(&p, add_longformer_rows, arena, e);
}

static ptrdiff_t floor_divided(ptrdiff_t n, ptrdiff_t by)
{
    return n / by - (n % by < 0);
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* What the rows of one block of positions see. */
struct block_row {
    ptrdiff_t own;
    size_t blocks, global;
    size_t near,
        beyond; /* blocks of the window that are not global: near to < beyond */
};

static size_t clamped(ptrdiff_t n, size_t from, size_t to)
{
    return n < (ptrdiff_t)from ? from : least((size_t)n, to);
}

/* The block that is number `t` among those that are neither global nor near. */
static size_t other(const struct block_row *row, size_t t)
{
    t += row->global;
    return t >= row->near ? t + (row->beyond - row->near) : t;
}

/* Picks the random blocks, as key_patterns.h says, ascending; how many they are. */
static size_t pick_random(const struct block_row *row, const struct plan *p)
{
    size_t others = row->blocks - row->global - (row->beyond - row->near);
    uint64_t stream = random_stream(p->m->seed, (uint64_t)row->own);
    size_t random = least(p->m->random, others), count = 0;
    for (size_t n = 0; n < random; n++) {
        size_t newest = others - random + n;
        size_t t = other(row, (size_t)random_below(stream, n, newest + 1));
        t = p->visible[t] ? other(row, newest) : t;
        p->visible[t] = 1;
        p->picked[n] = t;
    }
    if (random < row->blocks / 16) { /* looking at every block would take longer */
        for (size_t n = 0; n < random; n++)
            p->visible[p->picked[n]] = 0;
        qsort(p->picked, random, sizeof *p->picked, ascending);
        return random;
    }
    for (size_t t = row->global; t < row->blocks; t++)
        if (p->visible[t])
            p->picked[count++] = t;
    memset(p->visible, 0, row->blocks);
    return count;
}

static void add_block_row(struct builder *b, const struct block_row *row,
                          const struct plan *p, size_t block)
{
    begin_row(b);
    if (row->own >= 0 && row->own < (ptrdiff_t)row->global) {
        add(b, 0, b->keys);
        return;
    }
    size_t count = pick_random(row, p), n = 0;
    add(b, 0, row->global * block);
    for (; n < count && p->picked[n] < row->near; n++)
        add(b, p->picked[n] * block, (p->picked[n] + 1) * block);
    add(b, row->near * block, row->beyond * block);
    for (; n < count; n++)
        add(b, p->picked[n] * block, (p->picked[n] + 1) * block);
}

/* A block that holds every position is one block however large it is. */
static size_t block_of(const struct attention *a, const struct method_input *m)
{
    return least(m->block, a->T + a->S);
}

static void add_bigbird_rows(struct builder *b, const struct plan *p)
{
    const struct attention *a = p->a;
    size_t block = block_of(a, p->m);
    struct block_row row = {.blocks = divided_up(a->S, block)};
    row.global = least(p->m->global_count, row.blocks);
    for (size_t i = 0; goes_on(b, a); i++) {
        ptrdiff_t own = floor_divided((ptrdiff_t)i + a->offset, (ptrdiff_t)block);
        if (i > 0 && own == row.own) {
            repeat_row(b);
            continue;
        }
        row.own = own;
        row.near = clamped(row.own - 1, row.global, row.blocks);
        row.beyond = clamped(row.own + 2, row.near, row.blocks);
        add_block_row(b, &row, p, block);
    }
}

const struct key_pattern *key_pattern_bigbird(const struct attention *a,
                                              const struct method_input *m,
                                              struct arena *arena, struct error *e)
{
    size_t block = block_of(a, m), blocks = divided_up(a->S, block);
    size_t random = least(m->random, blocks), rows = divided_up(a->T, block) + 1;
    if (random > KEY_PATTERN_MOST_PICKS / rows) {
        error_set(e, ERROR_TOO_LARGE, "/method/random",
                  "is %zu, but may be %zu at most with %zu rows of blocks", m->random,
                  KEY_PATTERN_MOST_PICKS / rows, rows);
        return NULL;
    }
    struct plan p = {.a = a, .m = m};
    p.visible = arena_alloc(arena, blocks, 1, e);
    p.picked = arena_alloc(arena, random, sizeof *p.picked, e);
    if (!p.visible || !p.picked)
        return NULL;
    memset(p.visible, 0, blocks);
    return build(&p, add_bigbird_rows, arena, e);
}
