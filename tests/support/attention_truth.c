/* The operator in float64, written from what it means and not from the kernels. */
#include "support/attention_case.h"

struct cell {
    double score;
    size_t key;
};

/* Largest score first; of equal ones the smaller key. */
static int by_rank(const void *left, const void *right)
{
    const struct cell *x = left, *y = right;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

static bool in_pattern(const struct key_pattern *p, size_t i, size_t j)
{
    for (size_t n = p->first[i]; n < p->first[i + 1]; n++)
        if (j >= p->ranges[n].from && j < p->ranges[n].to)
            return true;
    return false;
}

/* What the mask adds; -infinity: hidden. */
static double masked(const struct mask_view *m, size_t h, size_t i, size_t j)
{
    if (!m->allowed && !m->bias)
        return 0;
    if (j >= m->columns)
        return -HUGE_VAL;
    size_t at = h * m->head_stride + i * m->row_stride + j * m->column_stride;
    if (m->bias)
        return (double)m->bias[at];
    return m->allowed[at] ? 0 : -HUGE_VAL;
}

static bool seen(const struct attention *a, size_t i, size_t j)
{
    double own = (double)i + (double)a->offset, key = (double)j;
    if (j >= a->key_length || (a->causal && key > own))
        return false;
    if (a->window.left_given && key < own - (double)a->window.left)
        return false;
    if (a->window.right_given && key > own + (double)a->window.right)
        return false;
    return !a->pattern || in_pattern(a->pattern, i, j);
}

static double scaled_product(const struct attention *a, size_t h, size_t i, size_t j)
{
    const float *q = a->query.data + h * a->query.head_stride + i * a->query.row_stride;
    const float *k =
        a->key.data + h * a->G / a->H * a->key.head_stride + j * a->key.row_stride;
    double dot = 0;
    for (size_t e = 0; e < a->dk; e++)
        dot += (double)q[e] * (double)k[e];
    return dot * (double)a->scale;
}

/* As dropout.h defines it. */
static bool dropped(const struct dropout_view *d, size_t h, size_t i, size_t j)
{
    const unsigned long long steps[] = {d->batch, h, i, j};
    unsigned long long state = d->seed;
    for (size_t n = 0; n < 4; n++) {
        state += 0x9E3779B97F4A7C15ull * (steps[n] + 1);
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9ull;
        state = (state ^ state >> 27) * 0x94D049BB133111EBull;
        state ^= state >> 31;
    }
    return ldexp((double)(state >> 40), -24) < (double)d->rate;
}

/* Hides all but the `keep` largest. */
static void keep(const struct attention *a, double *biased)
{
    struct cell *cells = calloc(a->S, sizeof *cells);
    for (size_t j = 0; j < a->S; j++)
        cells[j] = (struct cell){biased[j], j};
    qsort(cells, a->S, sizeof *cells, by_rank);
    for (size_t n = a->keep; n < a->S; n++)
        biased[cells[n].key] = -HUGE_VAL;
    free(cells);
}

/* The biased scores of one row; -infinity: not allowed. Returns how many are. */
static size_t bias_row(struct attention_case *c, size_t h, size_t i, double *biased)
{
    const struct attention *a = &c->a;
    double *map = c->true_map + (h * a->T + i) * a->S, cap = (double)a->softcap;
    for (size_t j = 0; j < a->S; j++) {
        double score = scaled_product(a, h, i, j);
        double capped = cap > 0 ? cap * tanh(score / cap) : score;
        double bias = masked(&a->mask, h, i, j);
        double own = (double)i + (double)a->offset;
        double slope = a->alibi ? (double)a->alibi[h] : 0;
        bool hidden = !seen(a, i, j) || isinf(bias);
        biased[j] = hidden ? -HUGE_VAL : capped + bias - slope * fabs(own - (double)j);
        map[j] = a->map_stage == MAP_STAGE_SCORES ? score : capped;
    }
    if (a->keep && a->keep < a->S)
        keep(a, biased);
    size_t visible = 0;
    for (size_t j = 0; j < a->S; j++) {
        visible += !isinf(biased[j]);
        if (!isinf(biased[j]) && a->dropout.on_scores && dropped(&a->dropout, h, i, j))
            biased[j] = 0;
    }
    for (size_t j = 0; j < a->S && a->map_stage == MAP_STAGE_BIASED; j++)
        map[j] = biased[j];
    return visible;
}

/* Biased scores become weights. */
static void weigh_row(struct attention_case *c, size_t h, size_t i, double *w)
{
    const struct attention *a = &c->a;
    double top = a->sinks ? (double)a->sinks[h] : -HUGE_VAL, sum = 0, rest = 0;
    for (size_t j = 0; j < a->S; j++)
        top = w[j] > top ? w[j] : top;
    for (size_t j = 0; j < a->S; j++)
        sum += w[j] = isinf(w[j]) ? 0 : exp(w[j] - top);
    if (a->sinks)
        rest = exp((double)a->sinks[h] - top);
    c->true_lse[h * a->T + i] = top + log(sum);
    bool drops = a->dropout.rate > 0 && !a->dropout.on_scores;
    for (size_t j = 0; j < a->S; j++) {
        w[j] /= sum + rest;
        if (drops)
            w[j] = dropped(&a->dropout, h, i, j) ? 0
                                                 : w[j] / (1 - (double)a->dropout.rate);
    }
}

static void solve_row(struct attention_case *c, size_t h, size_t i)
{
    const struct attention *a = &c->a;
    size_t row = h * a->T + i, g = h * a->G / a->H;
    double *w = c->true_weights + row * a->S, *out = c->true_out + row * a->dv;
    c->visible[row] = bias_row(c, h, i, w);
    if (c->visible[row] > 0)
        weigh_row(c, h, i, w);
    for (size_t j = 0; j < a->S && c->visible[row] == 0; j++)
        w[j] = 0;
    if (c->visible[row] == 0)
        c->true_lse[row] = -HUGE_VAL;
    for (size_t j = 0; j < a->S && a->map_stage == MAP_STAGE_WEIGHTS; j++)
        c->true_map[row * a->S + j] = w[j];
    for (size_t e = 0; e < a->dv; e++)
        out[e] = 0;
    for (size_t j = 0; j < a->S; j++) {
        const float *v =
            a->value.data + g * a->value.head_stride + j * a->value.row_stride;
        for (size_t e = 0; e < a->dv; e++)
            out[e] += w[j] * (double)v[e];
    }
}

void attention_case_solve(struct attention_case *c)
{
    for (size_t h = 0; h < c->a.H; h++)
        for (size_t i = 0; i < c->a.T; i++)
            solve_row(c, h, i);
}
