#include "core/linear_attention.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "core/approximations.h"
#include "core/vector_kernels.h"

enum { TILE_COLUMNS = 64 };

/* Channels `first` to `first + width` of the values of key head g. */
struct tile {
    const struct attention *a;
    const struct attention_method *m;
    const struct vector_kernels *vector;
    size_t g, first, width;
    float *state; /* [dk][TILE_COLUMNS] */
    float *row;   /* [TILE_COLUMNS] */
};

/* Whether the rule takes away what the state knows of the key before it adds. */
static bool corrects(enum linear_rule rule)
{
    return rule == RULE_DELTA || rule == RULE_GATED_DELTA;
}

/* Where channel c of the initial or the final state is. */
static size_t state_row(const struct tile *t, size_t c)
{
    return (t->g * t->a->dk + c) * t->a->dv + t->first;
}

static void load(const struct tile *t)
{
    for (size_t c = 0; c < t->a->dk; c++) {
        float *to = t->state + c * TILE_COLUMNS;
        if (t->m->before)
            memcpy(to, t->m->before + state_row(t, c), t->width * sizeof *to);
        else
            memset(to, 0, t->width * sizeof *to);
    }
}

static bool store(const struct tile *t)
{
    bool finite = true;
    for (size_t c = 0; t->m->after && c < t->a->dk; c++)
        finite &= t->vector->scale(t->m->after + state_row(t, c),
                                   t->state + c * TILE_COLUMNS, t->width, 1.0f);
    return finite;
}

/* D = diag(exp(decay_t)) S */
static void forget(const struct tile *t, size_t token)
{
    const struct attention *a = t->a;
    const float *decay = t->m->decay + token * t->m->decay_width;
    bool by_head = t->m->decay_width == a->G && a->dk > 1;
    float kept = expf(decay[by_head ? t->g : t->g * a->dk]);
    for (size_t c = 0; c < a->dk; c++) {
        float *state = t->state + c * TILE_COLUMNS;
        if (!by_head && c > 0)
            kept = expf(decay[t->g * a->dk + c]);
        t->vector->scale(state, state, t->width, kept);
    }
}

/* row = v_t, or beta_t (v_t - k_t D) */
static void choose_addition(const struct tile *t, size_t token, const float *key)
{
    const struct attention *a = t->a;
    const float *value = a->value.data + t->g * a->value.head_stride +
                         token * a->value.row_stride + t->first;
    memcpy(t->row, value, t->width * sizeof *value);
    if (!corrects(t->m->rule))
        return;

    for (size_t c = 0; c < a->dk; c++)
        t->vector->add_scaled(t->row, t->state + c * TILE_COLUMNS, t->width, -key[c]);
    size_t of = t->m->beta_width == 1 ? 0 : t->g;
    float beta = t->m->beta[token * t->m->beta_width + of];
    t->vector->scale(t->row, t->row, t->width, beta);
}

/* S_t from S_(t-1) */
static void step(const struct tile *t, size_t token)
{
    const struct attention *a = t->a;
    const float *key =
        a->key.data + t->g * a->key.head_stride + token * a->key.row_stride;
    if (t->m->decay)
        forget(t, token);
    choose_addition(t, token, key);
    for (size_t c = 0; c < a->dk; c++)
        t->vector->add_scaled(t->state + c * TILE_COLUMNS, t->row, t->width, key[c]);
}

/* out[h,t] = scale q_t S_t */
static bool answer(const struct tile *t, size_t h, size_t token)
{
    const struct attention *a = t->a;
    const float *query =
        a->query.data + h * a->query.head_stride + token * a->query.row_stride;
    memset(t->row, 0, t->width * sizeof *t->row);
    for (size_t c = 0; c < a->dk; c++)
        t->vector->add_scaled(t->row, t->state + c * TILE_COLUMNS, t->width, query[c]);
    float *out = a->out + h * a->out_head_stride + token * a->out_row_stride + t->first;
    return t->vector->scale(out, t->row, t->width, a->scale);
}

static size_t tiles_of_head(const struct attention *a)
{
    return size_divided_up(a->dv, TILE_COLUMNS);
}

static bool run(const struct attention *a, const void *packed, size_t index,
                void *scratch)
{
    (void)packed;
    size_t first = index % tiles_of_head(a) * TILE_COLUMNS, rest = a->dv - first;
    float *row = scratch;
    const struct tile t = {.a = a,
                           .m = a->method,
                           .vector = vector_kernels_choice(0),
                           .g = index / tiles_of_head(a),
                           .first = first,
                           .width = rest < TILE_COLUMNS ? rest : TILE_COLUMNS,
                           .state = row + TILE_COLUMNS,
                           .row = row};
    size_t group = a->H / a->G;
    bool finite = true;
    load(&t);
    for (size_t token = 0; token < a->T; token++) {
        step(&t, token);
        for (size_t n = 0; a->out && n < group; n++)
            finite &= answer(&t, t.g * group + n, token);
    }
    return store(&t) && finite;
}

static size_t tiles(const struct attention *a)
{
    return a->G * tiles_of_head(a);
}

static size_t scratch_bytes(const struct attention *a)
{
    return (a->dk + 1) * TILE_COLUMNS * sizeof(float);
}

const struct attention_kernel linear_attention = {
    .name = "linear",
    .packed_bytes = attention_nothing,
    .packs = attention_nothing,
    .tiles = tiles,
    .row_parts = attention_nothing,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
