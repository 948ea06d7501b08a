#include "support/attention_float64.h"

#include <math.h>
#include <stdlib.h>

/* Element c of head h of row i of one of Q, K, V before any product; `heads` heads
 * of `width`, of sequence b with `rows` rows. */
static double given(const struct tensor *projected, const struct batch *tokens,
                    size_t b, size_t h, size_t i, size_t c, const size_t shape[3])
{
    size_t heads = shape[0], rows = shape[1], width = shape[2];
    if (projected->rank == 4)
        return (double)projected->data[((b * heads + h) * rows + i) * width + c];
    if (projected->rank)
        return (double)projected->data[(b * rows + i) * heads * width + h * width + c];
    return (double)tokens->item[b].data[i * heads * width + h * width + c];
}

static double *project(const struct tensor *projected, const struct batch *tokens,
                       size_t b, const size_t shape[3], size_t in,
                       const struct tensor *w, const struct tensor *bias)
{
    size_t heads = shape[0], rows = shape[1], width = shape[2];
    double *out = calloc(heads * rows * width, sizeof *out);
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < rows; i++)
            for (size_t c = 0; c < width; c++) {
                double sum = bias->rank ? (double)bias->data[h * width + c] : 0;
                for (size_t k = 0; w->rank && k < in; k++)
                    sum += (double)tokens->item[b].data[i * in + k] *
                           (double)w->data[(k * heads + h) * width + c];
                out[(h * rows + i) * width + c] =
                    w->rank ? sum : given(projected, tokens, b, h, i, c, shape);
            }
    return out;
}

/* What the mask adds to cell (b, h, i, j); -HUGE_VAL: may not attend. */
static double masked(const struct attention_mask *mask, const size_t cell[4])
{
    if (mask->kind == MASK_NONE)
        return 0;

    size_t at = 0;
    for (size_t axis = 0; axis < mask->rank; axis++) {
        size_t extent = mask->extent[axis];
        size_t position = extent == 1 ? 0 : cell[4 - mask->rank + axis];
        if (position >= extent)
            return -HUGE_VAL;
        at = at * extent + position;
    }
    if (mask->kind == MASK_BOOLEAN)
        return mask->allowed[at] ? 0 : -HUGE_VAL;
    return (double)mask->bias[at];
}

/* Fills row i of head h: its weights, its lse and its mixture of the values. */
static void attend(const struct attention_input *in, size_t b,
                   const struct float64_sizes *z, struct float64_answer *a, size_t h,
                   size_t i)
{
    size_t g = h / (z->H / z->G);
    double scale = in->scale_given ? (double)in->scale : 1 / sqrt((double)z->dk);
    double offset = in->align == ALIGN_BOTTOM_RIGHT ? (double)z->S - (double)z->T : 0;
    double *row = a->maps + (h * z->T + i) * z->S, most = -HUGE_VAL, sum = 0;
    for (size_t j = 0; j < z->S; j++) {
        double score = 0;
        for (size_t c = 0; c < z->dk; c++)
            score += a->query[(h * z->T + i) * z->dk + c] *
                     a->key[(g * z->S + j) * z->dk + c];
        row[j] = scale * score + masked(&in->mask, (size_t[]){b, h, i, j});
        if (in->causal && (double)j > (double)i + offset)
            row[j] = -HUGE_VAL;
        most = fmax(most, row[j]);
    }
    for (size_t j = 0; j < z->S; j++)
        sum += most > -HUGE_VAL ? exp(row[j] - most) : 0;
    for (size_t j = 0; j < z->S; j++)
        row[j] = most > -HUGE_VAL ? exp(row[j] - most) / sum : 0;
    a->lse[h * z->T + i] = most > -HUGE_VAL ? most + log(sum) : -HUGE_VAL;
    for (size_t j = 0; j < z->S; j++)
        for (size_t c = 0; c < z->dv; c++)
            a->heads[(h * z->T + i) * z->dv + c] +=
                row[j] * a->value[(g * z->S + j) * z->dv + c];
}

/* Column n of row i of the answer. */
static double joined(const struct attention_input *in, const struct float64_sizes *z,
                     const struct float64_answer *a, size_t i, size_t n)
{
    const struct tensor *wo = &in->weights.wo, *bo = &in->weights.bo;
    if (!wo->rank)
        return a->heads[(n / z->dv * z->T + i) * z->dv + n % z->dv];

    double sum = bo->rank ? (double)bo->data[n] : 0;
    for (size_t k = 0; k < z->H * z->dv; k++)
        sum += a->heads[(k / z->dv * z->T + i) * z->dv + k % z->dv] *
               (double)wo->data[k * z->output_width + n];
    return sum;
}

struct float64_answer float64_attention(const struct attention_input *in, size_t b,
                                        const struct float64_sizes *z)
{
    const struct attention_weights *w = &in->weights;
    const struct batch *asked = in->context.count ? &in->context : &in->sequences;
    struct float64_answer a = {
        .query = project(&in->query, &in->sequences, b, (size_t[]){z->H, z->T, z->dk},
                         z->d, &w->wq, &w->bq),
        .key = project(&in->key, asked, b, (size_t[]){z->G, z->S, z->dk}, z->dc, &w->wk,
                       &w->bk),
        .value = project(&in->value, asked, b, (size_t[]){z->G, z->S, z->dv}, z->dc,
                         &w->wv, &w->bv),
        .maps = calloc(z->H * z->T * z->S, sizeof(double)),
        .lse = calloc(z->H * z->T, sizeof(double)),
        .heads = calloc(z->H * z->T * z->dv, sizeof(double)),
        .output = calloc(z->H * z->T * z->dv + z->T * z->output_width, sizeof(double)),
    };
    for (size_t h = 0; h < z->H; h++)
        for (size_t i = 0; i < z->T; i++)
            attend(in, b, z, &a, h, i);

    bool split = in->query.rank == 4;
    for (size_t n = 0; split && n < z->H * z->T * z->dv; n++)
        a.output[n] = a.heads[n];
    for (size_t n = 0; !split && n < z->T * z->output_width; n++)
        a.output[n] = joined(in, z, &a, n / z->output_width, n % z->output_width);
    return a;
}

void float64_answer_free(struct float64_answer *a)
{
    free(a->query);
    free(a->key);
    free(a->value);
    free(a->maps);
    free(a->lse);
    free(a->heads);
    free(a->output);
}
