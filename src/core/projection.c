/* Blocks are some rows by some panels of TILE_WIDTH columns. The weights are read in
 * place, DEPTH rows of a panel at a time, which stay in the second-level cache while
 * all rows of the block pass by in groups of TILE_ROWS: measured, copying them into
 * panels first costs more than it saves, whatever their shape. */
#include "core/projection.h"

#include <string.h>

#include "base/size.h"
#include "core/vector_kernels.h"

enum {
    DEPTH = 256,     /* deeper products are sums of parts */
    MOST_ROWS = 384, /* of a block */
    SPLIT_ROWS = 128 /* of a block that only copies */
};

/* Floating-point operations: what is worth handing to another thread, and what one
 * task should not exceed. */
static const double LEAST_FLOPS = 2e6, MOST_FLOPS = 1e8;

static size_t columns(const struct projection *p)
{
    return p->heads * p->width;
}

static size_t all_rows(const struct projection *p)
{
    return p->count ? p->rows[p->count - 1].until : 0;
}

static double panel_flops(const struct projection *p, size_t rows)
{
    return 2.0 * (double)rows * (double)p->in * TILE_WIDTH;
}

static struct projection_cut cut_of(const struct projection *p)
{
    if (!p->w)
        return (struct projection_cut){.rows = SPLIT_ROWS, .panels = 1, .across = 1};

    size_t most = MOST_ROWS, panels = size_divided_up(columns(p), TILE_WIDTH);
    while (most > TILE_ROWS && panel_flops(p, most) > MOST_FLOPS)
        most /= 2; /* a multiple of TILE_ROWS, as MOST_ROWS is 6 2^6 */
    size_t rows = all_rows(p), blocks = size_divided_up(rows, most);
    size_t each = blocks ? size_divided_up(rows, blocks) : 1;
    struct projection_cut cut = {.rows = size_divided_up(each, TILE_ROWS) * TILE_ROWS,
                                 .panels = 1};
    double flops = panel_flops(p, cut.rows);
    if (flops < LEAST_FLOPS)
        cut.panels = size_least(panels, (size_t)(LEAST_FLOPS / flops) + 1);
    cut.across = size_divided_up(panels, cut.panels);
    return cut;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): kept, and written to later */
void projection_add(struct projection *p, size_t count, const float *x, float *out)
{
    size_t until = all_rows(p) + count;
    p->rows[p->count++] = (struct projection_rows){count, x, out, until};
    p->cut = cut_of(p);
    p->cut.blocks = size_divided_up(until, p->cut.rows) * p->cut.across;
}

size_t projection_blocks(const struct projection *p)
{
    return p->count ? p->cut.blocks : 0;
}

double projection_flops(const struct projection *p)
{
    if (!p->count || !p->w)
        return 0;
    return 2.0 * (double)all_rows(p) * (double)p->in * (double)columns(p);
}

/* A block at work. */
struct work {
    const struct projection *p;
    const struct vector_kernels *vector;
    size_t first, rows; /* among the rows of all sequences */
    size_t from, width; /* columns of the panel */
    size_t padded;      /* width */
    float *panel;       /* [deepest][padded]: some rows of the last panel */
    float *product; /* [TILE_ROWS][padded], or of all rows when the depth has parts */
    float *group;   /* [TILE_ROWS][deepest]: rows that are no array */
};

static size_t widest(const struct projection *p)
{
    return vector_padded(size_least(columns(p), TILE_WIDTH));
}

static size_t deepest(const struct projection *p)
{
    return vector_padded(size_least(p->in, DEPTH));
}

size_t projection_scratch_bytes(const struct projection *p)
{
    if (!p->count || !p->w)
        return 0;
    size_t rows = p->in > DEPTH ? p->cut.rows : TILE_ROWS;
    return (widest(p) * (deepest(p) + rows) + TILE_ROWS * deepest(p)) * sizeof(float);
}

