#include "core/attention_softmax.h"

#include <math.h>

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
    if (keep >= count)
        return;
    ranking_best(x, count, keep, b->ranks);
    for (size_t n = 0; n < count; n++)
        if (ranking_rank(x[n], n) < b->ranks[0])
            x[n] = -INFINITY;
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

static void hide_outside(const struct block *b, size_t i)
{
    struct bounds row = b->row[i], v = vectors(row);
    fill(row_scores(b, i), v.from, row.from, -INFINITY);
    fill(row_scores(b, i), row.to, v.to, -INFINITY);
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

/* The largest score of a row that sees a key, hidden ones at its ends aside. Where no
 * mask has looked, a score of -infinity is found here, and makes it infinite. */
static float largest(const struct block *b, size_t i)
{
    const struct mask_view *m = &b->a->mask;
    struct bounds row = b->row[i], v = vectors(row);
    float *x = row_scores(b, i), least;
    bool exposed = !b->plain && (m->allowed || m->bias || b->a->pattern || b->a->keep);
    float outside = exposed ? -INFINITY : x[row.from];
    fill(x, v.from, row.from, outside);
    fill(x, row.to, v.to, outside);
    float max = b->vector->extremes(x + v.from, v.to - v.from, &least);
    hide_outside(b, i);
    return exposed || least > -INFINITY ? max : INFINITY;
}

/* max + log(2^shrink sum); -INFINITY for an empty row. */
static float log_sum(float max, float sum, int shrink)
{
    return (float)((double)max + log((double)sum) + shrink * 0.6931471805599453);
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
        whole += ldexp(exp((double)a->sinks[h] - (double)max), -b->shrink);
    if (drops(a, false))
        whole *= 1 - (double)a->dropout.rate;
    return (float)(1 / whole);
}

/* Columns that the group computes but the row does not see weigh 0. */
static inline void clear(const struct block *b, size_t i, struct bounds kept)
{
    struct bounds group = b->group_columns[i / TILE_ROWS];
    fill(row_scores(b, i), group.from, kept.from, 0.0f);
    fill(row_scores(b, i), kept.to, group.to, 0.0f);
}

bool block_softmax(struct block *b, size_t h, size_t i, bool any)
{
    const struct attention *a = b->a;
    struct bounds v = vectors(b->row[i]);
    float *x = row_scores(b, i), max = -INFINITY, sum = 0.0f;
    b->inverse[i] = 0.0f;
    if (any) {
        max = largest(b, i);
        if (!isfinite(max))
            return false;
        sum = b->vector->exponentials(x + v.from, v.to - v.from, max, b->shrink,
                                      x + v.from + b->stride);
        if (!isfinite(sum))
            return false;
        b->inverse[i] = inverse(b, h, max, sum);
        clear(b, i, v);
        if (drops(a, false))
            drop(b, h, i);
    } else {
        clear(b, i, (struct bounds){v.to, v.to});
    }
    if (a->lse)
        a->lse[h * a->T + b->first + i] = log_sum(max, sum, b->shrink);
    return true;
}
