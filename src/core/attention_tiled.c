/* softmax(Q K^T) V in tiles of some query rows of one head.
 *
 * A tile computes all scores of its rows, which are as few as the second-level cache
 * keeps; there they become weights, and are then multiplied with the values. So the
 * softmax is exact, without the rescaling of a stream, and a map costs one more write.
 * Keys and values are packed once a key head into panels of TILE_WIDTH columns, so that
 * both products are the same loop: rows times panel. Keys that no row of a block may
 * see are no columns of its scores and cost nothing. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "core/attention.h"
#include "core/attention_block.h"
#include "core/attention_maps.h"
#include "core/attention_panels.h"
#include "core/attention_softmax.h"
#include "core/vector_kernels.h"

/* Deeper products are sums of parts: less rounding, and what one group of rows has read
 * of a panel is still near when the next one does. */
enum { DEPTH = 256 };

/* A scale so small that products far beyond float32's range would be in range with it
 * is applied to the queries; the usual ones cost nothing where the product is stored.
 */
static float early_scale(const struct attention *a)
{
    return fabsf(a->scale) < 0x1p-12f ? a->scale : 1.0f;
}

static float late_scale(const struct attention *a)
{
    return fabsf(a->scale) < 0x1p-12f ? 1.0f : a->scale;
}

/* The block's queries as they are, or a copy where they are scaled or the last group
 * has fewer rows than a register tile reads. */
static void take_query(struct block *b, size_t h)
{
    const struct attention *a = b->a;
    size_t rows = b->groups * TILE_ROWS, stride = vector_padded(a->dk);
    b->query =
        a->query.data + h * a->query.head_stride + b->first * a->query.row_stride;
    b->query_stride = a->query.row_stride;
    if (rows == b->rows && early_scale(a) == 1.0f)
        return;
    b->vector->pack_rows(b->query_copy, stride, b->query, b->query_stride, b->rows,
                         a->dk);
    memset(b->query_copy + b->rows * stride, 0,
           (rows - b->rows) * stride * sizeof(float));
    if (early_scale(a) != 1.0f)
        b->vector->scale(b->query_copy, b->query_copy, b->rows * stride,
                         early_scale(a));
    b->query = b->query_copy;
    b->query_stride = stride;
}

/* What follows this part of a panel in memory is needed next; each group of rows
 * fetches its share of it. */
static const float *next_lines(const float *part, const struct tile_product *p,
                               size_t group)
{
    return part + p->depth * p->b_stride + group * p->depth * VECTOR_PAD;
}

/* The columns of one panel of keys, from channel c on, for all groups that see some. */
static void multiply_panel(const struct block *b, const struct key_span *s,
                           struct bounds keys, size_t c, const float *part)
{
    const struct attention *a = b->a;
    size_t panel = keys.from / TILE_WIDTH * TILE_WIDTH;
    struct tile_product p = {.a_stride = b->query_stride,
                             .b_stride = attention_panel_width(a->S, panel),
                             .depth = size_least(DEPTH, a->dk - c),
                             .factor = late_scale(a),
                             .add = c > 0,
                             .c_stride = b->stride};
    for (size_t g = 0; g < b->groups; g++) {
        size_t from = size_most(keys.from, vector_floored(b->group[g].from));
        size_t to = size_least(keys.to, vector_padded(b->group[g].to));
        if (from >= to)
            continue;
        p.width = to - from;
        p.a = b->query + g * TILE_ROWS * p.a_stride + c;
        p.b = part + (from - panel);
        p.c = b->scores + g * TILE_ROWS * b->stride + s->column + (from - s->key);
        p.next = next_lines(part, &p, g);
        b->vector->multiply(&p);
    }
}

/* scores = scale Q K^T, panel by panel. */
static void compute_scores(const struct block *b, size_t h, const float *packed)
{
    const struct attention *a = b->a;
    for (const struct key_span *s = b->spans; s < b->spans + b->span_count; s++)
        for (size_t key = s->key, next; key < s->key + s->width; key = next) {
            size_t panel = key / TILE_WIDTH * TILE_WIDTH;
            next = size_least(panel + TILE_WIDTH, s->key + s->width);
            const float *part = attention_panel_keys(a, packed, h, panel);
            for (size_t c = 0; c < a->dk; c += DEPTH)
                multiply_panel(b, s, (struct bounds){key, next}, c,
                               part + c * attention_panel_width(a->S, panel));
        }
}

/* out += weights V for some neighbouring keys and a panel of columns of V. */
static void add_values(const struct block *b, const struct key_span *s,
                       struct bounds keys, size_t column, const float *panel)
{
    size_t out_stride = vector_padded(b->a->dv);
    size_t width = attention_panel_width(b->a->dv, column);
    struct tile_product p = {.a_stride = b->stride,
                             .b_stride = width,
                             .width = width,
                             .factor = 1.0f,
                             .c_stride = out_stride};
    for (size_t g = 0; g < b->groups; g++) {
        size_t from = size_most(keys.from, b->group[g].from);
        size_t to = size_least(keys.to, b->group[g].to);
        if (from >= to)
            continue;
        p.add = from > b->group[g].from;
        p.depth = to - from;
        p.a = b->scores + g * TILE_ROWS * b->stride + s->column + (from - s->key);
        p.b = panel + from * width;
        p.c = b->out + g * TILE_ROWS * out_stride + column;
        p.next = next_lines(p.b, &p, g);
        b->vector->multiply(&p);
    }
}

/* out = weights V, not yet divided by the sums of the weights. Parts end at multiples
 * of DEPTH, wherever the block's keys begin: the sum of a row depends on its group
 * alone. */
