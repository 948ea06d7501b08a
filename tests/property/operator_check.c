#include "property/operator_check.h"

#include <stdio.h>

#include "support/test.h"

struct check {
    const struct attention_input *in;
    const struct multi_head_result *got;
    const struct sequence_result *part;
    const struct operator_answer *want;
    const char *what;
    size_t b;
};

/* Scores up to some 30, of float32 sums of up to some hundred products, are right to a
 * few 1e-5, and the exponential makes of that a relative error of the weights. */
static void near_to(const struct check *c, const char *name, size_t at, double got,
                    double want)
{
    bool same =
        isinf(want) ? got == want : fabs(got - want) <= 2e-5 + 2e-4 * fabs(want);
    if (!same)
        ck_abort_msg("%s: sequence %zu: %s %zu is %.9g, want %.9g", c->what, c->b, name,
                     at, got, want);
}

static void check_all(const struct check *c, const char *name, const float *got,
                      const double *want, size_t count)
{
    for (size_t i = 0; i < count; i++)
        near_to(c, name, i, (double)got[i], want[i]);
}

/* Is row i of some head a matter of rounding? */
static bool is_close(const struct check *c, size_t i)
{
    for (size_t h = 0; h < c->want->H; h++)
        if (c->want->close[h * c->want->T + i])
            return true;
    return false;
}

static bool is_close_head(const struct check *c, size_t h)
{
    for (size_t i = 0; i < c->want->T; i++)
        if (c->want->close[h * c->want->T + i])
            return true;
    return false;
}

static void check_output(const struct check *c)
{
    const struct operator_answer *w = c->want;
    size_t rows = w->split ? w->H * w->T : w->T;
    for (size_t row = 0; row < rows; row++)
        if (!(w->split ? w->close[row] : is_close(c, row)))
            for (size_t n = row * w->width; n < (row + 1) * w->width; n++)
                near_to(c, "output", n, (double)c->part->output[n], w->output[n]);
}

/* Stages before `biased` do not depend on what is kept. */
static bool row_counts(const struct check *c, size_t h, size_t i)
{
    enum map_stage stage = c->in->map_stage;
    return stage == MAP_STAGE_SCORES || stage == MAP_STAGE_CAPPED ||
           !c->want->close[h * c->want->T + i];
}

static size_t map_head(const struct check *c, size_t m)
{
    return c->in->map_heads_given ? c->in->map_heads[m] : m;
}

/* The `top` largest of row (h, i), the largest first, of equal ones the first. What
 * float32 holds to be equal or not is its own affair: so the numbers must be as large
 * as the largest ones, and be those at the indices. */
static void check_top_row(const struct check *c, size_t m, size_t i)
{
    const struct operator_answer *w = c->want;
    size_t h = map_head(c, m), top = c->got->top, at = (m * w->T + i) * top;
    const double *row = w->stage[c->in->map_stage] + (h * w->T + i) * w->S;
    const int32_t *index = c->part->top_indices + at;
    const float *value = c->part->top_values + at;
    bool used[256] = {false};
    ck_assert_uint_le(w->S, sizeof used);
    for (size_t n = 0; n < top; n++) {
        bool fresh = index[n] >= 0 && (size_t)index[n] < w->S && !used[index[n]];
        bool ordered = n == 0 || value[n - 1] > value[n] ||
                       (value[n - 1] == value[n] && index[n - 1] < index[n]);
        ck_assert_msg(fresh && ordered, "%s: top_k row %zu of map %zu: place %zu is %d",
                      c->what, i, m, n, (int)index[n]);
        used[index[n]] = true;
        near_to(c, "top value", at + n, (double)value[n], row[index[n]]);
    }
    for (size_t j = 0; j < w->S; j++) {
        bool left_out = row[j] > row[index[top - 1]] + 2e-5 + 2e-4 * fabs(row[j]);
        bool equal =
            row[j] == 0 && value[top - 1] == 0.0f && j < (size_t)index[top - 1];
        bool hidden =
            isinf(row[j]) && isinf(value[top - 1]) && j < (size_t)index[top - 1];
        ck_assert_msg(used[j] || !(left_out || hidden ||
                                   (equal && c->in->map_stage == MAP_STAGE_WEIGHTS &&
                                    !w->visible[(h * w->T + i) * w->S + j])),
                      "%s: top_k row %zu of map %zu leaves out key %zu", c->what, i, m,
                      j);
    }
}

static void check_mean_map(const struct check *c)
{
    const struct operator_answer *w = c->want;
    for (size_t i = 0; i < w->T; i++)
        for (size_t j = 0; j < w->S; j++) {
            double mean = 0;
            bool counts = true;
            for (size_t h = 0; h < w->H; h++) {
                mean += w->stage[c->in->map_stage][(h * w->T + i) * w->S + j] /
                        (double)w->H;
                counts = counts && row_counts(c, h, i);
            }
            if (counts)
                near_to(c, "mean map", i * w->S + j,
                        (double)c->part->maps[i * w->S + j], mean);
        }
}

