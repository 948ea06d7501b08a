#include "core/attention_softmax.h"

#include <math.h>

#include "base/size.h"
#include "core/dropout.h"
#include "core/ranking.h"

static float *row_scores(const struct block *b, size_t i)
{
    return b->scores + i * b->stride;
}

/* A row's bounds up to whole vectors. */
static struct bounds vectors(struct bounds row)
{
    return (struct bounds){vector_floored(row.from), vector_padded(row.to)};
}

void block_cap(const struct block *b, size_t i)
{
    struct bounds v = vectors(b->row[i]);
    if (b->a->softcap > 0)
        b->vector->cap(row_scores(b, i) + v.from, v.to - v.from, b->a->softcap);
}

/* Where the mask's cell of head h, row i and key 0 stands. */
static size_t mask_row(const struct block *b, size_t h, size_t i)
{
    const struct mask_view *m = &b->a->mask;
    return h * m->head_stride + (b->first + i) * m->row_stride;
}

static bool add_mask(const struct block *b, const float *bias, const struct key_run *r,
                     float *x)
{
    size_t stride = b->a->mask.column_stride;
    if (stride == 1)
        return b->vector->add_bias(x, bias + r->key, r->count);
    for (size_t n = 0; n < r->count; n++)
        b->line[n] = bias[(r->key + n) * stride];
    return b->vector->add_bias(x, b->line, r->count);
}

static bool hide_masked(const struct block *b, const uint8_t *allowed,
                        const struct key_run *r, float *x)
{
    size_t stride = b->a->mask.column_stride;
    if (stride == 1)
        return b->vector->hide(x, allowed + r->key, r->count);
    uint8_t *row = (uint8_t *)b->line;
    for (size_t n = 0; n < r->count; n++)
        row[n] = allowed[(r->key + n) * stride];
    return b->vector->hide(x, row, r->count);
}

/* Applies the mask. False when it allows no key. */
static bool mask_scores(const struct block *b, size_t h, size_t i)
{
    const struct mask_view *m = &b->a->mask;
    bool any = false;
    if (!m->allowed && !m->bias)
        return b->row[i].from < b->row[i].to;
    for (struct key_run r = {0}; block_next_run(b, b->row[i], &r);) {
        float *x = row_scores(b, i) + r.column;
        any = (m->bias ? add_mask(b, m->bias + mask_row(b, h, i), &r, x)
                       : hide_masked(b, m->allowed + mask_row(b, h, i), &r, x)) ||
              any;
    }
    return any;
}

static void add_slopes(const struct block *b, size_t h, size_t i)
{
    ptrdiff_t own = (ptrdiff_t)(b->first + i) + b->a->offset;
    for (struct key_run r = {0}; block_next_run(b, b->row[i], &r);)
        b->vector->add_slope(row_scores(b, i) + r.column, r.count, b->a->alibi[h],
                             (float)((ptrdiff_t)r.key - own));
}

/* Hides what lies between the ranges of the pattern. */
static void hide_holes(const struct block *b, size_t i)
{
    const struct key_pattern *p = b->a->pattern;
    struct bounds row = b->row[i];
    size_t seen = row.from;
    for (size_t n = p->first[b->first + i]; n < p->first[b->first + i + 1]; n++) {
        size_t from = size_least(row.to, block_column(b, p->ranges[n].from));
        fill(row_scores(b, i), seen, from, -INFINITY);
        seen = size_most(seen, size_least(row.to, block_column(b, p->ranges[n].to)));
    }
    fill(row_scores(b, i), seen, row.to, -INFINITY);
}

/* Hides all but the `keep` best. */
static void keep_best(const struct block *b, size_t i)
{
    float *x = row_scores(b, i) + b->row[i].from;
    size_t count = b->row[i].to - b->row[i].from, keep = b->a->keep;
    if (keep < count)
        ranking_hide(x, count, keep, b->ranks);
}

static void drop(const struct block *b, size_t h, size_t i)
{
    for (struct key_run r = {0}; block_next_run(b, b->row[i], &r);)
        dropout_zero(&b->a->dropout, h, b->first + i, r.key,
                     row_scores(b, i) + r.column, r.count);
}

static bool drops(const struct attention *a, bool on_scores)
{
    return a->dropout.rate > 0 && a->dropout.on_scores == on_scores;
}

