#include "support/attention_case.h"

#include <stdio.h>

static void *room(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        abort();
    return p;
}

static float *numbers(struct test_random *r, size_t count, float largest)
{
    float *x = room(count, sizeof *x);
    for (size_t n = 0; n < count; n++)
        x[n] = largest * test_random_float(r);
    return x;
}

static bool chance(struct test_random *r, size_t percent)
{
    return test_random_size(r, 1, 100) <= percent;
}

/* Strides for `heads` times `rows` rows of `width`; `gap` numbers between rows. */
static size_t lay_out(enum attention_case_layout layout, size_t heads, size_t rows,
                      size_t width, size_t gap, size_t *head_stride, size_t *row_stride)
{
    bool inside = layout == HEADS_INSIDE;
    *head_stride = inside ? width : rows * (width + gap);
    *row_stride = inside ? heads * width + gap : width + gap;
    return (heads - 1) * *head_stride + (rows - 1) * *row_stride + width;
}

static float *make_heads(struct test_random *r, enum attention_case_layout layout,
                         size_t heads, size_t rows, size_t width, float largest,
                         struct heads_view *view, size_t *count)
{
    size_t gap = layout == HEADS_APART ? test_random_size(r, 1, 5) : 0;
    *count =
        lay_out(layout, heads, rows, width, gap, &view->head_stride, &view->row_stride);
    float *x = numbers(r, *count, largest);
    view->data = x;
    return x;
}

static void make_mask(struct attention_case *c, struct test_random *r)
{
    struct attention *a = &c->a;
    struct mask_view *m = &a->mask;
    bool additive = chance(r, 50);
    m->columns = chance(r, 25) ? test_random_size(r, 1, a->S) : a->S;
    m->column_stride = chance(r, 85) ? 1 : chance(r, 50) ? 0 : 3;
    m->row_stride = chance(r, 80) ? m->columns * m->column_stride : 0;
    m->head_stride = chance(r, 50) ? m->row_stride * a->T : 0;
    c->mask_count = (a->H - 1) * m->head_stride + (a->T - 1) * m->row_stride +
                    (m->columns - 1) * m->column_stride + 1;

    size_t open = chance(r, 25) ? 5 : 70;
    if (additive) {
        m->bias = c->bias = numbers(r, c->mask_count, 3.0f);
        for (size_t n = 0; n < c->mask_count; n++)
            c->bias[n] = chance(r, open) ? c->bias[n] : -INFINITY;
    } else {
        m->allowed = c->allowed = room(c->mask_count, 1);
        for (size_t n = 0; n < c->mask_count; n++)
            c->allowed[n] = chance(r, open);
    }
}

static void make_arrays(struct attention_case *c, struct test_random *r, float largest,
                        enum attention_case_layout layout)
{
    struct attention *a = &c->a;
    c->query =
        make_heads(r, layout, a->H, a->T, a->dk, largest, &a->query, &c->query_count);
    c->key = make_heads(r, layout, a->G, a->S, a->dk, 1, &a->key, &c->key_count);
    c->value = make_heads(r, layout, a->G, a->S, a->dv, 1, &a->value, &c->value_count);
    size_t gap = layout == HEADS_APART ? 3 : 0;
    c->out_count = lay_out(layout, a->H, a->T, a->dv, gap, &a->out_head_stride,
                           &a->out_row_stride);
    c->out = a->out = room(c->out_count, sizeof(float));
    c->lse = a->lse = room(a->H * a->T, sizeof(float));
    c->mean_map = a->mean_map = room(a->T * a->S, sizeof(float));
    c->maps = a->maps = room(a->H * a->T * a->S, sizeof(float));
    c->entropy = room(2 * a->H * a->T, sizeof(float));
    c->top_indices = room(a->H * a->T * a->S, sizeof *c->top_indices);
    c->top_values = room(a->H * a->T * a->S, sizeof(float));
    c->map_heads = room(a->H, sizeof *c->map_heads);
    for (size_t h = 0; h < a->H; h++)
        c->map_heads[h] = a->H - 1 - h;
    a->map_heads = c->map_heads;
    a->map_head_count = a->H;
    a->key_length = a->S;
    a->scale = 1.0f / sqrtf((float)a->dk);

    c->true_out = room(a->H * a->T * a->dv, sizeof(double));
    c->true_lse = room(a->H * a->T, sizeof(double));
    c->true_weights = room(a->H * a->T * a->S, sizeof(double));
    c->true_map = room(a->H * a->T * a->S, sizeof(double));
    c->visible = room(a->H * a->T, sizeof *c->visible);
}

static void drop_results(struct attention_case *c, struct test_random *r)
{
    struct attention *a = &c->a;
    a->out = chance(r, 5) ? NULL : a->out;
    a->lse = chance(r, 50) ? NULL : a->lse;
    a->mean_map = chance(r, 50) ? NULL : a->mean_map;
    a->map_head_count = test_random_size(r, 0, a->H);
    a->maps = a->map_head_count == 0 ? NULL : a->maps;
}