static void check_maps(const struct check *c)
{
    const struct operator_answer *w = c->want;
    size_t count = c->in->map_heads_given ? c->in->map_head_count : w->H;
    enum map_form form = c->in->maps;
    bool whole = form == MAPS_HEADS || form == MAPS_MEAN, top = form == MAPS_TOP_K;
    ck_assert_msg((c->part->maps != NULL) == whole &&
                      (c->part->top_indices != NULL) == top &&
                      (c->part->top_values != NULL) == top,
                  "%s: maps of another form", c->what);
    ck_assert_uint_eq(c->got->top, top ? c->in->top_k : 0);
    if (form == MAPS_MEAN)
        check_mean_map(c);
    for (size_t m = 0; m < count && (top || form == MAPS_HEADS); m++)
        for (size_t i = 0; i < w->T; i++) {
            size_t h = map_head(c, m), row = (m * w->T + i) * w->S;
            if (!row_counts(c, h, i))
                continue;
            if (top)
                check_top_row(c, m, i);
            for (size_t j = 0; j < w->S && !top; j++)
                near_to(c, "map", row + j, (double)c->part->maps[row + j],
                        w->stage[c->in->map_stage][(h * w->T + i) * w->S + j]);
        }
}

static void check_keys(const struct check *c, const char *name, const float *got,
                       const double *want, size_t first, size_t width)
{
    const struct operator_answer *w = c->want;
    size_t rows = w->S - first;
    for (size_t g = 0; g < w->G; g++)
        check_all(c, name, got + g * rows * width, want + (g * w->S + first) * width,
                  rows * width);
}

static void check_rows(const struct check *c)
{
    const struct operator_answer *w = c->want;
    const struct sequence_result *s = c->part;
    ck_assert_msg((s->query && s->key && s->value) == c->in->want_projections &&
                      (s->present_key && s->present_value) == c->in->want_present,
                  "%s: projections or present", c->what);
    if (c->in->want_projections) {
        check_all(c, "query", s->query, w->query, w->H * w->T * w->dk);
        check_keys(c, "key", s->key, w->key, w->P, w->dk);
        check_keys(c, "value", s->value, w->value, w->P, w->dv);
    }
    if (c->in->want_present) {
        check_keys(c, "present key", s->present_key, w->key, 0, w->dk);
        check_keys(c, "present value", s->present_value, w->value, 0, w->dv);
    }
}

/* Entropies are sums of up to some hundred terms -p ln p. */
static void check_figures(const struct check *c)
{
    const struct operator_answer *w = c->want;
    const struct sequence_result *s = c->part;
    ck_assert_msg((s->lse != NULL) == c->in->want_lse &&
                      (s->entropy != NULL) == c->in->want_entropy &&
                      (s->statistics && s->received) == c->in->want_statistics,
                  "%s: figures", c->what);
    for (size_t row = 0; row < w->H * w->T; row++) {
        if (w->close[row])
            continue;
        if (s->lse)
            near_to(c, "lse", row, (double)s->lse[row], w->lse[row]);
        for (size_t n = 2 * row; s->entropy && n < 2 * row + 2; n++)
            near_to(c, "entropy", n, (double)s->entropy[n], w->entropy[n]);
    }
    for (size_t h = 0; h < w->H && s->statistics; h++) {
        const struct head_statistics *f = &s->statistics[h];
        const double got[FIGURES] = {f->rows,  f->entropy, f->maximum,  f->distance,
                                     f->first, f->own,     f->previous, f->next};
        bool told = !isnan(f->rows); /* JSON does not */
        for (size_t n = told ? 0 : 1; n < FIGURES && !is_close_head(c, h); n++)
            near_to(c, "statistic", h * FIGURES + n, got[n],
                    w->statistic[h * FIGURES + n]);
        for (size_t j = 0; j < w->S && !is_close_head(c, h); j++)
            near_to(c, "received", h * w->S + j, (double)s->received[h * w->S + j],
                    w->received[h * w->S + j]);
    }
}

void operator_check(const struct attention_input *in,
                    const struct operator_answer *want,
                    const struct multi_head_result *got, const char *what)
{
    ck_assert_uint_eq(got->B, operator_batch(in));
    ck_assert_int_eq(got->mean_map, in->maps == MAPS_MEAN);
    ck_assert_int_eq(got->single, in->sequences.single || in->query.rank == 2);
    for (size_t b = 0; b < got->B; b++) {
        const struct operator_answer *w = &want[b];
        struct check c = {in, got, &got->sequence[b], w, what, b};
        ck_assert_msg(got->H == w->H && got->G == w->G && got->dk == w->dk &&
                          got->dv == w->dv && got->width == w->width &&
                          got->split_heads == w->split && c.part->T == w->T &&
                          c.part->S == w->S,
                      "%s: other sizes", what);
        check_output(&c);
        check_maps(&c);
        check_rows(&c);
        check_figures(&c);
    }
}
