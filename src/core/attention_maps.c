#include "core/attention_maps.h"

#include "core/figures.h"
#include "core/ranking.h"

bool block_wants_map(const struct attention *a, size_t h, enum map_stage stage)
{
    bool wanted = a->mean_map;
    for (size_t m = 0; m < a->map_head_count; m++)
        wanted = wanted || a->map_heads[m] == h;
    return wanted && a->map_stage == stage;
}

static void copy_row(const struct block *b, size_t i, float factor, float hidden,
                     float *to)
{
    const float *x = b->scores + i * b->stride;
    size_t key = 0;
    for (struct key_run r = {0}; block_next_run(b, b->row[i], &r);) {
        fill(to, key, r.key, hidden);
        b->vector->scale(to + r.key, x + r.column, r.count, factor);
        key = r.key + r.count;
    }
    fill(to, key, b->a->S, hidden);
}

/* What is hidden is 0 or -infinity, so that it need not be divided. */
static void add_to_mean(const struct block *b, size_t h, size_t i, float factor,
                        float hidden)
{
    const struct attention *a = b->a;
    const float *x = b->scores + i * b->stride;
    float *mean = a->mean_map + (b->first + i) * a->S;
    size_t key = 0;
    if (h == 0)
        fill(mean, 0, a->S, 0.0f);
    for (struct key_run r = {0}; block_next_run(b, b->row[i], &r);) {
        for (; hidden < 0 && key < r.key; key++)
            mean[key] = hidden;
        b->vector->add_scaled(mean + r.key, x + r.column, r.count,
                              factor / (float)a->H);
        key = r.key + r.count;
    }
    for (; hidden < 0 && key < a->S; key++)
        mean[key] = hidden;
}

/* The best cells of a row of map m. */
static void rank_row(const struct block *b, size_t m, size_t i, const float *row)
{
    const struct attention *a = b->a;
    size_t at = (m * a->T + b->first + i) * a->top;
    ranking_best(row, a->S, a->top, b->ranks);
    ranking_sort(b->ranks, a->top);
    for (size_t n = 0; n < a->top; n++) {
        size_t j = ranking_index(b->ranks[n]);
        a->top_indices[at + n] = (int32_t)j;
        a->top_values[at + n] = row[j];
    }
}

void block_draw(const struct block *b, size_t h, size_t i, float factor, float hidden)
{
    const struct attention *a = b->a;
    for (size_t m = 0; m < a->map_head_count; m++) {
        if (a->map_heads[m] != h)
            continue;
        float *row = a->maps ? a->maps + (m * a->T + b->first + i) * a->S : b->line;
        copy_row(b, i, factor, hidden, row);
        if (a->top_indices)
            rank_row(b, m, i, row);
    }
    if (a->mean_map)
        add_to_mean(b, h, i, factor, hidden);
}

/* The part of a head's sums that this block writes. */
static size_t part(const struct block *b, size_t h)
{
    return h * block_parts(b->a) + b->first / BLOCK_ROWS;
}

void block_begin_figures(const struct block *b, size_t h)
{
    const struct attention *a = b->a;
    if (a->statistics)
        a->statistics[part(b, h)] = (struct head_statistics){0};
    if (a->received)
        fill(a->received + part(b, h) * a->S, 0, a->S, 0.0f);
}

void block_add_figures(const struct block *b, size_t h, size_t i)
{
    const struct attention *a = b->a;
    struct row_figures f = {.sums.rows = b->visible[i] > 0,
                            .received =
                                a->received ? a->received + part(b, h) * a->S : NULL,
                            .own = (ptrdiff_t)(b->first + i) + a->offset};
    const float *weights = b->scores + i * b->stride;
    for (struct key_run r = {0}; block_next_run(b, b->row[i], &r);)
        row_figures_add(&f, r.key, weights + r.column, r.count, b->inverse[i]);
    if (a->entropy)
        row_entropy_write(a->entropy + 2 * (h * a->T + b->first + i), f.sums.entropy,
                          b->visible[i]);
    if (a->statistics)
        head_statistics_add(&a->statistics[part(b, h)], &f.sums);
}
