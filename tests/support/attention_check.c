#include <stdio.h>

#include "core/figures.h"
#include "support/attention_case.h"

/* float32 sums of some hundred products give scores up to about 50 an error of some
 * 50 2^-24, which the exponential turns into a relative error of the weights. */
static void near_to(float got, double want, const char *what, const char *which,
                    size_t at)
{
    bool same = (double)got == want; /* both -infinity */
    if (!same && !(fabs((double)got - want) <= 4e-6 + 5e-5 * fabs(want)))
        ck_abort_msg("%s: %s %zu is %.9g, want %.9g", what, which, at, (double)got,
                     want);
}

/* A cell of a map: scores are sums that may cancel, with errors of what was added. */
static void cell_near_to(const struct attention *a, float got, double want,
                         const char *what, const char *which, size_t at)
{
    if (a->map_stage == MAP_STAGE_WEIGHTS || !(fabs((double)got - want) <= 4e-5))
        near_to(got, want, what, which, at);
}

/* Sums of many weights, of which each has such an error. */
static void figure_near_to(double got, double want, const char *what, const char *which,
                           size_t at)
{
    if (!(fabs(got - want) <= 4e-5 + 2e-4 * fabs(want)))
        ck_abort_msg("%s: %s %zu is %.9g, want %.9g", what, which, at, got, want);
}

static void check_maps(const struct attention_case *c, const char *what)
{
    const struct attention *a = &c->a;
    size_t cells = a->T * a->S;
    for (size_t m = 0; a->maps && m < a->map_head_count; m++)
        for (size_t n = 0; n < cells; n++)
            cell_near_to(a, a->maps[m * cells + n],
                         c->true_map[a->map_heads[m] * cells + n], what, "map", n);
    for (size_t n = 0; a->mean_map && n < cells; n++) {
        double mean = 0;
        for (size_t h = 0; h < a->H; h++)
            mean += c->true_map[h * cells + n] / (double)a->H;
        cell_near_to(a, a->mean_map[n], mean, what, "mean map", n);
    }
}

/* Row i of map m holds the top cells in order, and no other is before the last. */
static void check_top_row(const struct attention_case *c, size_t m, size_t i,
                          const char *what)
{
    const struct attention *a = &c->a;
    const double *want = c->true_map + (a->map_heads[m] * a->T + i) * a->S;
    const float *value = a->top_values + (m * a->T + i) * a->top;
    const int32_t *index = a->top_indices + (m * a->T + i) * a->top;
    bool *taken = calloc(a->S, sizeof *taken);
    for (size_t n = 0; n < a->top; n++) {
        size_t j = (size_t)index[n];
        ck_assert_msg(j < a->S && !taken[j], "%s: top index %zd", what, (ssize_t)j);
        taken[j] = true;
        cell_near_to(a, value[n], want[j], what, "top value", n);
        if (n > 0)
            ck_assert_msg(value[n - 1] > value[n] ||
                              (value[n - 1] == value[n] && index[n - 1] < index[n]),
                          "%s: top order", what);
    }
    float last = value[a->top - 1];
    for (size_t j = 0; j < a->S; j++) {
        const float *map = a->maps ? a->maps + (m * a->T + i) * a->S : NULL;
        if (!taken[j] && want[j] > (double)last)
            cell_near_to(a, last, want[j], what, "cell left out", j);
        if (map && !taken[j])
            ck_assert_msg(map[j] < last ||
                              (map[j] == last && (int32_t)j > index[a->top - 1]),
                          "%s: cell %zu is better than the top", what, j);
    }
    free(taken);
}

static void check_entropy(const struct attention_case *c, size_t row, const char *what)
{
    const struct attention *a = &c->a;
    double sum = 0, keys = (double)c->visible[row];
    for (size_t j = 0; j < a->S; j++) {
        double p = c->true_weights[row * a->S + j];
        sum -= p > 0 ? p * log(p) : 0;
    }
    figure_near_to((double)a->entropy[2 * row], sum, what, "entropy", row);
    figure_near_to((double)a->entropy[2 * row + 1], keys > 1 ? sum / log(keys) : 0,
                   what, "normalised entropy", row);
}