struct attention_case *attention_case_random(struct test_random *r, double work)
{
    static const size_t widths[] = {1, 2, 3, 8, 15, 16, 33, 48, 64, 80, 130, 256};
    struct attention_case *c = room(1, sizeof *c);
    struct attention *a = &c->a;
    do {
        size_t longest = chance(r, 80) ? 40 : 512;
        a->G = test_random_size(r, 1, 4);
        a->H = a->G * test_random_size(r, 1, 3);
        a->T = test_random_size(r, 1, longest);
        a->S = chance(r, 50) ? a->T : test_random_size(r, 1, longest);
        a->dk = widths[test_random_size(r, 0, 11)];
        a->dv = chance(r, 50) ? a->dk : widths[test_random_size(r, 0, 11)];
    } while ((double)(a->H * a->T) * (double)(a->S * (a->dk + a->dv)) > work);

    make_arrays(c, r, chance(r, 20) ? 4.0f : 2.0f,
                (enum attention_case_layout)test_random_size(r, 0, 2));
    a->scale = chance(r, 20) ? -0.25f : a->scale;
    a->causal = chance(r, 40);
    a->offset = (ptrdiff_t)test_random_size(r, 0, a->S) - (ptrdiff_t)(a->S / 3);
    if (chance(r, 60))
        make_mask(c, r);
    drop_results(c, r);
    return c;
}

/* Whole numbers, times a power of two: float32 adds their products without an error,
 * so that every kernel finds the same largest ones. */
static void make_whole(struct attention_case *c)
{
    for (size_t n = 0; n < c->query_count; n++)
        c->query[n] = rintf(2 * c->query[n]);
    for (size_t n = 0; n < c->key_count; n++)
        c->key[n] = rintf(2 * c->key[n]);
    c->a.scale = ldexpf(1, -2 - ilogbf(sqrtf((float)c->a.dk)));
}

static void make_pattern(struct attention_case *c, struct test_random *r)
{
    struct attention *a = &c->a;
    size_t count = 0, most = a->S / 2 + 1;
    c->range_first = room(a->T + 1, sizeof *c->range_first);
    c->ranges = room(a->T * most, sizeof *c->ranges);
    size_t gap = chance(r, 50) ? 6 : a->S;
    for (size_t i = 0; i < a->T; i++) {
        c->range_first[i] = (uint32_t)count;
        bool same = i > 0 && chance(r, 60);
        for (size_t j = test_random_size(r, 0, gap); !same && j < a->S;) {
            size_t to = test_random_size(r, j + 1, j + gap);
            to = to < a->S ? to : a->S;
            c->ranges[count++] = (struct key_range){(uint32_t)j, (uint32_t)to};
            j = to + test_random_size(r, 1, gap);
        }
        for (size_t n = same ? c->range_first[i - 1] : count; n < c->range_first[i];
             n++)
            c->ranges[count++] = c->ranges[n];
    }
    c->range_first[a->T] = (uint32_t)count;
    c->pattern = (struct key_pattern){c->range_first, c->ranges};
    a->pattern = &c->pattern;
}

static void make_window(struct attention *a, struct test_random *r)
{
    struct window_view *w = &a->window;
    w->left_given = chance(r, 70);
    w->right_given = chance(r, 50);
    w->left = chance(r, 10) ? SIZE_MAX : test_random_size(r, 0, a->S / 3);
    w->right = chance(r, 10) ? SIZE_MAX : test_random_size(r, 0, a->S / 3);
}

/* A number a head, of a size up to `largest`. */
static float *make_head_numbers(struct attention_case *c, struct test_random *r,
                                float least, float largest)
{
    float *x = numbers(r, c->a.H, (largest - least) / 2);
    for (size_t h = 0; h < c->a.H; h++)
        x[h] += (least + largest) / 2;
    return x;
}

static void make_dropout(struct attention *a, struct test_random *r)
{
    static const float rates[] = {0.1f, 0.5f, 0.9f};
    a->dropout = (struct dropout_view){.rate = rates[test_random_size(r, 0, 2)],
                                       .on_scores = chance(r, 50),
                                       .seed = test_random_next(r),
                                       .batch = test_random_size(r, 0, 3)};
}

static void make_top(struct attention_case *c, struct test_random *r)
{
    struct attention *a = &c->a;
    a->top = test_random_size(r, 1, chance(r, 80) && a->S > 4 ? 4 : a->S);
    a->maps = chance(r, 30) ? NULL : a->maps;
    a->top_indices = c->top_indices;
    a->top_values = c->top_values;
}

