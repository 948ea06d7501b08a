#include "core/feature_attention.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "core/feature_packs.h"
#include "core/feature_sums.h"
#include "core/softmax_rows.h"

enum {
    CHANNELS = 64 /* of the values, at least, that a tile works on */
};

/* Multiply-adds that take as long as one logarithm of elu. */
enum { LOGARITHM = 350 };

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
    double feature = feature_is_performer(a) ? (double)a->dk : LOGARITHM;
    double heads = (double)cut->heads, channels = (double)cut->channels;
    double query = heads * (feature + channels);
    double key = a->causal ? feature + 4 * channels : 0;
    return (double)FEATURE_CHUNK * (double)feature_count(a) * (query + key);
}

static struct cut cut_of(const struct attention *a)
{
    struct cut cut = {.heads = a->H / a->G, .channels = a->dv};
    while (tile_work(a, &cut) > FEATURE_MOST_WORK)
        if (cut.heads > 1)
            cut.heads = (cut.heads + 1) / 2;
        else if (cut.channels > CHANNELS)
            cut.channels = vector_padded((cut.channels + 1) / 2);
        else
            break;
    cut.beside = size_divided_up(a->H / a->G, cut.heads);
    cut.below = size_divided_up(a->dv, cut.channels);
    return cut;
}

static size_t logits_floats(const struct attention *a)
{
    return FEATURE_ROWS * vector_padded(feature_count(a));
}

static size_t scratch_bytes(const struct attention *a)
{
    size_t width = cut_of(a).channels;
    return (logits_floats(a) + FEATURE_ROWS * (width + 1)) * sizeof(float) +
           feature_sums_bytes(a, width);
}

/* A tile: its queries, and what it works with. */
struct tile {
    size_t head, head_end, row, row_end;
    float *logits;  /* [FEATURE_ROWS][padded count]: features of queries */
    float *answers; /* [FEATURE_ROWS][width + 1] */
    struct feature_sums sums;
};

static struct tile begin(const struct attention *a, size_t index, void *scratch)
{
    const struct cut cut = cut_of(a);
    size_t group = a->H / a->G, parts = cut.beside * cut.below;
    size_t chunk = index / parts, part = index % parts;
    size_t g = chunk / feature_chunks(a->T), channel = part % cut.below * cut.channels;
    size_t width = size_least(cut.channels, a->dv - channel);
    struct tile t = {.head = g * group + part / cut.below * cut.heads,
                     .row = chunk % feature_chunks(a->T) * FEATURE_CHUNK,
                     .logits = scratch};
    t.head_end = size_least(t.head + cut.heads, (g + 1) * group);
    t.row_end = size_least(a->T, t.row + FEATURE_CHUNK);
    t.answers = t.logits + logits_floats(a);
    t.sums = feature_sums_begin(a, g, channel, width,
                                t.answers + FEATURE_ROWS * (width + 1));
    return t;
}

static size_t keys_seen_by(const struct attention *a, size_t i)
{
    ptrdiff_t end = (ptrdiff_t)i + a->offset + 1;
    if (!a->causal)
        return a->S;
    return end < 0 ? 0 : size_least((size_t)end, a->S);
}

static float query_factor(const struct attention *a)
{
    return copysignf(sqrtf(fabsf(a->scale)), a->scale);
}

/* The tile's channels of row i of head h. */
static float *output(const struct tile *t, size_t h, size_t i)
{
    const struct attention *a = t->sums.a;
    return a->out + h * a->out_head_stride + i * a->out_row_stride + t->sums.channel;
}

/* Some rows of head h that see the same keys, at least one. */
static bool answer_rows(const struct tile *t, size_t h, size_t first, size_t rows)
{
    const struct feature_sums *s = &t->sums;
    const struct attention *a = s->a;
    const float *query =
        a->query.data + h * a->query.head_stride + first * a->query.row_stride;
    const struct softmax_rows over = {.rows = rows,
                                      .columns = s->count,
                                      .width = s->width + 1,
                                      .v = s->sums,
                                      .v_stride = s->width + 1,
                                      .weights = t->logits,
                                      .out = t->answers,
                                      .out_stride = s->width + 1};
    feature_logarithms(a, query, a->query.row_stride, rows, query_factor(a), t->logits);
    for (size_t i = 0; i < rows; i++)
        s->vector->add_scaled(t->logits + i * vector_padded(s->count), s->largest,
                              s->count, 1.0f);

    bool finite = softmax_rows_finish(&over);
    for (size_t i = 0; i < rows; i++) {
        const float *answer = t->answers + i * (s->width + 1);
        finite &= s->vector->scale(output(t, h, first + i), answer, s->width,
                                   1 / answer[s->width]);
    }
    return finite;
}

static bool run(const struct attention *a, const void *packed, size_t tile,
                void *scratch)
{
    struct tile t = begin(a, tile, scratch);
    feature_sums_add_chunks(&t.sums, packed, keys_seen_by(a, t.row));

    bool finite = true;
    for (size_t i = t.row, rows; i < t.row_end; i += rows) {
        rows = a->causal ? 1 : size_least(t.row_end - i, FEATURE_ROWS);
        feature_sums_add_keys(&t.sums, keys_seen_by(a, i));
        for (size_t h = t.head; h < t.head_end; h++)
            if (t.sums.seen)
                finite &= answer_rows(&t, h, i, rows);
            else
                memset(output(&t, h, i), 0, t.sums.width * sizeof *a->out);
    }
    return finite;
}

static size_t tiles(const struct attention *a)
{
    const struct cut cut = cut_of(a);
    return a->G * feature_chunks(a->T) * cut.beside * cut.below;
}

const struct attention_kernel feature_attention = {
    .name = "features",
    .packed_bytes = feature_packed_bytes,
    .packs = feature_packs,
    .pack = feature_pack,
    .tiles = tiles,
    .row_parts = attention_nothing,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
