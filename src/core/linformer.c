#include "core/linformer.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "core/approximations.h"
#include "core/random.h"
#include "core/softmax_rows.h"
#include "core/vector_kernels.h"

enum {
    PACK_ROWS = 16,  /* rows of E and F that one pack multiplies */
    PACK_KEYS = 256, /* of which it has so many columns at a time; even */
    TILE_QUERIES = 64
};

/* Packed: E K [G][rank][dk], then F V [G][rank][dv]. */
static size_t keys_at(const struct attention *a, size_t g)
{
    return g * a->method->rank * a->dk;
}

static size_t values_at(const struct attention *a, size_t g)
{
    return keys_at(a, a->G) + g * a->method->rank * a->dv;
}

static size_t packed_bytes(const struct attention *a)
{
    return a->G * a->method->rank * (a->dk + a->dv) * sizeof(float);
}

static size_t packs(const struct attention *a)
{
    return size_divided_up(a->method->rank, PACK_ROWS);
}

/* Part of E (which = 0) or F (1): rows from `first`, keys from `from`. */
struct part {
    size_t which, first, rows, from, keys;
};

/* The numbers of a part, as given or drawn into `room`; rows are *stride apart. */
static const float *numbers(const struct attention *a, const struct part *p,
                            float *room, size_t *stride)
{
    const struct attention_method *m = a->method;
    const float *given = p->which ? m->f : m->e;
    *stride = given ? a->S : PACK_KEYS;
    if (given)
        return given + p->first * a->S + p->from;

    double deviation = 1 / sqrt((double)m->rank);
    for (size_t r = 0; r < p->rows; r++) {
        uint64_t stream = random_stream(m->seed, 2 * (p->first + r) + p->which);
        for (size_t j = 0; j < p->keys; j += 2) {
            double pair[2]; /* with the last key of all there may be one too many */
            random_normal_pair(stream, (p->from + j) / 2, pair);
            room[r * PACK_KEYS + j] = (float)(deviation * pair[0]);
            room[r * PACK_KEYS + j + 1] = (float)(deviation * pair[1]);
        }
    }
    return room;
}

/* Adds the part's product with the keys (or values) of every head. */
static void multiply(const struct attention *a, const struct part *p, float *packed)
{
    float room[PACK_ROWS * PACK_KEYS];
    size_t stride, width = p->which ? a->dv : a->dk;
    const float *x = numbers(a, p, room, &stride);
    const struct heads_view *rows = p->which ? &a->value : &a->key;
    for (size_t g = 0; g < a->G; g++) {
        float *to = packed + (p->which ? values_at(a, g) : keys_at(a, g));
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)p->rows,
                    (blasint)width, (blasint)p->keys, 1.0f, x, (blasint)stride,
                    rows->data + g * rows->head_stride + p->from * rows->row_stride,
                    (blasint)rows->row_stride, p->from ? 1.0f : 0.0f,
                    to + p->first * width, (blasint)width);
    }
}

static void pack(const struct attention *a, size_t index, void *packed)
{
    size_t first = index * PACK_ROWS;
    struct part p = {.first = first,
                     .rows = size_least(a->method->rank - first, PACK_ROWS)};
    for (p.which = 0; p.which < 2; p.which++)
        for (p.from = 0; p.from < a->S; p.from += PACK_KEYS) {
            p.keys = size_least(a->S - p.from, PACK_KEYS);
            multiply(a, &p, packed);
        }
}

/* A tile is of one head, or of all when the map is their mean: then of fewer queries
 * where that is much work. */
static size_t tile_queries(const struct attention *a)
{
    const double most = 1e9; /* multiply-adds: some 20 ms */
    double row = (double)a->H * (double)a->method->rank * (double)(a->dk + a->dv);
    size_t queries = TILE_QUERIES;
    while (a->mean_map && queries > 1 && (double)queries * row > most)
        queries /= 2;
    return queries;
}

static size_t runs(const struct attention *a)
{
    return size_divided_up(a->T, tile_queries(a));
}

static size_t tiles(const struct attention *a)
{
    return runs(a) * (a->mean_map ? 1 : a->H);
}

static size_t weights_bytes(const struct attention *a)
{
    return TILE_QUERIES * vector_padded(a->method->rank) * sizeof(float);
}

static size_t scratch_bytes(const struct attention *a)
{
    return weights_bytes(a) + TILE_QUERIES * a->dv * sizeof(float);
}

/* Copies the weights of head h, whose rows are those from `first` on, to the maps that
 * want them. */
static void keep_weights(const struct attention *a, size_t h, size_t first,
                         const struct softmax_rows *s)
{
    const struct vector_kernels *vector = vector_kernels_choice(0);
    size_t rank = a->method->rank, stride = vector_padded(rank);
    for (size_t m = 0; a->maps && m < a->map_head_count; m++)
        for (size_t i = 0; a->map_heads[m] == h && i < s->rows; i++)
            memcpy(a->maps + (m * a->T + first + i) * rank, s->weights + i * stride,
                   rank * sizeof *a->maps);

    for (size_t i = 0; a->mean_map && i < s->rows; i++) {
        float *mean = a->mean_map + (first + i) * rank;
        if (h == 0)
            memset(mean, 0, rank * sizeof *mean);
        vector->add_scaled(mean, s->weights + i * stride, rank, 1 / (float)a->H);
    }
}

static bool run(const struct attention *a, const void *packed, size_t tile,
                void *scratch)
{
    size_t first = tile % runs(a) * tile_queries(a), group = a->H / a->G;
    size_t from = a->mean_map ? 0 : tile / runs(a), to = a->mean_map ? a->H : from + 1;
    const float *projected = packed;
    struct softmax_rows s = {.rows = size_least(a->T - first, tile_queries(a)),
                             .columns = a->method->rank,
                             .depth = a->dk,
                             .width = a->dv,
                             .a_stride = a->query.row_stride,
                             .b_stride = a->dk,
                             .v_stride = a->dv,
                             .factor = a->scale,
                             .weights = scratch,
                             .out = (float *)scratch + weights_bytes(a) / sizeof(float),
                             .out_stride = a->dv};
    bool finite = true;
    for (size_t h = from; h < to; h++) {
        s.a = a->query.data + h * a->query.head_stride + first * a->query.row_stride;
        s.b = projected + keys_at(a, h / group);
        s.v = projected + values_at(a, h / group);
        s.lse = a->lse ? a->lse + h * a->T + first : NULL;
        if (a->out) {
            s.out = a->out + h * a->out_head_stride + first * a->out_row_stride;
            s.out_stride = a->out_row_stride;
        }
        softmax_rows_logits(&s);
        finite &= softmax_rows_finish(&s);
        keep_weights(a, h, first, &s);
    }
    return finite;
}

const struct attention_kernel linformer = {
    .name = "linformer",
    .packed_bytes = packed_bytes,
    .packs = packs,
    .pack = pack,
    .tiles = tiles,
    .row_parts = attention_nothing,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
