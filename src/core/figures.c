#include "core/figures.h"

#include <math.h>

static void add_at(double *sum, const struct row_figures *f, ptrdiff_t beside,
                   size_t key, double p)
{
    if ((ptrdiff_t)key == f->own + beside)
        *sum += p;
}

void row_figures_add(struct row_figures *f, size_t key, const float *weights,
                     size_t count, float factor)
{
    struct head_statistics *s = &f->sums;
    for (size_t n = 0; n < count; n++, key++) {
        float weight = factor * weights[n];
        if (weight == 0) /* 0 ln 0 would be NaN */
            continue;

        double p = (double)weight;
        s->entropy -= p * (double)logf(weight);
        s->maximum = fmax(s->maximum, p);
        s->distance += p * fabs((double)f->own - (double)key);
        s->first += key == 0 ? p : 0;
        add_at(&s->own, f, 0, key, p);
        add_at(&s->previous, f, -1, key, p);
        add_at(&s->next, f, 1, key, p);
        if (f->received)
            f->received[key] += weight;
    }
}

void row_entropy_write(float entropy[2], double sum, size_t visible)
{
    entropy[0] = (float)sum;
    entropy[1] = visible > 1 ? (float)(sum / log((double)visible)) : 0.0f;
}

void head_statistics_add(struct head_statistics *part,
                         const struct head_statistics *row)
{
    part->rows += row->rows;
    part->entropy += row->entropy;
    part->maximum += row->maximum;
    part->distance += row->distance;
    part->first += row->first;
    part->own += row->own;
    part->previous += row->previous;
    part->next += row->next;
}

static void divide(struct head_statistics *s)
{
    double rows = fmax(s->rows, 1);
    s->entropy /= rows;
    s->maximum /= rows;
    s->distance /= rows;
    s->first /= rows;
    s->own /= rows;
    s->previous /= rows;
    s->next /= rows;
}

void head_statistics_sum(const struct attention *a, size_t parts, size_t h,
                         struct head_statistics *mean, float *received)
{
    if (mean) {
        *mean = (struct head_statistics){0};
        for (size_t part = 0; part < parts; part++)
            head_statistics_add(mean, &a->statistics[h * parts + part]);
        divide(mean);
    }
    for (size_t j = 0; received && j < a->S; j++)
        received[j] = 0;
    for (size_t part = 0; received && part < parts; part++)
        for (size_t j = 0; j < a->S; j++)
            received[j] += a->received[(h * parts + part) * a->S + j];
}
