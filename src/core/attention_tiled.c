/* softmax(Q K^T) V in tiles of BLOCK_ROWS query rows of one head.
 *
 * A tile computes all scores of its rows, at most BLOCK_ROWS x S numbers, which stay
 * in the second-level cache; there they become weights, and are then multiplied with
 * the values. So the softmax is exact, without the rescaling of a stream, and a map
 * costs one more write. Keys and values are packed once a key head into panels of
 * TILE_WIDTH columns, so that both products are the same loop: rows times panel. */
#include <math.h>
#include <string.h>

#include "core/attention.h"
#include "core/transpose.h"
#include "core/vector_kernels.h"

enum {
    BLOCK_ROWS = 6 * TILE_ROWS,
    PACK_KEYS = 512, /* keys of one pack */
    DEPTH = 256      /* a panel of that depth fits the first-level cache */
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t padded(size_t n)
{
    return (n + VECTOR_PAD - 1) / VECTOR_PAD * VECTOR_PAD;
}

static size_t divided_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

static void fill(float *x, size_t from, size_t to, float number)
{
    for (size_t j = from; j < to; j++)
        x[j] = number;
}

/* Packed, a key head is [S/64] panels [dk][64] of keys, then [dv/64] panels [S][64]
 * of values; the last panel of each is as wide as its padded rest. */
static size_t head_numbers(const struct attention *a)
{
    return padded(a->S) * a->dk + a->S * padded(a->dv);
}

static size_t panel_width(size_t columns, size_t first)
{
    return padded(least(columns - first, TILE_WIDTH));
}

static const float *packed_keys(const struct attention *a, const float *packed,
                                size_t h, size_t first)
{
    return packed + h / (a->H / a->G) * head_numbers(a) + first * a->dk;
}

static const float *packed_values(const struct attention *a, const float *packed,
                                  size_t h, size_t first)
{
    return packed_keys(a, packed, h, padded(a->S)) + first * a->S;
}

static size_t packed_bytes(const struct attention *a)
{
    return a->G * head_numbers(a) * sizeof(float);
}

static size_t packs(const struct attention *a)
{
    return a->G * divided_up(a->S, PACK_KEYS);
}

/* panel[c][j] = key[first + j][c], and 0 beyond the last key. */
static void pack_keys(const struct attention *a, size_t g, size_t first, float *panel)
{
    size_t width = panel_width(a->S, first), keys = least(a->S - first, TILE_WIDTH);
    const float *key = a->key.data + g * a->key.head_stride + first * a->key.row_stride;
    transpose(panel, width, key, a->key.row_stride, keys, a->dk);
    for (size_t c = 0; c < a->dk; c++)
        fill(panel + c * width, keys, width, 0.0f);
}

/* panel[j][c] = value[j][first + c], and 0 beyond the last column, for some keys. */
static void pack_values(const struct attention *a, size_t g, size_t first, size_t from,
                        size_t to, float *panel)
{
    size_t width = panel_width(a->dv, first),
           columns = least(a->dv - first, TILE_WIDTH);
    const float *value = a->value.data + g * a->value.head_stride + first;
    for (size_t j = from; j < to; j++) {
        memcpy(panel + j * width, value + j * a->value.row_stride,
               columns * sizeof(float));
        fill(panel + j * width, columns, width, 0.0f);
    }
}

static void pack(const struct attention *a, size_t index, void *packed)
{
    size_t runs = divided_up(a->S, PACK_KEYS), g = index / runs;
    size_t from = index % runs * PACK_KEYS, to = least(a->S, from + PACK_KEYS);
    float *keys = (float *)packed + g * head_numbers(a);
    float *values = keys + padded(a->S) * a->dk;
    for (size_t first = from; first < to; first += TILE_WIDTH)
        pack_keys(a, g, first, keys + first * a->dk);
    for (size_t first = 0; first < a->dv; first += TILE_WIDTH)
        pack_values(a, g, first, from, to, values + first * a->S);
}

/* One block of rows at work. The arrays are parts of the scratch. */
struct block {
    const struct attention *a;
    const struct vector_kernels *vector;
    size_t first, rows, groups; /* rows from `first`, in groups of TILE_ROWS */
    int shrink;                 /* weights are kept times 2^-shrink */
    size_t stride;              /* of a row of scores: padded, and off powers of two */
    size_t keys[BLOCK_ROWS];    /* row i sees keys below keys[i], a mask apart */
    float *query;               /* [BLOCK_ROWS][dk] */
    float *scores;              /* [BLOCK_ROWS][stride]: scores, then weights */
    float *out;                 /* [BLOCK_ROWS][padded dv] */
    float *mask_row;            /* [S] */
    float inverse[BLOCK_ROWS];  /* 1 / the sum of a row's weights; 0: an empty row */
};

static size_t score_stride(const struct attention *a)
{
    return padded(a->S) + VECTOR_PAD;
}

static size_t scratch_bytes(const struct attention *a)
{
    size_t row = padded(a->dk) + score_stride(a) + padded(a->dv);
    return (BLOCK_ROWS * row + padded(a->S)) * sizeof(float);
}

/* Keys that row i may see by `causal` and the mask's width: those below this. */
static size_t visible_keys(const struct attention *a, size_t i)
{
    size_t keys = a->S;
    if (a->mask.allowed || a->mask.bias)
        keys = least(keys, a->mask.columns);
    if (!a->causal)
        return keys;
    ptrdiff_t own = (ptrdiff_t)i + a->offset;
    return own < 0 ? 0 : least(keys, (size_t)own + 1);
}

static void begin_block(struct block *b, const struct attention *a, size_t index,
                        float *scratch)
{
    b->a = a;
    b->vector = vector_kernels_choice(0);
    b->first = index * BLOCK_ROWS;
    b->rows = least(BLOCK_ROWS, a->T - b->first);
    b->groups = divided_up(b->rows, TILE_ROWS);
    b->stride = score_stride(a);
    b->shrink = 1;
    while (a->S >> b->shrink)
        b->shrink++;
    /* Rows that fill up the last group see what the last row sees. */
    for (size_t i = 0; i < b->groups * TILE_ROWS; i++)
        b->keys[i] = visible_keys(a, b->first + least(i, b->rows - 1));
    b->scores = scratch;
    b->query = b->scores + BLOCK_ROWS * b->stride;
    b->out = b->query + BLOCK_ROWS * padded(a->dk);
    b->mask_row = b->out + BLOCK_ROWS * padded(a->dv);
}

/* Keys that some row of a group sees: its last row sees most. */
static size_t group_keys(const struct block *b, size_t group)
{
    return b->keys[group * TILE_ROWS + TILE_ROWS - 1];
}

static void copy_query(const struct block *b, size_t h)
{
    const struct attention *a = b->a;
    const float *q =
        a->query.data + h * a->query.head_stride + b->first * a->query.row_stride;
    for (size_t i = 0; i < b->rows; i++)
        memcpy(b->query + i * a->dk, q + i * a->query.row_stride,
               a->dk * sizeof(float));
    memset(b->query + b->rows * a->dk, 0,
           (b->groups * TILE_ROWS - b->rows) * a->dk * sizeof(float));
}

/* What follows this part of a panel in memory is needed next; each group of rows
 * fetches its share of it. */
static const float *next_lines(const struct tile_product *p, size_t group)
{
    return p->b + p->depth * p->b_stride + group * p->depth * VECTOR_PAD;
}

/* scores = scale Q K^T, panel by panel, without panels that a group cannot see. */
static void compute_scores(const struct block *b, size_t h, const float *packed)
{
    const struct attention *a = b->a;
    for (size_t key = 0; key < group_keys(b, b->groups - 1); key += TILE_WIDTH)
        for (size_t c = 0; c < a->dk; c += DEPTH) {
            size_t width = panel_width(a->S, key);
            struct tile_product p = {.a_stride = a->dk,
                                     .b = packed_keys(a, packed, h, key) + c * width,
                                     .b_stride = width,
                                     .depth = least(DEPTH, a->dk - c),
                                     .factor = a->scale,
                                     .add = c > 0,
                                     .c_stride = b->stride};
            for (size_t g = 0; g < b->groups; g++) {
                if (group_keys(b, g) <= key)
                    continue;
                p.width = least(width, padded(group_keys(b, g) - key));
                p.a = b->query + g * TILE_ROWS * a->dk + c;
                p.c = b->scores + g * TILE_ROWS * b->stride + key;
                p.next = next_lines(&p, g);
                b->vector->multiply(&p);
            }
        }
}

/* out = weights V, not yet divided by the sums of the weights. */
static void multiply_values(const struct block *b, size_t h, const float *packed)
{
    const struct attention *a = b->a;
    size_t out_stride = padded(a->dv), keys = group_keys(b, b->groups - 1);
    memset(b->out, 0, b->groups * TILE_ROWS * out_stride * sizeof(float));
    for (size_t column = 0; column < a->dv; column += TILE_WIDTH)
        for (size_t key = 0; key < keys; key += DEPTH) {
            size_t width = panel_width(a->dv, column);
            struct tile_product p = {.a_stride = b->stride,
                                     .b = packed_values(a, packed, h, column) +
                                          key * width,
                                     .b_stride = width,
                                     .width = width,
                                     .factor = 1.0f,
                                     .add = true,
                                     .c_stride = out_stride};
            for (size_t g = 0; g < b->groups; g++) {
                if (group_keys(b, g) <= key)
                    continue;
                p.depth = least(DEPTH, group_keys(b, g) - key);
                p.a = b->scores + g * TILE_ROWS * b->stride + key;
                p.c = b->out + g * TILE_ROWS * out_stride + column;
                p.next = next_lines(&p, g);
                b->vector->multiply(&p);
            }
        }
}

/* Applies the mask to one row of scores. False when no key is allowed. */
static bool mask_scores(const struct block *b, size_t h, size_t i, float *scores)
{
    const struct mask_view *m = &b->a->mask;
    size_t n = b->keys[i];
    size_t at = h * m->head_stride + (b->first + i) * m->row_stride;
    if (m->bias) {
        const float *bias = m->bias + at;
        if (m->column_stride != 1) {
            for (size_t j = 0; j < n; j++)
                b->mask_row[j] = bias[j * m->column_stride];
            bias = b->mask_row;
        }
        return b->vector->add_bias(scores, bias, n);
    }
    if (m->allowed) {
        const uint8_t *allowed = m->allowed + at;
        if (m->column_stride != 1) {
            uint8_t *row = (uint8_t *)b->mask_row;
            for (size_t j = 0; j < n; j++)
                row[j] = allowed[j * m->column_stride];
            allowed = row;
        }
        return b->vector->hide(scores, allowed, n);
    }
    return n > 0;
}

/* max + log(2^shrink sum); -INFINITY for an empty row. */
static float log_sum(float max, float sum, int shrink)
{
    return (float)((double)max + log((double)sum) + shrink * 0.6931471805599453);
}

/* Scores become weights times 2^-shrink, 0 from the row's last key to the group's.
 * 2^shrink is above S, so sums of weights times values stay in range whatever the
 * values are. */
static bool softmax_row(struct block *b, size_t h, size_t i)
{
    float *scores = b->scores + i * b->stride;
    size_t n = b->keys[i], end = padded(group_keys(b, i / TILE_ROWS));
    float max = -INFINITY, sum = 0.0f;
    if (mask_scores(b, h, i, scores)) {
        fill(scores, n, padded(n), -INFINITY);
        max = b->vector->maximum(scores, padded(n));
        sum = b->vector->exponentials(scores, padded(n), max, b->shrink,
                                      scores + b->stride);
        if (!isfinite(max) || !isfinite(sum))
            return false;
        fill(scores, padded(n), end, 0.0f);
    } else {
        fill(scores, 0, end, 0.0f);
    }
    b->inverse[i] = sum > 0.0f ? 1.0f / sum : 0.0f;
    if (b->a->lse)
        b->a->lse[h * b->a->T + b->first + i] = log_sum(max, sum, b->shrink);
    return true;
}

static bool softmax(struct block *b, size_t h)
{
    for (size_t i = 0; i < b->rows; i++)
        if (!softmax_row(b, h, i))
            return false;
    /* Rows that fill up the last group. */
    for (size_t i = b->rows; i < b->groups * TILE_ROWS; i++)
        fill(b->scores + i * b->stride, 0, padded(b->keys[i]), 0.0f);
    return true;
}

static bool write_out(const struct block *b, size_t h)
{
    const struct attention *a = b->a;
    bool finite = true;
    for (size_t i = 0; i < b->rows; i++) {
        float *row = b->out + i * padded(a->dv);
        finite = b->vector->scale(row, row, a->dv, b->inverse[i]) && finite;
        if (a->out)
            memcpy(a->out + h * a->out_head_stride + (b->first + i) * a->out_row_stride,
                   row, a->dv * sizeof(float));
    }
    return finite;
}

static void write_map(const struct block *b, float *map)
{
    size_t S = b->a->S;
    for (size_t i = 0; i < b->rows; i++) {
        float *row = map + (b->first + i) * S;
        b->vector->scale(row, b->scores + i * b->stride, b->keys[i], b->inverse[i]);
        fill(row, b->keys[i], S, 0.0f);
    }
}

static void write_maps(const struct block *b, size_t h)
{
    const struct attention *a = b->a;
    for (size_t m = 0; a->maps && m < a->map_head_count; m++)
        if (a->map_heads[m] == h)
            write_map(b, a->maps + m * a->T * a->S);
    for (size_t i = 0; a->mean_map && i < b->rows; i++) {
        float *row = a->mean_map + (b->first + i) * a->S;
        if (h == 0)
            fill(row, 0, a->S, 0.0f);
        b->vector->add_scaled(row, b->scores + i * b->stride, b->keys[i],
                              b->inverse[i] / (float)a->H);
    }
}

static bool run_head(struct block *b, size_t h, const float *packed)
{
    copy_query(b, h);
    compute_scores(b, h, packed);
    if (!softmax(b, h))
        return false;
    write_maps(b, h);
    multiply_values(b, h, packed);
    return write_out(b, h);
}

/* The mean map needs all heads of its rows; otherwise a tile is one head's. */
static size_t tiles(const struct attention *a)
{
    return divided_up(a->T, BLOCK_ROWS) * (a->mean_map ? 1 : a->H);
}

static bool run(const struct attention *a, const void *packed, size_t tile,
                void *scratch)
{
    size_t blocks = divided_up(a->T, BLOCK_ROWS);
    struct block b = {0};
    begin_block(&b, a, tile % blocks, scratch);
    if (!a->mean_map)
        return run_head(&b, tile / blocks, packed);
    for (size_t h = 0; h < a->H; h++)
        if (!run_head(&b, h, packed))
            return false;
    return true;
}

const struct attention_kernel attention_tiled = {
    .name = "tiled",
    .packed_bytes = packed_bytes,
    .packs = packs,
    .pack = pack,
    .tiles = tiles,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
