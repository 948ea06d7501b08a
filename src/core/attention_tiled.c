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
#include "core/attention_panels.h"
#include "core/vector_kernels.h"

enum {
    BLOCK_ROWS = 6 * TILE_ROWS,
    /* Deeper products are sums of parts: less rounding, and what one group of rows has
     * read of a panel is still near when the next one does. */
    DEPTH = 256
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
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
    return vector_padded(a->S) + VECTOR_PAD;
}

static size_t scratch_bytes(const struct attention *a)
{
    size_t row = vector_padded(a->dk) + score_stride(a) + vector_padded(a->dv);
    return (BLOCK_ROWS * row + vector_padded(a->S)) * sizeof(float);
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
    b->out = b->query + BLOCK_ROWS * vector_padded(a->dk);
    b->mask_row = b->out + BLOCK_ROWS * vector_padded(a->dv);
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
            size_t width = attention_panel_width(a->S, key);
            struct tile_product p = {.a_stride = a->dk,
                                     .b = attention_panel_keys(a, packed, h, key) +
                                          c * width,
                                     .b_stride = width,
                                     .depth = least(DEPTH, a->dk - c),
                                     .factor = a->scale,
                                     .add = c > 0,
                                     .c_stride = b->stride};
            for (size_t g = 0; g < b->groups; g++) {
                if (group_keys(b, g) <= key)
                    continue;
                p.width = least(width, vector_padded(group_keys(b, g) - key));
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
    size_t out_stride = vector_padded(a->dv), keys = group_keys(b, b->groups - 1);
    memset(b->out, 0, b->groups * TILE_ROWS * out_stride * sizeof(float));
    for (size_t column = 0; column < a->dv; column += TILE_WIDTH)
        for (size_t key = 0; key < keys; key += DEPTH) {
            size_t width = attention_panel_width(a->dv, column);
            struct tile_product p = {.a_stride = b->stride,
                                     .b = attention_panel_values(a, packed, h, column) +
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
    size_t n = b->keys[i], end = vector_padded(group_keys(b, i / TILE_ROWS));
    float max = -INFINITY, sum = 0.0f;
    if (mask_scores(b, h, i, scores)) {
        fill(scores, n, vector_padded(n), -INFINITY);
        max = b->vector->maximum(scores, vector_padded(n));
        sum = b->vector->exponentials(scores, vector_padded(n), max, b->shrink,
                                      scores + b->stride);
        if (!isfinite(max) || !isfinite(sum))
            return false;
        fill(scores, vector_padded(n), end, 0.0f);
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
        fill(b->scores + i * b->stride, 0, vector_padded(b->keys[i]), 0.0f);
    return true;
}

static bool write_out(const struct block *b, size_t h)
{
    const struct attention *a = b->a;
    bool finite = true;
    for (size_t i = 0; i < b->rows; i++) {
        float *row = b->out + i * vector_padded(a->dv);
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

static size_t row_parts(const struct attention *a)
{
    return divided_up(a->T, BLOCK_ROWS);
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
    .packed_bytes = attention_panels_bytes,
    .packs = attention_panels_packs,
    .pack = attention_panels_pack,
    .tiles = tiles,
    .row_parts = row_parts,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
