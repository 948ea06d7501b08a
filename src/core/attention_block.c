#include "core/attention_block.h"

#include <string.h>

#include "base/size.h"

bool block_shows_hidden(const struct attention *a)
{
    return (a->map_stage == MAP_STAGE_SCORES || a->map_stage == MAP_STAGE_CAPPED) &&
           (a->mean_map || a->map_head_count > 0);
}

/* Columns of a block at most; a window on both sides needs few. */
static size_t most_columns(const struct attention *a, size_t rows)
{
    const struct window_view *w = &a->window;
    bool ends = w->right_given || a->causal;
    if (block_shows_hidden(a) || !w->left_given || !ends)
        return vector_padded(a->S);
    size_t left = size_least(w->left, a->S);
    size_t right = a->causal ? 0 : size_least(w->right, a->S);
    return size_least(vector_padded(a->S),
                      vector_padded(left + right + rows + (size_t)2 * VECTOR_PAD));
}

static size_t score_stride(const struct attention *a, size_t rows)
{
    return most_columns(a, rows) + VECTOR_PAD;
}

/* Of scores, queries and outputs. */
static size_t row_bytes(const struct attention *a, size_t rows)
{
    return (score_stride(a, rows) + vector_padded(a->dk) + vector_padded(a->dv)) *
           sizeof(float);
}

size_t block_rows(const struct attention *a)
{
    const size_t few = (size_t)2 * TILE_ROWS, parts = 16;
    if (!a->near_bytes || a->pattern || a->statistics || a->received)
        return BLOCK_ROWS;
    size_t most = size_least(size_most(BLOCK_ROWS, a->T / parts), BLOCK_MOST_ROWS);
    size_t fit = a->near_bytes / 2 / row_bytes(a, BLOCK_MOST_ROWS);
    return size_most(few, size_least(most, fit)) / TILE_ROWS * TILE_ROWS;
}

size_t block_count(const struct attention *a)
{
    size_t rows = block_rows(a);
    return size_divided_up(a->T, rows);
}

size_t block_parts(const struct attention *a)
{
    return size_divided_up(a->T, BLOCK_ROWS);
}

static size_t rank_count(const struct attention *a)
{
    return a->keep || a->top_indices ? vector_padded(a->S) : 0;
}

static size_t mark_count(const struct attention *a)
{
    return a->pattern ? vector_padded(vector_padded(a->S) / VECTOR_PAD) : 0;
}

/* Between two spans lies at least one unit of VECTOR_PAD keys. */
static size_t most_spans(const struct attention *a)
{
    return a->pattern ? vector_padded(a->S) / VECTOR_PAD / 2 + 1 : 1;
}

size_t block_scratch_bytes(const struct attention *a)
{
    size_t rows = block_rows(a);
    return rows * row_bytes(a, rows) + vector_padded(a->S) * sizeof(float) +
           rank_count(a) * sizeof(uint64_t) + most_spans(a) * sizeof(struct key_span) +
           mark_count(a);
}

static void divide_scratch(struct block *b, void *scratch)
{
    const struct attention *a = b->a;
    size_t rows = block_rows(a);
    b->stride = score_stride(a, rows);
    b->scores = scratch;
    b->query_copy = b->scores + rows * b->stride;
    b->out = b->query_copy + rows * vector_padded(a->dk);
    b->line = b->out + rows * vector_padded(a->dv);
    void *rest = b->line + vector_padded(a->S);
    b->ranks = rest;
    rest = b->ranks + rank_count(a);
    b->spans = rest;
    rest = b->spans + most_spans(a);
    b->marks = rest;
}

/* Keys that row i may see by position, length and the mask's width. */
static struct bounds visible_keys(const struct attention *a, size_t i)
{
    const struct window_view *w = &a->window;
    struct bounds keys = {0, size_least(a->S, a->key_length)};
    if (a->mask.allowed || a->mask.bias)
        keys.to = size_least(keys.to, a->mask.columns);
    ptrdiff_t own = (ptrdiff_t)i + a->offset;
    if (w->left_given && own > 0 && (size_t)own > w->left)
        keys.from = (size_t)own - w->left;
    size_t right = a->causal ? 0 : w->right_given ? w->right : SIZE_MAX;
    if (right < PTRDIFF_MAX / 2) { /* or it reaches beyond the last key */
        ptrdiff_t to = own + (ptrdiff_t)right + 1;
        keys.to = to < 0 ? 0 : size_least(keys.to, (size_t)to);
    }
    keys.from = size_least(keys.from, keys.to);
    return keys;
}

/* The ranges of row i; `count` of them. */
static const struct key_range *row_ranges(const struct attention *a, size_t i,
                                          size_t *count)
{
    *count = a->pattern->first[i + 1] - a->pattern->first[i];
    return a->pattern->ranges + a->pattern->first[i];
}

static struct bounds pattern_keys(const struct attention *a, size_t i)
{
    struct bounds keys = visible_keys(a, i);
    size_t count = 0;
    const struct key_range *range = a->pattern ? row_ranges(a, i, &count) : NULL;
    if (count > 0) {
        keys.from = size_most(keys.from, range[0].from);
        keys.to = size_least(keys.to, range[count - 1].to);
    } else if (a->pattern) {
        keys.to = 0;
    }
    keys.from = size_least(keys.from, keys.to);
    return keys;
}

