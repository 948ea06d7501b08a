#include "core/feature_packs.h"

#include <math.h>

#include "base/size.h"
#include "core/approximations.h"
#include "core/softmax_rows.h"
#include "core/vector_kernels.h"

enum {
    PACK_FEATURES = 16 /* that a pack works on at a time */
};

size_t feature_chunks(size_t n)
{
    return size_divided_up(n, FEATURE_CHUNK);
}

bool feature_is_performer(const struct attention *a)
{
    return a->method->name == METHOD_PERFORMER;
}

size_t feature_count(const struct attention *a)
{
    return feature_is_performer(a) ? a->method->features : a->dk;
}

static size_t chunk_floats(const struct attention *a)
{
    return vector_padded(feature_count(a) * (1 + a->dv));
}

const float *feature_packed_chunk(const struct attention *a, const float *packed,
                                  size_t g, size_t n)
{
    return packed + (g * feature_chunks(a->S) + n) * chunk_floats(a);
}

size_t feature_packed_bytes(const struct attention *a)
{
    return a->G * feature_chunks(a->S) * chunk_floats(a) * sizeof(float);
}

/* Features of one pack. */
static size_t pack_features(const struct attention *a)
{
    double each = (double)FEATURE_CHUNK * (double)(a->dk + a->dv) * PACK_FEATURES;
    size_t most = (size_t)(FEATURE_MOST_WORK / each) + 1;
    return size_least(most * PACK_FEATURES, feature_count(a));
}

/* Packs of one chunk. */
static size_t pack_parts(const struct attention *a)
{
    return size_divided_up(feature_count(a), pack_features(a));
}

size_t feature_packs(const struct attention *a)
{
    return a->G * feature_chunks(a->S) * pack_parts(a);
}

float feature_log_elu(float x)
{
    return x > 0 ? log1pf(x) : x;
}

float feature_log_norm(const struct attention *a, const float *key)
{
    double sum = 0;
    for (size_t c = 0; feature_is_performer(a) && c < a->dk; c++)
        sum += (double)key[c] * (double)key[c];
    return (float)(-0.5 * fabs((double)a->scale) * sum);
}

/* Fills the logits of `s`, rows of features from `first` on by columns of keys. */
static void key_features(const struct attention *a, const struct softmax_rows *s,
                         size_t first)
{
    if (feature_is_performer(a)) {
        softmax_rows_logits(s);
        return;
    }
    for (size_t r = 0; r < s->rows; r++)
        for (size_t j = 0; j < s->columns; j++)
            s->weights[r * vector_padded(s->columns) + j] =
                feature_log_elu(s->b[j * s->b_stride + first + r]);
}

void feature_pack(const struct attention *a, size_t index, void *packed)
{
    size_t chunk = index / pack_parts(a), begin = index % pack_parts(a);
    size_t g = chunk / feature_chunks(a->S),
           from = chunk % feature_chunks(a->S) * FEATURE_CHUNK;
    size_t keys = size_least(a->S - from, FEATURE_CHUNK), count = feature_count(a);
    size_t each = pack_features(a), end = size_least(count, (begin + 1) * each);
    _Alignas(64) float logits[PACK_FEATURES * FEATURE_CHUNK];
    float norm[FEATURE_CHUNK], *sums = (float *)packed + chunk * chunk_floats(a);
    const float *key = a->key.data + g * a->key.head_stride + from * a->key.row_stride;
    for (size_t j = 0; j < keys; j++)
        norm[j] = feature_log_norm(a, key + j * a->key.row_stride);

    for (size_t first = begin * each; first < end; first += PACK_FEATURES) {
        const struct softmax_rows s = {
            .rows = size_least(end - first, PACK_FEATURES),
            .columns = keys,
            .depth = a->dk,
            .width = a->dv,
            .a = feature_is_performer(a) ? a->method->feature + first * a->dk : NULL,
            .b = key,
            .v = a->value.data + g * a->value.head_stride + from * a->value.row_stride,
            .a_stride = a->dk,
            .b_stride = a->key.row_stride,
            .v_stride = a->value.row_stride,
            .factor = sqrtf(fabsf(a->scale)),
            .bias = norm,
            .weights = logits,
            .out = sums + count + first * a->dv,
            .out_stride = a->dv,
            .lse = sums + first};
        key_features(a, &s, first);
        (void)softmax_rows_finish(&s); /* what is not finite reaches the tiles */
    }
}
