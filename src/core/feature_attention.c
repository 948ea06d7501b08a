#include "core/feature_attention.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/approximations.h"
#include "core/softmax_rows.h"
#include "core/vector_kernels.h"

enum {
    CHUNK = 256,        /* keys of a pack, queries of a tile */
    PACK_FEATURES = 16, /* that a pack works on at a time */
    ROWS = 32,          /* queries or keys whose features exist at a time */
    CHANNELS = 64       /* of the values, at least, that a tile works on */
};

/* Multiply-adds of a pack or a tile, beyond which it is cut: some 20 to 50 ms where
 * rows are one at a time, as they are with `causal`. */
static const double MOST_WORK = 3e8;

/* Multiply-adds that take as long as one logarithm of elu. */
enum { LOGARITHM = 350 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t chunks(size_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

static bool is_performer(const struct attention *a)
{
    return a->method->name == METHOD_PERFORMER;
}

static size_t features(const struct attention *a)
{
    return is_performer(a) ? a->method->features : a->dk;
}

/* Packed, a chunk of keys of a key head is [features] logarithms of the sums of its
 * features, then [features][dv] means of its values by each feature. */
static size_t chunk_floats(const struct attention *a)
{
    return vector_padded(features(a) * (1 + a->dv));
}

static size_t packed_bytes(const struct attention *a)
{
    return a->G * chunks(a->S) * chunk_floats(a) * sizeof(float);
}

/* Features of one pack. */
static size_t pack_features(const struct attention *a)
{
    double each = (double)CHUNK * (double)(a->dk + a->dv) * PACK_FEATURES;
    size_t most = (size_t)(MOST_WORK / each) + 1;
    return least(most * PACK_FEATURES, features(a));
}

/* Packs of one chunk. */
static size_t pack_parts(const struct attention *a)
{
    return (features(a) + pack_features(a) - 1) / pack_features(a);
}

static size_t packs(const struct attention *a)
{
    return a->G * chunks(a->S) * pack_parts(a);
}

static float log_elu(float x)
{
    return x > 0 ? log1pf(x) : x;
}

/* -|x|^2 / 2 of a key, which its features have in common. */
static float log_norm(const struct attention *a, const float *key)
{
    double sum = 0;
    for (size_t c = 0; c < a->dk; c++)
        sum += (double)key[c] * (double)key[c];
    return (float)(-0.5 * fabs((double)a->scale) * sum);
}

/* Fills the logits of `s`, rows of features from `first` on by columns of keys. */
static void key_features(const struct attention *a, const struct softmax_rows *s,
                         size_t first)
{
    if (is_performer(a)) {
        softmax_rows_logits(s);
        return;
    }
    for (size_t r = 0; r < s->rows; r++)
        for (size_t j = 0; j < s->columns; j++)
            s->weights[r * vector_padded(s->columns) + j] =
                log_elu(s->b[j * s->b_stride + first + r]);
}

static void pack(const struct attention *a, size_t index, void *packed)
{
    size_t chunk = index / pack_parts(a), begin = index % pack_parts(a);
    size_t g = chunk / chunks(a->S), from = chunk % chunks(a->S) * CHUNK;
    size_t keys = least(a->S - from, CHUNK), count = features(a);
    size_t each = pack_features(a), end = least(count, (begin + 1) * each);
    _Alignas(64) float logits[PACK_FEATURES * CHUNK];
    float norm[CHUNK], *sums = (float *)packed + chunk * chunk_floats(a);
    const float *key = a->key.data + g * a->key.head_stride + from * a->key.row_stride;
    for (size_t j = 0; is_performer(a) && j < keys; j++)
        norm[j] = log_norm(a, key + j * a->key.row_stride);

    for (size_t first = begin * each; first < end; first += PACK_FEATURES) {
        const struct softmax_rows s = {
            .rows = least(end - first, PACK_FEATURES),
            .columns = keys,
            .depth = a->dk,
            .width = a->dv,
            .a = is_performer(a) ? a->method->feature + first * a->dk : NULL,
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

/* How the queries of a chunk are divided into tiles: query heads of a key head, and
 * channels of the values. Each tile has sums over the keys of its own. */
struct cut {
    size_t heads, channels; /* of a tile, the last ones may have fewer */
    size_t beside, below;   /* tiles of the heads, and of the channels */
};

/* Features of queries and keys, answers, and with `causal` sums that grow key by key,
 * which reads and writes all of them each time. */
static double tile_work(const struct attention *a, const struct cut *cut)
{
    double feature = is_performer(a) ? (double)a->dk : LOGARITHM;
    double heads = (double)cut->heads, channels = (double)cut->channels;
    double query = heads * (feature + channels);
    double key = a->causal ? feature + 4 * channels : 0;
    return (double)CHUNK * (double)features(a) * (query + key);
}

static struct cut cut_of(const struct attention *a)
{
    struct cut cut = {.heads = a->H / a->G, .channels = a->dv};
    while (tile_work(a, &cut) > MOST_WORK)
        if (cut.heads > 1)
            cut.heads = (cut.heads + 1) / 2;
        else if (cut.channels > CHANNELS)
            cut.channels = vector_padded((cut.channels + 1) / 2);
        else
            break;
    cut.beside = (a->H / a->G + cut.heads - 1) / cut.heads;
    cut.below = (a->dv + cut.channels - 1) / cut.channels;
    return cut;
}

/* A tile at work: the sums over the first `seen` keys. */
struct state {
    const struct attention *a;
    const struct vector_kernels *vector;
    size_t g, seen;
    size_t channel, width; /* of the values: from which on, and how many */
    size_t count;          /* features */
    float *largest;        /* [count]: M_r; -INFINITY before the first key */
    float *sums;           /* [count][width + 1]: u_r, then z_r */
    size_t held;           /* the first key whose features are in `ahead` */
    float *ahead;          /* [ROWS][padded count] */
    float *logits;         /* [ROWS][padded count]: features of queries */
    float *answers;        /* [ROWS][width + 1] */
};

static size_t scratch_bytes(const struct attention *a)
{
    size_t count = features(a), padded = vector_padded(count);
    size_t width = cut_of(a).channels;
    return (padded * (1 + 2 * ROWS) + (count + ROWS) * (width + 1)) * sizeof(float);
}

static struct state begin(const struct attention *a, size_t g, size_t channel,
                          size_t width, void *scratch)
{
    size_t count = features(a), padded = vector_padded(count);
    float *room = scratch;
    struct state s = {.a = a,
                      .vector = vector_kernels_choice(0),
                      .g = g,
                      .channel = channel,
                      .width = width,
                      .count = count,
                      .largest = room,
                      .held = a->S,
                      .ahead = room + padded,
                      .logits = room + padded * (1 + ROWS),
                      .sums = room + padded * (1 + 2 * ROWS)};
    s.answers = s.sums + count * (width + 1);
    for (size_t r = 0; r < count; r++)
        s.largest[r] = -INFINITY;
    memset(s.sums, 0, count * (width + 1) * sizeof *s.sums);
    return s;
}

/* Makes M_r at least `logarithm`, the newest one of feature r. */
static void rescale(const struct state *s, size_t r, float logarithm)
{
    float *sums = s->sums + r * (s->width + 1);
    if (!(logarithm > s->largest[r]))
        return;
    s->vector->scale(sums, sums, s->width + 1, expf(s->largest[r] - logarithm));
    s->largest[r] = logarithm;
}

/* Adds a chunk: for each feature the logarithm of its sum, and a mean of the values. A
 * NaN ends up in the sums, and so in the output. */
static void absorb_chunk(const struct state *s, const float *chunk)
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
static void absorb_key(const struct state *s, float *feature, float norm,
                       const float *value)
{
    size_t width = s->width, padded = vector_padded(s->count);
    for (size_t r = 0; r < s->count; r++) {
        rescale(s, r, feature[r] + norm);
        feature[r] = feature[r] + norm - s->largest[r];
    }
    for (size_t r = s->count; r < padded; r++)
        feature[r] = -INFINITY;
    s->vector->exponentials(feature, padded, 0, 0, feature);

    float *row = s->answers; /* the values, and a one that z adds up */
    memcpy(row, value, width * sizeof *row);
    row[width] = 1;
    cblas_sger(CblasRowMajor, (blasint)s->count, (blasint)(width + 1), 1, feature, 1,
               row, 1, s->sums, (blasint)(width + 1));
}

/* Takes in the packed chunks of the first keys, those that are seen as a whole. */
static void absorb_chunks(struct state *s, const float *packed, size_t keys)
{
    const struct attention *a = s->a;
    size_t whole = keys == a->S ? chunks(a->S) : keys / CHUNK;
    for (size_t n = 0; n < whole; n++)
        absorb_chunk(s, packed + (s->g * chunks(a->S) + n) * chunk_floats(a));
    s->seen = least(whole * CHUNK, a->S);
}

/* to[i][r] = log phi_r of `rows` rows of queries or keys, which for performer are
 * turned by `factor` and lack -|x|^2 / 2. */
static void row_features(const struct state *s, const float *x, size_t stride,
                         size_t rows, float factor, float *to)
{
    const struct attention *a = s->a;
    size_t padded = vector_padded(s->count);
    if (is_performer(a)) {
        const struct softmax_rows product = {.rows = rows,
                                             .columns = s->count,
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
        for (size_t r = 0; r < s->count; r++)
            to[i * padded + r] = log_elu(x[i * stride + r]);
}

/* Takes in one key after another until `keys` are seen. */
static void absorb_keys(struct state *s, size_t keys)
{
    const struct attention *a = s->a;
    size_t padded = vector_padded(s->count);
    const float *key = a->key.data + s->g * a->key.head_stride;
    const float *value = a->value.data + s->g * a->value.head_stride + s->channel;
    for (; s->seen < keys; s->seen++) {
        size_t j = s->seen;
        if (j < s->held || j >= s->held + ROWS) {
            row_features(s, key + j * a->key.row_stride, a->key.row_stride,
                         least(a->S - j, ROWS), sqrtf(fabsf(a->scale)), s->ahead);
            s->held = j;
        }
        float norm = is_performer(a) ? log_norm(a, key + j * a->key.row_stride) : 0;
        absorb_key(s, s->ahead + (j - s->held) * padded, norm,
                   value + j * a->value.row_stride);
    }
}

static size_t keys_seen_by(const struct attention *a, size_t i)
{
    ptrdiff_t end = (ptrdiff_t)i + a->offset + 1;
    if (!a->causal)
        return a->S;
    return end < 0 ? 0 : least((size_t)end, a->S);
}

static float query_factor(const struct attention *a)
{
    return copysignf(sqrtf(fabsf(a->scale)), a->scale);
}

/* Some rows of head h that see the same keys, at least one. */
static bool answer_rows(const struct state *s, size_t h, size_t first, size_t rows)
{
    const struct attention *a = s->a;
    const struct softmax_rows over = {.rows = rows,
                                      .columns = s->count,
                                      .width = s->width + 1,
                                      .v = s->sums,
                                      .v_stride = s->width + 1,
                                      .weights = s->logits,
                                      .out = s->answers,
                                      .out_stride = s->width + 1};
    row_features(s,
                 a->query.data + h * a->query.head_stride + first * a->query.row_stride,
                 a->query.row_stride, rows, query_factor(a), s->logits);
    for (size_t i = 0; i < rows; i++)
        s->vector->add_scaled(s->logits + i * vector_padded(s->count), s->largest,
                              s->count, 1.0f);

    bool finite = softmax_rows_finish(&over);
    for (size_t i = 0; i < rows; i++) {
        const float *answer = s->answers + i * (s->width + 1);
        float *out = a->out + h * a->out_head_stride + (first + i) * a->out_row_stride +
                     s->channel;
        finite &= s->vector->scale(out, answer, s->width, 1 / answer[s->width]);
    }
    return finite;
}

static void write_empty_row(const struct state *s, size_t h, size_t i)
{
    const struct attention *a = s->a;
    memset(a->out + h * a->out_head_stride + i * a->out_row_stride + s->channel, 0,
           s->width * sizeof *a->out);
}

static bool run(const struct attention *a, const void *packed, size_t tile,
                void *scratch)
{
    const struct cut cut = cut_of(a);
    size_t group = a->H / a->G, parts = cut.beside * cut.below;
    size_t chunk = tile / parts, part = tile % parts;
    size_t g = chunk / chunks(a->T), from = g * group + part / cut.below * cut.heads;
    size_t to = least(from + cut.heads, (g + 1) * group);
    size_t channel = part % cut.below * cut.channels;
    size_t first = chunk % chunks(a->T) * CHUNK, end = least(a->T, first + CHUNK);
    struct state s =
        begin(a, g, channel, least(cut.channels, a->dv - channel), scratch);
    absorb_chunks(&s, packed, keys_seen_by(a, first));

    bool finite = true;
    for (size_t i = first, rows; i < end; i += rows) {
        rows = a->causal ? 1 : least(end - i, ROWS);
        absorb_keys(&s, keys_seen_by(a, i));
        for (size_t h = from; h < to; h++)
            if (s.seen)
                finite &= answer_rows(&s, h, i, rows);
            else
                write_empty_row(&s, h, i);
    }
    return finite;
}

static size_t tiles(const struct attention *a)
{
    const struct cut cut = cut_of(a);
    return a->G * chunks(a->T) * cut.beside * cut.below;
}

static size_t nothing(const struct attention *a)
{
    (void)a;
    return 0;
}

const struct attention_kernel feature_attention = {
    .name = "features",
    .packed_bytes = packed_bytes,
    .packs = packs,
    .pack = pack,
    .tiles = tiles,
    .row_parts = nothing,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
