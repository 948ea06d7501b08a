/* The formula of attention.h symbol by symbol: float32 data, float64 arithmetic. A
 * tile is one query row of all heads, because the mean map needs them all. */
#include <math.h>

#include "core/attention.h"
#include "core/dropout.h"
#include "core/figures.h"

/* One row of one head at work; the arrays are parts of the scratch. */
struct row {
    const struct attention *a;
    size_t h, i;
    double *biased; /* [S]; -INFINITY: not allowed */
    double *mean;   /* [S], over the heads so far */
    float *weights; /* [S] */
    float *map;     /* [S] */
    size_t visible; /* keys that are allowed */
    double lse;
    bool finite;
};

static size_t mask_cell(const struct row *r, size_t j)
{
    const struct mask_view *m = &r->a->mask;
    return r->h * m->head_stride + r->i * m->row_stride + j * m->column_stride;
}

static bool mask_allows(const struct row *r, size_t j)
{
    const struct mask_view *m = &r->a->mask;
    if (!m->allowed && !m->bias)
        return true;
    if (j >= m->columns)
        return false;
    return m->allowed ? m->allowed[mask_cell(r, j)]
                      : m->bias[mask_cell(r, j)] > -INFINITY;
}

/* Distances in float64, where no window is too wide to be added. */
static bool position_allows(const struct row *r, size_t j)
{
    const struct attention *a = r->a;
    const struct window_view *w = &a->window;
    double ahead = (double)j - ((double)r->i + (double)a->offset);
    return (!a->causal || ahead <= 0) &&
           (!w->left_given || -ahead <= (double)w->left) &&
           (!w->right_given || ahead <= (double)w->right);
}

static bool pattern_allows(const struct row *r, size_t j)
{
    const struct key_pattern *p = r->a->pattern;
    bool held = !p;
    for (size_t n = p ? p->first[r->i] : 0; p && n < p->first[r->i + 1]; n++)
        held = held || (p->ranges[n].from <= j && j < p->ranges[n].to);
    return held;
}

static bool allows(const struct row *r, size_t j)
{
    return j < r->a->key_length && position_allows(r, j) && pattern_allows(r, j) &&
           mask_allows(r, j);
}

/* Finite: float64 has room for any such sum. */
static double score(const struct row *r, size_t j)
{
    const struct attention *a = r->a;
    const float *q =
        a->query.data + r->h * a->query.head_stride + r->i * a->query.row_stride;
    const float *k =
        a->key.data + r->h / (a->H / a->G) * a->key.head_stride + j * a->key.row_stride;
    double dot = 0;
    for (size_t c = 0; c < a->dk; c++)
        dot += (double)q[c] * (double)k[c];
    return (double)a->scale * dot;
}

static double capped(const struct row *r, double score)
{
    double softcap = (double)r->a->softcap;
    return softcap > 0 ? softcap * tanh(score / softcap) : score;
}

/* What is added to an allowed cell. */
static double bias(const struct row *r, size_t j)
{
    const struct attention *a = r->a;
    double sum = a->mask.bias ? (double)a->mask.bias[mask_cell(r, j)] : 0.0;
    if (a->alibi)
        sum -=
            (double)a->alibi[r->h] * fabs((double)r->i + (double)a->offset - (double)j);
    return sum;
}

/* Hides all but the `keep` best: those that fewer than `keep` others are better than.
 */
static void keep_best(const struct row *r)
{
    const struct attention *a = r->a;
    double *best = r->mean + a->S; /* [S] */
    for (size_t j = 0; j < a->S; j++) {
        size_t better = 0;
        for (size_t o = 0; o < a->S; o++)
            better +=
                r->biased[o] > r->biased[j] || (o < j && r->biased[o] == r->biased[j]);
        best[j] = better < a->keep ? r->biased[j] : -HUGE_VAL;
    }
    for (size_t j = 0; j < a->S; j++)
        r->biased[j] = best[j];
}

static void bias_row(struct row *r)
{
    const struct attention *a = r->a;
    for (size_t j = 0; j < a->S; j++) {
        r->biased[j] = -HUGE_VAL;
        if (!allows(r, j))
            continue;
        double s = score(r, j);
        r->finite = r->finite && (a->softcap > 0 || isfinite((float)s));
        r->biased[j] = capped(r, s) + bias(r, j);
        r->finite = r->finite && isfinite((float)r->biased[j]);
    }
    if (a->keep)
        keep_best(r);
    r->visible = 0;
    for (size_t j = 0; j < a->S; j++) {
        bool visible = r->biased[j] > -HUGE_VAL;
        r->visible += visible;
        if (visible && a->dropout.on_scores &&
            dropout_drops(&a->dropout, r->h, r->i, j))
            r->biased[j] = 0;
    }
}

/* sum_j exp(biased[j] - top). */
static double exponentials(const struct row *r, double top)
{
    double sum = 0;
    for (size_t j = 0; j < r->a->S; j++)
        sum += exp(r->biased[j] - top);
    return sum;
}