/* The sequence that row `i` of all belongs to. */
static const struct projection_rows *sequence_of(const struct projection *p, size_t i)
{
    size_t low = 0, high = p->count - 1; /* the first one that ends behind it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->rows[middle].until > i)
            high = middle;
        else
            low = middle + 1;
    }
    return &p->rows[low];
}

static size_t row_in(const struct projection_rows *s, size_t i)
{
    return i - (s->until - s->count);
}

/* Numbers of TILE_ROWS rows from `i` on, from number k on; where they are no array, or
 * not so many, as a copy. */
static const float *group_of(const struct work *w, size_t i, size_t k, size_t depth,
                             size_t *stride)
{
    const struct projection *p = w->p;
    const struct projection_rows *s = sequence_of(p, i);
    *stride = p->in;
    if (i + TILE_ROWS <= s->until)
        return s->x + row_in(s, i) * p->in + k;

    *stride = deepest(p);
    for (size_t r = 0; r < TILE_ROWS; r++, i++) {
        float *to = w->group + r * *stride;
        if (i >= w->first + w->rows) {
            memset(to, 0, depth * sizeof *to);
            continue;
        }
        if (i == s->until)
            s++;
        memcpy(to, s->x + row_in(s, i) * p->in + k, depth * sizeof *to);
    }
    return w->group;
}

/* Some rows of the panel's weights: in place, or padded with zeros. */
static const float *panel_of(const struct work *w, size_t k, size_t depth,
                             size_t *stride)
{
    size_t all = columns(w->p);
    const float *from = w->p->w + k * all + w->from;
    *stride = all;
    if (w->width == w->padded)
        return from;

    *stride = w->padded;
    for (size_t n = 0; n < depth; n++) {
        float *to = w->panel + n * w->padded;
        memcpy(to, from + n * all, w->width * sizeof *to);
        memset(to + w->width, 0, (w->padded - w->width) * sizeof *to);
    }
    return w->panel;
}

/* Copies a row of columns from `from` on to the heads they belong to. */
static void split(const struct work *w, const struct projection_rows *s, size_t row,
                  const float *x)
{
    const struct projection *p = w->p;
    size_t h = w->from / p->width, c = w->from % p->width;
    for (size_t n = 0, count; n < w->width; n += count, h++, c = 0) {
        count = size_least(p->width - c, w->width - n);
        memcpy(s->out + (h * s->count + row) * p->width + c, x + n, count * sizeof *x);
    }
}

/* Of the rows of a group whose products are complete. What pads them is finite. */
static bool split_group(const struct work *w, size_t i, float *product)
{
    const struct projection_rows *s = sequence_of(w->p, i);
    size_t end = size_least(i + TILE_ROWS, w->first + w->rows), count = end - i;
    bool head = w->width == w->padded && w->width == w->p->width;
    if (head && end <= s->until) { /* the rows follow one another there, too */
        size_t row = w->from / w->width * s->count + row_in(s, i);
        return w->vector->scale(s->out + row * w->width, product, count * w->width,
                                1.0f);
    }
    for (size_t r = 0; r < count; r++) {
        if (i + r == s->until)
            s++;
        split(w, s, row_in(s, i + r), product + r * w->padded);
    }
    return w->vector->scale(product, product, count * w->padded, 1.0f);
}

/* What the products of a group are added to. */
static void begin_group(const struct work *w, float *product)
{
    for (size_t r = 0; r < TILE_ROWS; r++, product += w->padded) {
        memcpy(product, w->p->bias + w->from, w->width * sizeof *product);
        memset(product + w->width, 0, (w->padded - w->width) * sizeof *product);
    }
}

/* One part of the depth for all rows, and with the last one what becomes of them. */
static bool multiply_part(const struct work *w, size_t k)
{
    const struct projection *p = w->p;
    struct tile_product t = {.width = w->padded,
                             .depth = size_least(p->in - k, DEPTH),
                             .factor = 1.0f,
                             .add = k > 0 || p->bias,
                             .c_stride = w->padded};
    bool last = k + t.depth == p->in, finite = true;
    t.b = panel_of(w, k, t.depth, &t.b_stride);
    for (size_t n = 0; n < w->rows; n += TILE_ROWS) {
        t.c = w->product + (k == 0 && last ? 0 : n * w->padded);
        t.a = group_of(w, w->first + n, k, t.depth, &t.a_stride);
        t.next = t.a + TILE_ROWS * t.a_stride;
        if (k == 0 && p->bias)
            begin_group(w, t.c);
        w->vector->multiply(&t);
        if (last)
            finite &= split_group(w, w->first + n, t.c);
    }
    return finite;
}

static bool copy_rows(struct work *w)
{
    for (size_t i = w->first; i < w->first + w->rows; i++) {
        const struct projection_rows *s = sequence_of(w->p, i);
        split(w, s, row_in(s, i), s->x + row_in(s, i) * w->width);
    }
    return true;
}

bool projection_run(const struct projection *p, size_t block, void *scratch)
{
    const struct projection_cut cut = p->cut;
    size_t first = block / cut.across * cut.rows,
           panel = block % cut.across * cut.panels;
    struct work w = {.p = p,
                     .vector = vector_kernels_choice(0),
                     .first = first,
                     .rows = size_least(all_rows(p) - first, cut.rows),
                     .width = columns(p),
                     .panel = scratch};
    if (!p->w)
        return copy_rows(&w);

    w.group = w.panel + widest(p) * deepest(p);
    w.product = w.group + TILE_ROWS * deepest(p);
    size_t end =
        size_least(panel + cut.panels, size_divided_up(columns(p), TILE_WIDTH));
    bool finite = true;
    for (; panel < end; panel++) {
        w.from = panel * TILE_WIDTH;
        w.width = size_least(columns(p) - w.from, TILE_WIDTH);
        w.padded = vector_padded(w.width);
        for (size_t k = 0; k < p->in; k += DEPTH)
            finite &= multiply_part(&w, k);
    }
    return finite;
}
