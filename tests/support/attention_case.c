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
    void *const owned[] = {c->query,       c->key,       c->value,    c->bias,
                           c->out,         c->lse,       c->mean_map, c->maps,
                           c->allowed,     c->map_heads, c->true_out, c->true_lse,
                           c->true_weights};
    for (size_t n = 0; n < sizeof owned / sizeof *owned; n++)
        free(owned[n]);
    free(c);
}

/* The biased scores of one row, and which of them count. */
static bool solve_scores(const struct attention *a, size_t h, size_t i, double *score)
{
    const struct mask_view *m = &a->mask;
    size_t g = h * a->G / a->H, some = 0;
    for (size_t j = 0; j < a->S; j++) {
        double dot = 0;
        for (size_t e = 0; e < a->dk; e++) {
            double q =
                (double)a->query
                    .data[h * a->query.head_stride + i * a->query.row_stride + e];
            dot +=
                q *
                (double)a->key.data[g * a->key.head_stride + j * a->key.row_stride + e];
        }
        size_t at = h * m->head_stride + i * m->row_stride + j * m->column_stride;
        double bias = 0;
        if (m->allowed)
            bias = j < m->columns && m->allowed[at] ? 0 : -HUGE_VAL;
        if (m->bias)
            bias = j < m->columns ? (double)m->bias[at] : -HUGE_VAL;
        if (a->causal && (long)j - (long)i > (long)a->offset)
            bias = -HUGE_VAL;
        score[j] = isinf(bias) ? -HUGE_VAL : (double)a->scale * dot + bias;
        some += !isinf(bias);
    }
    return some > 0;
}

static void solve_row(struct attention_case *c, size_t h, size_t i)
{
    const struct attention *a = &c->a;
    size_t row = h * a->T + i, g = h * a->G / a->H;
    double *w = c->true_weights + row * a->S, *out = c->true_out + row * a->dv;
    bool some = solve_scores(a, h, i, w);
    double top = -HUGE_VAL, sum = 0;
    for (size_t j = 0; j < a->S; j++)
        top = w[j] > top ? w[j] : top;
    for (size_t j = 0; j < a->S; j++)
        sum += w[j] = some ? exp(w[j] - top) : 0;
    c->true_lse[row] = some ? top + log(sum) : -HUGE_VAL;
    for (size_t e = 0; e < a->dv; e++)
        out[e] = 0;
    for (size_t j = 0; j < a->S && some; j++) {
        const float *v =
            a->value.data + g * a->value.head_stride + j * a->value.row_stride;
        w[j] /= sum;
        for (size_t e = 0; e < a->dv; e++)
            out[e] += w[j] * (double)v[e];
    }
}

void attention_case_solve(struct attention_case *c)
{
    for (size_t h = 0; h < c->a.H; h++)
        for (size_t i = 0; i < c->a.T; i++)
            solve_row(c, h, i);
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

bool attention_case_run(struct attention_case *c, const struct attention_kernel *kernel,
                        struct test_random *order)
{
    const struct attention *a = &c->a;
    memset(c->out, 0xFF, c->out_count * sizeof *c->out);
    memset(c->lse, 0xFF, a->H * a->T * sizeof *c->lse);
    memset(c->mean_map, 0xFF, a->T * a->S * sizeof *c->mean_map);
    memset(c->maps, 0xFF, a->H * a->T * a->S * sizeof *c->maps);

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

/* float32 sums of some hundred products give scores up to about 50 an error of some
 * 50 2^-24, which the exponential turns into a relative error of the weights. */
static void near_to(float got, double want, const char *what, const char *which,
                    size_t at)
{
    bool same = (double)got == want; /* both -infinity */
    if (!same && !(fabs((double)got - want) <= 4e-6 + 5e-5 * fabs(want)))
        ck_abort_msg("%s: %s %zu is %.9g, want %.9g", what, which, at, (double)got,
                     want);
}

static void check_maps(const struct attention_case *c, const char *what)
{
    const struct attention *a = &c->a;
    size_t cells = a->T * a->S;
    for (size_t m = 0; a->maps && m < a->map_head_count; m++)
        for (size_t n = 0; n < cells; n++)
            near_to(a->maps[m * cells + n],
                    c->true_weights[a->map_heads[m] * cells + n], what, "weight", n);
    for (size_t n = 0; a->mean_map && n < cells; n++) {
        double mean = 0;
        for (size_t h = 0; h < a->H; h++)
            mean += c->true_weights[h * cells + n] / (double)a->H;
        near_to(a->mean_map[n], mean, what, "mean weight", n);
    }
}

/* What was not asked for, and what lies between the rows, is still NaN. */
static void check_untouched(const struct attention_case *c, const char *what)
{
    const struct attention *a = &c->a;
    size_t cells = a->T * a->S, written = 0;
    for (size_t n = a->maps ? a->map_head_count * cells : 0; n < a->H * cells; n++)
        if (!isnan(c->maps[n]))
            ck_abort_msg("%s: map %zu was written", what, n);
    for (size_t n = 0; n < c->out_count; n++)
        written += isnan(c->out[n]) ? 0 : 1;
    ck_assert_msg(written == (a->out ? a->H * a->T * a->dv : 0),
                  "%s: %zu outputs were written", what, written);
}

void attention_case_check(const struct attention_case *c, const char *what)
{
    const struct attention *a = &c->a;
    for (size_t h = 0; h < a->H; h++)
        for (size_t i = 0; i < a->T; i++) {
            size_t row = h * a->T + i;
            if (a->lse)
                near_to(a->lse[row], c->true_lse[row], what, "lse", row);
            for (size_t e = 0; a->out && e < a->dv; e++)
                near_to(attention_case_out(c, h, i, e), c->true_out[row * a->dv + e],
                        what, "output", row * a->dv + e);
        }
    check_maps(c, what);
    check_untouched(c, what);
}