/* Widens `all`, which is empty at first, so that it holds `more`. */
static void unite(struct bounds *all, struct bounds more)
{
    if (more.from == more.to)
        return;
    all->from = all->from == all->to ? more.from : size_least(all->from, more.from);
    all->to = size_most(all->to, more.to);
}

/* Marks the units of keys that row i sees. */
static void mark_ranges(const struct block *b, size_t i, struct bounds keys)
{
    size_t count;
    const struct key_range *range = row_ranges(b->a, i, &count);
    for (size_t n = 0; n < count; n++) {
        size_t from = size_most(keys.from, range[n].from) / VECTOR_PAD;
        size_t to = vector_padded(size_least(keys.to, range[n].to)) / VECTOR_PAD;
        if (from < to)
            memset(b->marks + from, 1, to - from);
    }
}

static void add_span(struct block *b, size_t key, size_t end)
{
    size_t column = 0;
    if (b->span_count > 0) {
        const struct key_span *last = &b->spans[b->span_count - 1];
        column = last->column + last->width;
    }
    b->spans[b->span_count++] = (struct key_span){key, column, end - key};
}

/* Spans are the runs of marked units. */
static void gather_spans(struct block *b)
{
    size_t units = vector_padded(b->a->S) / VECTOR_PAD;
    for (size_t u = 0; u < units; u++) {
        size_t from = u;
        while (u < units && b->marks[u])
            u++;
        if (from < u)
            add_span(b, from * VECTOR_PAD, u * VECTOR_PAD);
    }
}

static void find_spans(struct block *b, const struct bounds *keys)
{
    struct bounds all = {0, 0};
    for (size_t i = 0; i < b->rows; i++)
        unite(&all, keys[i]);
    if (!b->a->pattern) {
        if (all.from < all.to)
            add_span(b, vector_floored(all.from), vector_padded(all.to));
        return;
    }
    memset(b->marks, 0, mark_count(b->a));
    for (size_t i = 0; i < b->rows; i++)
        mark_ranges(b, b->first + i, keys[i]);
    gather_spans(b);
}

size_t block_column(const struct block *b, size_t key)
{
    size_t low = 0, high = b->span_count; /* the first span that ends behind it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->spans[middle].key + b->spans[middle].width > key)
            high = middle;
        else
            low = middle + 1;
    }
    if (low < b->span_count) {
        const struct key_span *s = &b->spans[low];
        return s->column + (key > s->key ? key - s->key : 0);
    }
    return low > 0 ? b->spans[low - 1].column + b->spans[low - 1].width : 0;
}

static bool is_plain(const struct block *b)
{
    const struct attention *a = b->a;
    return !b->figures && !a->mask.allowed && !a->mask.bias && !a->pattern &&
           !a->alibi && !a->keep && !(a->softcap > 0) && !(a->dropout.rate > 0);
}

static struct bounds columns(const struct block *b, struct bounds keys)
{
    if (keys.from == keys.to)
        return (struct bounds){0, 0};
    if (!b->a->pattern) /* the same, faster */
        return (struct bounds){keys.from - b->spans->key, keys.to - b->spans->key};
    return (struct bounds){block_column(b, keys.from), block_column(b, keys.to)};
}

void block_begin(struct block *b, const struct attention *a, size_t index,
                 void *scratch)
{
    size_t rows = block_rows(a);
    struct bounds keys[BLOCK_MOST_ROWS] = {pattern_keys(a, index * rows)};
    bool alike = !a->causal && !a->window.left_given && !a->window.right_given &&
                 !a->pattern; /* all rows see the same keys */
    b->a = a;
    b->vector = vector_kernels_choice(0);
    b->first = index * rows;
    b->rows = size_least(rows, a->T - b->first);
    b->groups = size_divided_up(b->rows, TILE_ROWS);
    b->figures = a->entropy || a->statistics || a->received;
    b->plain = is_plain(b);
    divide_scratch(b, scratch);
    memset(b->group, 0, sizeof b->group);
    for (size_t i = 0; i < b->rows; i++) {
        keys[i] = alike ? keys[0] : pattern_keys(a, b->first + i);
        unite(&b->group[i / TILE_ROWS], keys[i]);
    }
    b->span_count = 0;
    find_spans(b, keys);
    for (size_t i = 0; i < b->rows; i++)
        b->row[i] = alike && i > 0 ? b->row[0] : columns(b, keys[i]);
    for (size_t g = 0; g < b->groups; g++) {
        struct bounds c = columns(b, b->group[g]);
        b->group_columns[g] =
            (struct bounds){vector_floored(c.from), vector_padded(c.to)};
    }
}

struct block block_with_all_keys(const struct block *b, struct key_span *span)
{
    struct block all = *b;
    *span = (struct key_span){0, 0, vector_padded(b->a->S)};
    all.spans = span;
    all.span_count = 1;
    for (size_t i = 0; i < b->rows; i++)
        all.row[i] = (struct bounds){0, b->a->S};
    for (size_t g = 0; g < b->groups; g++)
        all.group[g] = all.group_columns[g] = (struct bounds){0, b->a->S};
    return all;
}
