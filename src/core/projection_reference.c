#include <math.h>

#include "core/projection.h"

/* sum_k x[k] w[k,n] + bias[n] */
static double element(const struct projection *p, const float *x, size_t n)
{
    if (!p->w)
        return (double)x[n];

    double sum = p->bias ? (double)p->bias[n] : 0;
    for (size_t k = 0; k < p->in; k++)
        sum += (double)x[k] * (double)p->w[k * p->heads * p->width + n];
    return sum;
}

static bool compute_rows(const struct projection *p, const struct projection_rows *rows)
{
    bool finite = true;
    for (size_t h = 0; h < p->heads; h++)
        for (size_t i = 0; i < rows->count; i++)
            for (size_t c = 0; c < p->width; c++) {
                float *out = rows->out + (h * rows->count + i) * p->width + c;
                *out = (float)element(p, rows->x + i * p->in, h * p->width + c);
                finite &= isfinite(*out) != 0;
            }
    return finite;
}

bool projection_reference(const struct projection *p)
{
    bool finite = true;
    for (size_t b = 0; b < p->count; b++)
        finite &= compute_rows(p, &p->rows[b]);
    return finite;
}
