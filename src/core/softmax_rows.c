#include "core/softmax_rows.h"

#include <cblas.h>
#include <math.h>

#include "core/vector_kernels.h"

void softmax_rows_logits(const struct softmax_rows *s)
{
    const struct vector_kernels *vector = vector_kernels_choice(0);
    size_t stride = vector_padded(s->columns);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)s->rows,
                (blasint)s->columns, (blasint)s->depth, s->factor, s->a,
                (blasint)s->a_stride, s->b, (blasint)s->b_stride, 0.0f, s->weights,
                (blasint)stride);
    for (size_t i = 0; s->bias && i < s->rows; i++)
        vector->add_scaled(s->weights + i * stride, s->bias, s->columns, 1.0f);
}

void softmax_rows_normalise(const struct softmax_rows *s)
{
    const struct vector_kernels *vector = vector_kernels_choice(0);
    size_t padded = vector_padded(s->columns);
    for (size_t i = 0; i < s->rows; i++) {
        float *row = s->weights + i * padded;
        for (size_t j = s->columns; j < padded; j++)
            row[j] = -INFINITY;

        float max = vector->maximum(row, padded), sum = NAN;
        if (isfinite(max))
            sum = vector->exponentials(row, padded, max, row);
        if (s->lse)
            s->lse[i] = max + logf(sum);
        vector->scale(row, row, s->columns, 1 / sum);
    }
}

bool softmax_rows_finish(const struct softmax_rows *s)
{
    const struct vector_kernels *vector = vector_kernels_choice(0);
    size_t stride = vector_padded(s->columns);
    softmax_rows_normalise(s);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)s->rows,
                (blasint)s->width, (blasint)s->columns, 1.0f, s->weights,
                (blasint)stride, s->v, (blasint)s->v_stride, 0.0f, s->out,
                (blasint)s->out_stride);

    bool finite = true;
    for (size_t i = 0; i < s->rows; i++) {
        float *out = s->out + i * s->out_stride;
        finite &= vector->scale(out, out, s->width, 1.0f);
    }
    return finite;
}