static struct head_statistics true_statistics(const struct attention_case *c, size_t h)
{
    const struct attention *a = &c->a;
    struct head_statistics s = {0};
    for (size_t i = 0; i < a->T; i++)
        s.rows += c->visible[h * a->T + i] > 0;
    for (size_t i = 0; i < a->T; i++) {
        double most = 0, own = (double)i + (double)a->offset;
        for (size_t j = 0; j < a->S; j++) {
            double p = c->true_weights[(h * a->T + i) * a->S + j] / s.rows;
            if (p > 0) /* also where no row counts, and it is NaN */
                s.entropy -= p * log(p * s.rows);
            if (!(p > 0))
                continue;
            most = fmax(most, p);
            s.distance += p * fabs((double)j - own);
            s.first += j == 0 ? p : 0;
            s.own += (double)j == own ? p : 0;
            s.previous += (double)j == own - 1 ? p : 0;
            s.next += (double)j == own + 1 ? p : 0;
        }
        s.maximum += most;
    }
    return s;
}

static void check_statistics(const struct attention_case *c, size_t h, const char *what)
{
    const struct attention *a = &c->a;
    struct head_statistics mean, want = true_statistics(c, h);
    float *received = calloc(a->S, sizeof *received);
    head_statistics_sum(a, c->parts, h, a->statistics ? &mean : NULL,
                        a->received ? received : NULL);
    for (size_t n = 0; a->statistics && n < sizeof mean / sizeof(double); n++)
        figure_near_to(((const double *)&mean)[n], ((const double *)&want)[n], what,
                       "figure", n);
    for (size_t j = 0; a->received && j < a->S; j++) {
        double sum = 0;
        for (size_t i = 0; i < a->T; i++)
            sum += c->true_weights[(h * a->T + i) * a->S + j];
        figure_near_to((double)received[j], sum, what, "received", j);
    }
    free(received);
}

/* What was not asked for, and what lies between the rows, is still NaN. */
static void check_untouched(const struct attention_case *c, const char *what)
{
    const struct attention *a = &c->a;
    size_t cells = a->T * a->S, written = 0;
    for (size_t n = a->maps ? a->map_head_count * cells : 0; n < a->H * cells; n++)
        if (!isnan(c->maps[n]))
            ck_abort_msg("%s: map %zu was written", what, n);
    size_t top = a->top_values ? a->map_head_count * a->T * a->top : 0;
    for (size_t n = top; n < a->H * cells; n++)
        if (!isnan(c->top_values[n]) || c->top_indices[n] != -1)
            ck_abort_msg("%s: top %zu was written", what, n);
    for (size_t n = 0; n < c->out_count; n++)
        written += isnan(c->out[n]) ? 0 : 1;
    ck_assert_msg(written == (a->out ? a->H * a->T * a->dv : 0),
                  "%s: %zu outputs were written", what, written);
}

void attention_case_check(const struct attention_case *c, const char *what)
{
    const struct attention *a = &c->a;
    for (size_t h = 0; h < a->H; h++)
        for (size_t i = 0; i < a->T; i++) {
            size_t row = h * a->T + i;
            if (a->lse)
                near_to(a->lse[row], c->true_lse[row], what, "lse", row);
            if (a->entropy)
                check_entropy(c, row, what);
            for (size_t e = 0; a->out && e < a->dv; e++)
                near_to(attention_case_out(c, h, i, e), c->true_out[row * a->dv + e],
                        what, "output", row * a->dv + e);
        }
    for (size_t h = 0; h < a->H; h++)
        check_statistics(c, h, what);
    for (size_t m = 0; a->top_values && m < a->map_head_count; m++)
        for (size_t i = 0; i < a->T; i++)
            check_top_row(c, m, i, what);
    check_maps(c, what);
    check_untouched(c, what);
}

static void describe(const struct attention *a, const char *kernel, char *text,
                     size_t size)
{
    snprintf(
        text, size,
        "%s H=%zu G=%zu T=%zu S=%zu dk=%zu dv=%zu offset=%td keys=%zu %s%s%s%s%s%s "
        "keep=%zu dropout=%g softcap=%g top=%zu stage=%d",
        kernel, a->H, a->G, a->T, a->S, a->dk, a->dv, a->offset, a->key_length,
        a->causal ? "causal " : "", a->mask.allowed ? "boolean " : "",
        a->mask.bias ? "additive " : "",
        a->window.left_given || a->window.right_given ? "window " : "",
        a->pattern ? "pattern " : "", a->alibi ? "alibi " : "", a->keep,
        (double)a->dropout.rate, (double)a->softcap, a->top, (int)a->map_stage);
}

void attention_case_agrees(struct attention_case *c,
                           const struct attention_kernel *const *kernels, size_t count,
                           struct test_random *order)
{
    attention_case_solve(c);
    for (size_t k = 0; k < count; k++) {
        char what[320];
        describe(&c->a, kernels[k]->name, what, sizeof what);
        ck_assert_msg(attention_case_run(c, kernels[k], order), "%s: not finite", what);
        attention_case_check(c, what);
    }
    attention_case_delete(c);
}