void attention_case_options(struct attention_case *c, struct test_random *r,
                            size_t percent)
{
    struct attention *a = &c->a;
    if (chance(r, percent)) {
        make_whole(c);
        a->keep = test_random_size(r, 1, chance(r, 80) ? a->S / 4 + 1 : 2 * a->S);
    }
    if (chance(r, percent))
        a->key_length = test_random_size(r, 0, a->S);
    if (chance(r, percent))
        make_window(a, r);
    if (chance(r, percent))
        make_pattern(c, r);
    if (chance(r, percent))
        make_dropout(a, r);
    if (chance(r, percent))
        make_top(c, r);
    a->entropy = chance(r, percent) ? c->entropy : NULL;
    c->want_statistics = chance(r, percent);
    c->want_received = chance(r, percent);
    if (chance(r, percent))
        a->softcap = chance(r, 50) ? 2.5f : 50.0f;
    if (chance(r, percent))
        a->alibi = c->alibi = make_head_numbers(c, r, 0, 1);
    if (chance(r, percent))
        a->sinks = c->sinks = make_head_numbers(c, r, -4, chance(r, 20) ? 40 : 6);
    if (chance(r, percent))
        a->map_stage =
            (enum map_stage)test_random_size(r, MAP_STAGE_WEIGHTS, MAP_STAGE_BIASED);
}

struct attention_case *attention_case_plain(struct test_random *r, size_t heads,
                                            size_t T, size_t S, size_t d,
                                            enum attention_case_layout layout)
{
    struct attention_case *c = room(1, sizeof *c);
    c->a = (struct attention){.H = heads, .G = heads, .T = T, .S = S, .dk = d, .dv = d};
    make_arrays(c, r, 2.0f, layout);
    return c;
}

void attention_case_allow_all(struct attention_case *c, bool additive)
{
    struct attention *a = &c->a;
    c->mask_count = a->H * a->T * a->S;
    a->mask = (struct mask_view){.head_stride = a->T * a->S,
                                 .row_stride = a->S,
                                 .column_stride = 1,
                                 .columns = a->S};
    if (additive) {
        a->mask.bias = c->bias = room(c->mask_count, sizeof(float));
    } else {
        a->mask.allowed = c->allowed = room(c->mask_count, 1);
        memset(c->allowed, 1, c->mask_count);
    }
}

void attention_case_delete(struct attention_case *c)
{
    void *const owned[] = {c->query,        c->key,        c->value,       c->bias,
                           c->out,          c->lse,        c->mean_map,    c->maps,
                           c->allowed,      c->map_heads,  c->true_out,    c->true_lse,
                           c->true_weights, c->true_map,   c->visible,     c->entropy,
                           c->top_indices,  c->top_values, c->statistics,  c->received,
                           c->alibi,        c->sinks,      c->range_first, c->ranges};
    for (size_t n = 0; n < sizeof owned / sizeof *owned; n++)
        free(owned[n]);
    free(c);
}

static size_t *shuffled(size_t count, struct test_random *r)
{
    size_t *order = room(count, sizeof *order);
    for (size_t n = 0; n < count; n++) {
        size_t other = test_random_size(r, 0, n);
        order[n] = order[other];
        order[other] = n;
    }
    return order;
}

/* Exactly `bytes`, so that an address sanitizer sees a step outside. */
static void *aligned_room(size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes ? bytes : 1) != 0)
        abort();
    memset(p, 0xFF, bytes); /* every float of it is a NaN */
    return p;
}

/* Room for sums of so many parts, where they are wanted. */
static void give_parts(struct attention_case *c, size_t parts)
{
    size_t sums = c->a.H * parts;
    c->parts = parts;
    free(c->statistics);
    free(c->received);
    c->statistics = aligned_room(sums * sizeof *c->statistics);
    c->received = aligned_room(sums * c->a.S * sizeof *c->received);
    c->a.statistics = c->want_statistics ? c->statistics : NULL;
    c->a.received = c->want_received ? c->received : NULL;
}

bool attention_case_run(struct attention_case *c, const struct attention_kernel *kernel,
                        struct test_random *order)
{
    const struct attention *a = &c->a;
    memset(c->out, 0xFF, c->out_count * sizeof *c->out);
    memset(c->lse, 0xFF, a->H * a->T * sizeof *c->lse);
    memset(c->mean_map, 0xFF, a->T * a->S * sizeof *c->mean_map);
    memset(c->maps, 0xFF, a->H * a->T * a->S * sizeof *c->maps);
    memset(c->entropy, 0xFF, 2 * a->H * a->T * sizeof *c->entropy);
    memset(c->top_indices, 0xFF, a->H * a->T * a->S * sizeof *c->top_indices);
    memset(c->top_values, 0xFF, a->H * a->T * a->S * sizeof *c->top_values);
    give_parts(c, kernel->row_parts(a));

    size_t packs = kernel->packs(a), tiles = kernel->tiles(a);
    size_t *pack_order = shuffled(packs, order), *tile_order = shuffled(tiles, order);
    void *packed = aligned_room(kernel->packed_bytes(a));
    bool finite = true;
    for (size_t n = 0; n < packs; n++)
        kernel->pack(a, pack_order[n], packed);
    for (size_t n = 0; n < tiles; n++) {
        void *scratch = aligned_room(kernel->scratch_bytes(a));
        finite = kernel->run(a, packed, tile_order[n], scratch) && finite;
        free(scratch);
    }
    free(packed);
    free(pack_order);
    free(tile_order);
    return finite;
}

float attention_case_out(const struct attention_case *c, size_t h, size_t i, size_t e)
{
    return c->out[h * c->a.out_head_stride + i * c->a.out_row_stride + e];
}
