#include "core/feature_sums.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "core/approximations.h"
#include "core/feature_packs.h"
#include "core/softmax_rows.h"

size_t feature_sums_bytes(const struct attention *a, size_t width)
{
    size_t count = feature_count(a), padded = vector_padded(count);
    return (padded * (1 + FEATURE_ROWS) + (count + 1) * (width + 1)) * sizeof(float);
}

struct feature_sums feature_sums_begin(const struct attention *a, size_t g,
                                       size_t channel, size_t width, void *scratch)
{
    size_t count = feature_count(a), padded = vector_padded(count);
    float *room = scratch;
    struct feature_sums s = {.a = a,
                             .vector = vector_kernels_choice(0),
                             .g = g,
                             .channel = channel,
                             .width = width,
                             .count = count,
                             .largest = room,
                             .held = a->S,
                             .ahead = room + padded,
                             .sums = room + padded * (1 + FEATURE_ROWS)};
    s.row = s.sums + count * (width + 1);
    for (size_t r = 0; r < count; r++)
        s.largest[r] = -INFINITY;
    memset(s.sums, 0, count * (width + 1) * sizeof *s.sums);
    return s;
}

/* Makes M_r at least `logarithm`, the newest one of feature r. */
static void rescale(const struct feature_sums *s, size_t r, float logarithm)
{
    float *sums = s->sums + r * (s->width + 1);
    if (!(logarithm > s->largest[r]))
        return;
    s->vector->scale(sums, sums, s->width + 1, expf(s->largest[r] - logarithm));
    s->largest[r] = logarithm;
}

/* Adds a chunk: for each feature the logarithm of its sum, and a mean of the values. A
 * NaN ends up in the sums, and so in the output. */
static void add_chunk(const struct feature_sums *s, const float *chunk)
{
    size_t width = s->width;
    const float *means = chunk + s->count + s->channel;
    for (size_t r = 0; r < s->count; r++) {
        float *sums = s->sums + r * (width + 1);
        rescale(s, r, chunk[r]);
        float added = expf(chunk[r] - s->largest[r]);
        s->vector->add_scaled(sums, means + r * s->a->dv, width, added);
        sums[width] += added;
    }
}

/* Adds a key, whose features become exp(log phi_r - M_r); the same values for all. */
static void add_key(const struct feature_sums *s, float *feature, float norm,
                    const float *value)
{
    size_t width = s->width, padded = vector_padded(s->count);
    for (size_t r = 0; r < s->count; r++) {
        rescale(s, r, feature[r] + norm);
        feature[r] = feature[r] + norm - s->largest[r];
    }
    for (size_t r = s->count; r < padded; r++)
        feature[r] = -INFINITY;
    s->vector->exponentials(feature, padded, 0, feature);

    memcpy(s->row, value, width * sizeof *value);
    s->row[width] = 1; /* that z adds up */
    cblas_sger(CblasRowMajor, (blasint)s->count, (blasint)(width + 1), 1, feature, 1,
               s->row, 1, s->sums, (blasint)(width + 1));
}

void feature_sums_add_chunks(struct feature_sums *s, const float *packed, size_t keys)
{
    const struct attention *a = s->a;
    size_t whole = keys == a->S ? feature_chunks(a->S) : keys / FEATURE_CHUNK;
    for (size_t n = 0; n < whole; n++)
        add_chunk(s, feature_packed_chunk(a, packed, s->g, n));
    s->seen = size_least(whole * FEATURE_CHUNK, a->S);
}

void feature_logarithms(const struct attention *a, const float *x, size_t stride,
                        size_t rows, float factor, float *to)
{
    size_t count = feature_count(a), padded = vector_padded(count);
    if (feature_is_performer(a)) {
        const struct softmax_rows product = {.rows = rows,
                                             .columns = count,
                                             .depth = a->dk,
                                             .a = x,
                                             .b = a->method->feature,
                                             .a_stride = stride,
                                             .b_stride = a->dk,
                                             .factor = factor,
                                             .weights = to};
        softmax_rows_logits(&product);
        return;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t r = 0; r < count; r++)
            to[i * padded + r] = feature_log_elu(x[i * stride + r]);
}

void feature_sums_add_keys(struct feature_sums *s, size_t keys)
{
    const struct attention *a = s->a;
    size_t padded = vector_padded(s->count);
    const float *key = a->key.data + s->g * a->key.head_stride;
    const float *value = a->value.data + s->g * a->value.head_stride + s->channel;
    for (; s->seen < keys; s->seen++) {
        size_t j = s->seen;
        if (j < s->held || j >= s->held + FEATURE_ROWS) {
            feature_logarithms(a, key + j * a->key.row_stride, a->key.row_stride,
                               size_least(a->S - j, FEATURE_ROWS),
                               sqrtf(fabsf(a->scale)), s->ahead);
            s->held = j;
        }
        float norm = feature_log_norm(a, key + j * a->key.row_stride);
        add_key(s, s->ahead + (j - s->held) * padded, norm,
                value + j * a->value.row_stride);
    }
}