/* weights = softmax of biased with the sink; an empty row: 0. */
static void weigh(struct row *r)
{
    const struct attention *a = r->a;
    double most = -HUGE_VAL, sink = a->sinks ? (double)a->sinks[r->h] : -HUGE_VAL;
    for (size_t j = 0; j < a->S; j++) {
        most = fmax(most, r->biased[j]);
        r->weights[j] = 0;
    }
    r->lse = -HUGE_VAL;
    if (!r->visible) /* would become NaN: (-inf) - (-inf) */
        return;

    r->lse = most + log(exponentials(r, most));
    double top = fmax(most, sink), sum = exponentials(r, top) + exp(sink - top);
    for (size_t j = 0; j < a->S; j++) {
        double weight = exp(r->biased[j] - top) / sum;
        if (!a->dropout.on_scores)
            weight = dropout_drops(&a->dropout, r->h, r->i, j)
                         ? 0
                         : weight / (1 - (double)a->dropout.rate);
        r->weights[j] = (float)weight;
    }
}

static void mix_values(struct row *r)
{
    const struct attention *a = r->a;
    const float *v = a->value.data + r->h / (a->H / a->G) * a->value.head_stride;
    for (size_t c = 0; c < a->dv; c++) {
        double sum = 0;
        bool any = false; /* so that a sum of -0 alone stays one */
        for (size_t j = 0; j < a->S; j++)
            if (r->weights[j] != 0.0f) {
                double part =
                    (double)r->weights[j] * (double)v[j * a->value.row_stride + c];
                sum = any ? sum + part : part;
                any = true;
            }
        r->finite = r->finite && isfinite((float)sum);
        if (a->out)
            a->out[r->h * a->out_head_stride + r->i * a->out_row_stride + c] =
                (float)sum;
    }
}

static void draw_map(struct row *r)
{
    const struct attention *a = r->a;
    for (size_t j = 0; j < a->S; j++)
        switch (a->map_stage) {
        case MAP_STAGE_WEIGHTS: r->map[j] = r->weights[j]; break;
        case MAP_STAGE_SCORES: r->map[j] = (float)score(r, j); break;
        case MAP_STAGE_CAPPED: r->map[j] = (float)capped(r, score(r, j)); break;
        case MAP_STAGE_BIASED: r->map[j] = (float)r->biased[j]; break;
        }
    for (size_t j = 0; j < a->S; j++) {
        r->mean[j] = (r->h > 0 ? r->mean[j] : 0.0) + (double)r->map[j] / (double)a->H;
        if (a->mean_map && r->h + 1 == a->H)
            a->mean_map[r->i * a->S + j] = (float)r->mean[j];
        r->finite =
            r->finite && (a->map_stage == MAP_STAGE_BIASED || isfinite(r->map[j]));
    }
}

/* The best cell that comes after cell `last` of rank; S: `last` means none yet. */
static size_t next_best(const struct row *r, size_t last)
{
    size_t S = r->a->S, best = S;
    for (size_t j = 0; j < S; j++) {
        bool after = last == S || r->map[j] < r->map[last] ||
                     (j > last && r->map[j] == r->map[last]);
        if (after && (best == S || r->map[j] > r->map[best]))
            best = j;
    }
    return best;
}

static void write_map(const struct row *r, size_t m)
{
    const struct attention *a = r->a;
    for (size_t j = 0; a->maps && j < a->S; j++)
        a->maps[(m * a->T + r->i) * a->S + j] = r->map[j];
    size_t best = a->S;
    for (size_t n = 0; a->top_indices && n < a->top; n++) {
        size_t at = (m * a->T + r->i) * a->top + n;
        best = next_best(r, best);
        a->top_indices[at] = (int32_t)best;
        a->top_values[at] = r->map[best];
    }
}

/* A tile is a part of its own. */
static void write_figures(const struct row *r)
{
    const struct attention *a = r->a;
    size_t part = r->h * a->T + r->i;
    struct row_figures f = {.sums.rows = r->visible > 0,
                            .received = a->received ? a->received + part * a->S : NULL,
                            .own = (ptrdiff_t)r->i + a->offset};
    for (size_t j = 0; f.received && j < a->S; j++)
        f.received[j] = 0;
    row_figures_add(&f, 0, r->weights, a->S, 1.0f);
    if (a->entropy)
        row_entropy_write(a->entropy + 2 * part, f.sums.entropy, r->visible);
    if (a->statistics)
        a->statistics[part] = f.sums;
}

static bool run(const struct attention *a, const void *packed, size_t i, void *scratch)
{
    (void)packed;
    double *numbers = scratch;
    void *rest = numbers + 3 * a->S;
    float *floats = rest;
    struct row r = {.a = a,
                    .i = i,
                    .biased = numbers,
                    .mean = numbers + a->S,
                    .weights = floats,
                    .map = floats + a->S,
                    .finite = true};
    for (r.h = 0; r.h < a->H; r.h++) {
        bias_row(&r);
        weigh(&r);
        mix_values(&r);
        r.finite = r.finite && (!r.visible || isfinite((float)r.lse));
        if (a->lse)
            a->lse[r.h * a->T + i] = (float)r.lse;
        if (a->mean_map || a->map_head_count)
            draw_map(&r);
        for (size_t m = 0; m < a->map_head_count; m++)
            if (a->map_heads[m] == r.h)
                write_map(&r, m);
        if (a->entropy || a->statistics || a->received)
            write_figures(&r);
    }
    return r.finite;
}

static size_t tiles(const struct attention *a)
{
    return a->T;
}

static size_t scratch_bytes(const struct attention *a)
{
    return a->S * (3 * sizeof(double) + 2 * sizeof(float));
}

const struct attention_kernel attention_reference = {
    .name = "reference",
    .packed_bytes = attention_nothing,
    .packs = attention_nothing,
    .tiles = tiles,
    .row_parts = tiles,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