static size_t count_visible(const struct block *b, size_t i)
{
    const float *x = row_scores(b, i);
    size_t visible = 0;
    for (size_t n = b->row[i].from; n < b->row[i].to; n++)
        visible += x[n] != -INFINITY; /* a NaN is one that was */
    return visible;
}

bool block_bias(struct block *b, size_t h, size_t i)
{
    const struct attention *a = b->a;
    if (b->plain) /* the same, faster */
        return b->row[i].from < b->row[i].to;

    struct bounds v = vectors(b->row[i]);
    bool counts = a->pattern || b->figures;
    block_cap(b, i);
    if (a->alibi || a->keep || drops(a, true) || counts)
        b->vector->expose(row_scores(b, i) + v.from, v.to - v.from);
    if (a->alibi)
        add_slopes(b, h, i);
    bool any = mask_scores(b, h, i);
    if (a->pattern)
        hide_holes(b, i);
    if (a->keep)
        keep_best(b, i);
    if (counts) {
        b->visible[i] = count_visible(b, i);
        any = b->visible[i] > 0;
    }
    if (drops(a, true))
        drop(b, h, i);
    return any;
}

/* 1 / (the sum with the sink), which dropping on weights makes larger. The sink may be
 * far above all scores: then the weights are 0, but lse has kept what they are. */
static float inverse(const struct block *b, size_t h, float max, float sum)
{
    const struct attention *a = b->a;
    if (!a->sinks && !drops(a, false))
        return 1.0f / sum;
    double whole = (double)sum;
    if (a->sinks)
        whole += exp((double)a->sinks[h] - (double)max);
    if (drops(a, false))
        whole *= 1 - (double)a->dropout.rate;
    return (float)(1 / whole);
}

/* The largest scores of rows that see a key; what they do not see becomes -INFINITY.
 * Where no mask has looked, a score of -infinity is found here, and makes the largest
 * infinite. */
static void find_largest(const struct block *b, struct bounds rows, struct bounds c,
                         const bool *any, float *max)
{
    const struct mask_view *m = &b->a->mask;
    bool exposed = !b->plain && (m->allowed || m->bias || b->a->pattern || b->a->keep);
    struct bounds kept[TILE_ROWS] = {{0, 0}};
    float least[TILE_ROWS];
    size_t count = rows.to - rows.from;
    for (size_t n = 0; n < count; n++)
        if (any[n])
            kept[n] = (struct bounds){b->row[rows.from + n].from - c.from,
                                      b->row[rows.from + n].to - c.from};
    b->vector->bound_rows(row_scores(b, rows.from) + c.from, b->stride, count,
                          c.to - c.from, kept, max, least);
    for (size_t n = 0; n < count; n++)
        if (!any[n])
            max[n] = 0.0f;
        else if (!exposed && least[n] == -INFINITY)
            max[n] = INFINITY;
}

static bool finish_row(struct block *b, size_t h, size_t i, float max, float sum)
{
    const struct attention *a = b->a;
    if (!isfinite(sum))
        return false;
    b->inverse[i] = inverse(b, h, max, sum);
    if (drops(a, false))
        drop(b, h, i);
    if (a->lse)
        a->lse[h * a->T + b->first + i] = (float)((double)max + log((double)sum));
    return true;
}

static void finish_empty_row(struct block *b, size_t h, size_t i)
{
    b->inverse[i] = 0.0f;
    if (b->a->lse)
        b->a->lse[h * b->a->T + b->first + i] = -INFINITY;
}

bool block_softmax(struct block *b, size_t h, struct bounds rows, const bool *any)
{
    struct bounds c = b->group_columns[rows.from / TILE_ROWS];
    float max[TILE_ROWS], sum[TILE_ROWS];
    size_t count = rows.to - rows.from;
    find_largest(b, rows, c, any, max);
    for (size_t n = 0; n < count; n++)
        if (!isfinite(max[n]))
            return false;
    b->vector->exponential_rows(row_scores(b, rows.from) + c.from, b->stride, count,
                                c.to - c.from, max, sum);
    for (size_t n = 0; n < count; n++)
        if (!any[n])
            finish_empty_row(b, h, rows.from + n);
        else if (!finish_row(b, h, rows.from + n, max[n], sum[n]))
            return false;
    return true;
}