static void multiply_values(const struct block *b, size_t h, const float *packed)
{
    const struct attention *a = b->a;
    for (size_t column = 0; column < a->dv; column += TILE_WIDTH) {
        const float *panel = attention_panel_values(a, packed, h, column);
        for (const struct key_span *s = b->spans; s < b->spans + b->span_count; s++)
            for (size_t key = s->key, end = s->key + s->width, next; key < end;
                 key = next) {
                next = size_least((key / DEPTH + 1) * DEPTH, end);
                add_values(b, s, (struct bounds){key, next}, column, panel);
            }
    }
}

/* Maps of what hidden cells have, too: the block's scores with all keys. */
static bool draw_hidden(const struct block *b, size_t h, const float *packed)
{
    struct key_span span;
    const struct block all = block_with_all_keys(b, &span);
    compute_scores(&all, h, packed);
    for (size_t i = 0; i < all.rows; i++) {
        float *x = all.scores + i * all.stride;
        if (all.a->map_stage == MAP_STAGE_CAPPED)
            block_cap(&all, i);
        if (!all.vector->scale(x, x, all.a->S, 1.0f))
            return false;
        block_draw(&all, h, i, 1.0f, 0.0f);
    }
    return true;
}

static bool softmax_rows(struct block *b, size_t h, struct bounds rows)
{
    const struct attention *a = b->a;
    bool biased = block_wants_map(a, h, MAP_STAGE_BIASED), any[TILE_ROWS];
    bool weights = block_wants_map(a, h, MAP_STAGE_WEIGHTS);
    for (size_t i = rows.from; i < rows.to; i++) {
        any[i - rows.from] = block_bias(b, h, i);
        if (biased)
            block_draw(b, h, i, 1.0f, -INFINITY);
    }
    if (!block_softmax(b, h, rows, any))
        return false;
    for (size_t i = rows.from; i < rows.to; i++) {
        if (weights)
            block_draw(b, h, i, b->inverse[i], 0.0f);
        if (b->figures)
            block_add_figures(b, h, i);
    }
    return true;
}

/* Rows group by group, so that their last steps overlap. */
static bool softmax(struct block *b, size_t h)
{
    block_begin_figures(b, h);
    for (size_t g = 0; g < b->groups; g++) {
        size_t end = size_least((g + 1) * TILE_ROWS, b->rows);
        if (!softmax_rows(b, h, (struct bounds){g * TILE_ROWS, end}))
            return false;
    }
    return true;
}

/* Where row i of head h of the block goes; without outputs, where it is. */
static float *output(const struct block *b, size_t h, size_t i)
{
    const struct attention *a = b->a;
    if (!a->out)
        return b->out + i * vector_padded(a->dv);
    return a->out + h * a->out_head_stride + (b->first + i) * a->out_row_stride;
}

static bool write_out(const struct block *b, size_t h)
{
    size_t from_stride = vector_padded(b->a->dv);
    return b->vector->scale_rows(output(b, h, 0),
                                 b->a->out ? b->a->out_row_stride : from_stride, b->out,
                                 from_stride, b->rows, b->a->dv, b->inverse);
}

/* Sums that are to be a mean of the values leave float32's range by rounding only. */
static void hold_in_range(float *out, size_t n)
{
    for (size_t c = 0; c < n; c++)
        out[c] = fminf(fmaxf(out[c], -FLT_MAX), FLT_MAX);
}

/* Rows whose sums left float32's range before they were divided: their weights are
 * divided first. */
static bool write_large_out(struct block *b, size_t h, const float *packed)
{
    const struct attention *a = b->a;
    bool large[BLOCK_MOST_ROWS] = {false}, finite = true;
    bool mean = !(a->dropout.rate > 0); /* which makes the others larger */
    for (size_t i = 0; i < b->rows; i++) {
        struct bounds c = b->group_columns[i / TILE_ROWS];
        float *weights = b->scores + i * b->stride + c.from, *out = output(b, h, i);
        large[i] = !b->vector->scale(out, out, a->dv, 1.0f);
        if (large[i])
            finite &= b->vector->scale(weights, weights, c.to - c.from, b->inverse[i]);
    }
    multiply_values(b, h, packed);
    for (size_t i = 0; i < b->rows; i++) {
        float *sums = b->out + i * vector_padded(a->dv);
        if (large[i] && mean)
            hold_in_range(sums, a->dv);
        if (large[i])
            finite &= b->vector->scale(output(b, h, i), sums, a->dv, 1.0f);
    }
    return finite;
}

static bool run_head(struct block *b, size_t h, const float *packed)
{
    take_query(b, h);
    if (block_wants_map(b->a, h, MAP_STAGE_SCORES) ||
        block_wants_map(b->a, h, MAP_STAGE_CAPPED))
        if (!draw_hidden(b, h, packed))
            return false;
    compute_scores(b, h, packed);
    if (!softmax(b, h))
        return false;
    multiply_values(b, h, packed);
    return write_out(b, h) || write_large_out(b, h, packed);
}

/* The mean map needs all heads of its rows; otherwise a tile is one head's. */
static size_t tiles(const struct attention *a)
{
    return block_count(a) * (a->mean_map ? 1 : a->H);
}

static bool run(const struct attention *a, const void *packed, size_t tile,
                void *scratch)
{
    size_t blocks = block_count(a);
    struct block b;
    block_begin(&b, a, tile % blocks, scratch);
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
    .row_parts = block_parts,
    .scratch_bytes = block_scratch_bytes,
    .run = run,
};
