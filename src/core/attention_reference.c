/* The formula of attention.h symbol by symbol: float32 data, float64 arithmetic. A
 * tile is one query row of all heads, because the mean map needs them all. */
#include <math.h>

#include "core/attention.h"

/* scale Q K^T + mask of one cell; -INFINITY where not allowed, whatever the query
 * and the key hold. Finite otherwise: float64 has room for any such sum. */
static double biased(const struct attention *a, size_t h, size_t i, size_t j)
{
    const struct mask_view *m = &a->mask;
    size_t cell = h * m->head_stride + i * m->row_stride + j * m->column_stride;
    bool hidden = a->causal && (ptrdiff_t)j > (ptrdiff_t)i + a->offset;
    bool beyond = (m->allowed || m->bias) && j >= m->columns;
    if (hidden || beyond || (m->allowed && !m->allowed[cell]))
        return -INFINITY;

    size_t g = h / (a->H / a->G);
    const float *q = a->query.data + h * a->query.head_stride + i * a->query.row_stride;
    const float *k = a->key.data + g * a->key.head_stride + j * a->key.row_stride;
    double dot = 0;
    for (size_t c = 0; c < a->dk; c++)
        dot += (double)q[c] * (double)k[c];
    return (double)a->scale * dot + (m->bias ? (double)m->bias[cell] : 0.0);
}

/* weights[j] = exp(biased[j] - lse); returns lse, or -INFINITY for an empty row. */
static double softmax(const struct attention *a, size_t h, size_t i, double *weights)
{
    double max = -INFINITY, sum = 0;
    for (size_t j = 0; j < a->S; j++) {
        weights[j] = biased(a, h, i, j);
        max = fmax(max, weights[j]);
    }
    if (max == -HUGE_VAL) { /* would become NaN: (-inf) - (-inf) */
        for (size_t j = 0; j < a->S; j++)
            weights[j] = 0;
        return -INFINITY;
    }

    for (size_t j = 0; j < a->S; j++) {
        weights[j] = exp(weights[j] - max);
        sum += weights[j];
    }
    for (size_t j = 0; j < a->S; j++)
        weights[j] /= sum;
    return max + log(sum);
}

static bool output(const struct attention *a, size_t h, size_t i, const double *weights)
{
    size_t g = h / (a->H / a->G);
    const float *v = a->value.data + g * a->value.head_stride;
    bool finite = true;
    for (size_t c = 0; c < a->dv; c++) {
        double sum = 0;
        for (size_t j = 0; j < a->S; j++)
            sum += weights[j] * (double)v[j * a->value.row_stride + c];
        finite = finite && isfinite((float)sum);
        if (a->out)
            a->out[h * a->out_head_stride + i * a->out_row_stride + c] = (float)sum;
    }
    return finite;
}

static void copy_map(const struct attention *a, size_t h, size_t i,
                     const double *weights)
{
    for (size_t m = 0; m < a->map_head_count; m++)
        for (size_t j = 0; a->map_heads[m] == h && j < a->S; j++)
            a->maps[(m * a->T + i) * a->S + j] = (float)weights[j];
}

static bool run(const struct attention *a, const void *packed, size_t i, void *scratch)
{
    (void)packed;
    double *weights = scratch, *mean = weights + a->S;
    bool finite = true;
    for (size_t h = 0; h < a->H; h++) {
        double lse = softmax(a, h, i, weights);
        finite = finite && (lse == -HUGE_VAL || isfinite((float)lse));
        finite = output(a, h, i, weights) && finite;
        if (a->lse)
            a->lse[h * a->T + i] = (float)lse;
        if (a->maps)
            copy_map(a, h, i, weights);
        for (size_t j = 0; j < a->S; j++)
            mean[j] = (h > 0 ? mean[j] : 0.0) + weights[j] / (double)a->H;
    }
    for (size_t j = 0; a->mean_map && j < a->S; j++)
        a->mean_map[i * a->S + j] = (float)mean[j];
    return finite;
}

static size_t nothing(const struct attention *a)
{
    (void)a;
    return 0;
}

static void pack(const struct attention *a, size_t index, void *packed)
{
    (void)a, (void)index, (void)packed;
}

static size_t tiles(const struct attention *a)
{
    return a->T;
}

static size_t scratch_bytes(const struct attention *a)
{
    return 2 * a->S * sizeof(double);
}

const struct attention_kernel attention_reference = {
    .name = "reference",
    .packed_bytes = nothing,
    .packs = nothing,
    .pack = pack,
    .tiles = tiles,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
