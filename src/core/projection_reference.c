#include "core/projection.h"

#include <math.h>

/* sum_k x[i,k] w[k,n] + bias[n] */
static double element(const struct projection *p, size_t i, size_t n)
{
    if (!p->w)
        return (double)p->x[i * p->in + n];

    double sum = p->bias ? (double)p->bias[n] : 0;
    for (size_t k = 0; k < p->in; k++)
        sum += (double)p->x[i * p->in + k] * (double)p->w[k * p->heads * p->width + n];
    return sum;
}

bool projection_reference(const struct projection *p)
{
    bool finite = true;
    for (size_t h = 0; h < p->heads; h++)
        for (size_t i = 0; i < p->rows; i++)
            for (size_t c = 0; c < p->width; c++) {
                float *out = p->out + (h * p->rows + i) * p->width + c;
                *out = (float)element(p, i, h * p->width + c);
                finite &= isfinite(*out) != 0;
            }
    return finite;
}
