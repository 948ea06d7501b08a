#include "core/key_patterns.h"

#include <string.h>

#include "base/field.h"
#include "base/size.h"
#include "core/pattern_builder.h"

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

static void add_block_rows(struct pattern_builder *b, const void *plan)
{
    const struct method_input *m = plan;
    for (size_t i = 0; pattern_goes_on(b); i++) {
        if (i % m->block) {
            pattern_repeat_row(b);
            continue;
        }
        pattern_begin_row(b);
        size_t r = i / m->block;
        for (size_t n = m->layout_rows[r]; n < m->layout_rows[r + 1]; n++)
            pattern_add(b, m->layout_columns[n] * m->block,
                        (m->layout_columns[n] + 1) * m->block);
    }
}

const struct key_pattern *key_pattern_block_sparse(const struct attention *a,
                                                   const struct method_input *m,
                                                   struct arena *arena, struct error *e)
{
    size_t rows = size_divided_up(a->T, m->block);
    size_t columns = size_divided_up(a->S, m->block);
    if (!check_layout_rows(m, rows, e) || !check_layout_columns(m, rows, columns, e))
        return NULL;
    return pattern_build(a->T, a->S, add_block_rows, m, arena, e);
}

struct longformer {
    const struct attention *a;
    size_t window;
    const bool *sees_all;         /* [T] */
    const struct key_range *keys; /* [count], of the global tokens */
    size_t count;
};

/* The keys from `from` to `to`, both included and both perhaps outside, and the global
 * ones, ascending. */
static void add_window(struct pattern_builder *b, ptrdiff_t from, ptrdiff_t to,
                       const struct longformer *l)
{
    size_t first = from < 0 ? 0 : (size_t)from, end = to < 0 ? 0 : (size_t)to + 1;
    const struct key_range *g = l->keys, *last = g + l->count;
    for (; g < last && g->from < first; g++)
        pattern_add(b, g->from, g->to);
    pattern_add(b, first, end);
    for (; g < last; g++)
        pattern_add(b, g->from, g->to);
}

static void add_longformer_rows(struct pattern_builder *b, const void *plan)
{
    const struct longformer *l = plan;
    const struct attention *a = l->a;
    ptrdiff_t window = (ptrdiff_t)size_least(l->window, a->T + a->S);
    for (size_t i = 0; pattern_goes_on(b); i++) {
        ptrdiff_t at = (ptrdiff_t)i + a->offset;
        pattern_begin_row(b);
        if (l->sees_all[i])
            pattern_add(b, 0, a->S);
        else
            add_window(b, at - window, at + window, l);
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
        arena_alloc(arena, size_least(m->global_count, a->T), sizeof *keys, e);
    struct longformer l = {
        .a = a, .window = m->window, .sees_all = sees_all, .keys = keys};
    if (!sees_all || !keys || !find_global(a, m, sees_all, keys, &l.count, e))
        return NULL;
    return pattern_build(a->T, a->S, add_longformer_rows, &l, arena, e);
}
