#include "support/attention_random.h"

static bool chance(struct test_random *r, size_t one_in)
{
    return test_random_size(r, 1, one_in) == 1;
}

/* From 1 to `most`, and 1 itself often enough to be met. */
static size_t extent(struct test_random *r, size_t most)
{
    return chance(r, 5) ? 1 : test_random_size(r, 1, most);
}

static void *room(struct arena *arena, size_t count, size_t size)
{
    struct error e = {0};
    void *out = arena_alloc(arena, count, size, &e);
    ck_assert_msg(out != NULL, "%s", e.message);
    return out;
}

static struct tensor tensor(struct test_random *r, struct arena *arena, size_t rank,
                            const size_t extents[4])
{
    struct tensor t = {.rank = rank};
    memcpy(t.extent, extents, sizeof t.extent);
    float *data = room(arena, tensor_count(&t), sizeof *data);
    for (size_t i = 0; i < tensor_count(&t); i++)
        data[i] = test_random_float(r);
    t.data = data;
    return t;
}

static struct tensor matrix(struct test_random *r, struct arena *arena, size_t rows,
                            size_t columns)
{
    return tensor(r, arena, 2, (size_t[4]){rows, columns});
}

/* A matrix of the weights: it leaves the size of what it multiplies about as it is,
 * as trained ones do, so that scores stay where float32 is accurate. */
static struct tensor weight(struct test_random *r, struct arena *arena, size_t rows,
                            size_t columns)
{
    struct tensor w = {.rank = 2, .extent = {rows, columns}};
    float *data = room(arena, rows * columns, sizeof *data);
    for (size_t i = 0; i < rows * columns; i++)
        data[i] = test_random_float(r) / sqrtf((float)rows);
    w.data = data;
    return w;
}

static struct tensor maybe_vector(struct test_random *r, struct arena *arena, size_t n)
{
    return chance(r, 2) ? tensor(r, arena, 1, (size_t[4]){n}) : (struct tensor){0};
}

static struct batch batch(struct test_random *r, struct arena *arena, size_t count,
                          const size_t *rows, size_t width, bool single)
{
    struct tensor *item = room(arena, count, sizeof *item);
    for (size_t b = 0; b < count; b++)
        item[b] = matrix(r, arena, rows[b], width);
    return (struct batch){count, single, item};
}

static void draw_tokens(struct random_attention *a, struct test_random *r,
                        struct arena *arena, size_t longest)
{
    struct float64_sizes *z = &a->sizes;
    struct attention_input *in = &a->input;
    bool single = a->B == 1 && chance(r, 2), context = chance(r, 2);
    in->weights.given = chance(r, 4) == false;
    if (!in->weights.given) {
        z->G = z->H;
        z->dv = z->dk;
    }
    z->d = in->weights.given ? test_random_size(r, 1, 24) : z->H * z->dk;
    z->dc = in->weights.given && context ? test_random_size(r, 1, 24) : z->d;
    for (size_t b = 0; b < a->B; b++) {
        a->T[b] = extent(r, longest);
        a->S[b] = context ? extent(r, longest) : a->T[b];
    }
    in->sequences = batch(r, arena, a->B, a->T, z->d, single);
    if (context)
        in->context = batch(r, arena, a->B, a->S, z->dc, single);
    z->output_width = z->H * z->dv;
    if (!in->weights.given)
        return;

    struct attention_weights *w = &in->weights;
    w->wq = weight(r, arena, z->d, z->H * z->dk);
    w->wk = weight(r, arena, z->dc, z->G * z->dk);
    w->wv = weight(r, arena, z->dc, z->G * z->dv);
    w->bq = maybe_vector(r, arena, z->H * z->dk);
    w->bk = maybe_vector(r, arena, z->G * z->dk);
    w->bv = maybe_vector(r, arena, z->G * z->dv);
    if (chance(r, 2))
        return;

    z->output_width = test_random_size(r, 1, 24);
    w->wo = weight(r, arena, z->H * z->dv, z->output_width);
    w->bo = maybe_vector(r, arena, z->output_width);
}

static void draw_projected(struct random_attention *a, struct test_random *r,
                           struct arena *arena, size_t longest)
{
    struct float64_sizes *z = &a->sizes;
    struct attention_input *in = &a->input;
    size_t T = extent(r, longest), S = extent(r, longest);
    for (size_t b = 0; b < a->B; b++) {
        a->T[b] = T;
        a->S[b] = S;
    }
    z->output_width = z->H * z->dv;
    if (chance(r, 2)) {
        z->output_width = z->dv;
        in->query = tensor(r, arena, 4, (size_t[4]){a->B, z->H, T, z->dk});
        in->key = tensor(r, arena, 4, (size_t[4]){a->B, z->G, S, z->dk});
        in->value = tensor(r, arena, 4, (size_t[4]){a->B, z->G, S, z->dv});
    } else if (a->B == 1 && chance(r, 2)) {
        in->query = matrix(r, arena, T, z->H * z->dk);
        in->key = matrix(r, arena, S, z->G * z->dk);
        in->value = matrix(r, arena, S, z->G * z->dv);
    } else {
        in->query = tensor(r, arena, 3, (size_t[4]){a->B, T, z->H * z->dk});
        in->key = tensor(r, arena, 3, (size_t[4]){a->B, S, z->G * z->dk});
        in->value = tensor(r, arena, 3, (size_t[4]){a->B, S, z->G * z->dv});
    }
}

static size_t largest(const size_t *of, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most = of[i] > most ? of[i] : most;
    return most;
}

static size_t smallest(const size_t *of, size_t count)
{
    size_t least = of[0];
    for (size_t i = 0; i < count; i++)
        least = of[i] < least ? of[i] : least;
    return least;
}

/* Any rank, any axis of extent 1, keys without a column, and some empty rows. */
static void draw_mask(struct random_attention *a, struct test_random *r,
                      struct arena *arena)
{
    struct attention_mask *m = &a->input.mask;
    size_t T = largest(a->T, a->B), S = largest(a->S, a->B);
    const size_t full[4] = {a->B, a->sizes.H, T, S};
    m->rank = test_random_size(r, 1, 4);
    size_t count = 1;
    for (size_t axis = 0; axis < m->rank; axis++) {
        size_t size = full[4 - m->rank + axis];
        if (chance(r, 4))
            size = 1;
        else if (axis == m->rank - 1 && chance(r, 4))
            size = test_random_size(r, 1, size);
        m->extent[axis] = size;
        count *= size;
    }
    size_t columns = m->extent[m->rank - 1];
    uint8_t *allowed = room(arena, count, sizeof *allowed);
    float *bias = room(arena, count, sizeof *bias);
    bool empty = false;
    for (size_t i = 0; i < count; i++) {
        if (i % columns == 0)
            empty = chance(r, 8);
        allowed[i] = !empty && !chance(r, 3);
        bias[i] = allowed[i] ? 4 * test_random_float(r) : -INFINITY;
    }
    m->kind = chance(r, 2) ? MASK_BOOLEAN : MASK_ADDITIVE;
    m->allowed = m->kind == MASK_BOOLEAN ? allowed : NULL;
    m->bias = m->kind == MASK_ADDITIVE ? bias : NULL;
}

/* Keys and values before those of the request. */
static void draw_past(struct random_attention *a, struct test_random *r,
                      struct arena *arena, size_t longest)
{
    struct float64_sizes *z = &a->sizes;
    struct attention_input *in = &a->input;
    bool single = in->query.rank ? in->query.rank == 2 : in->sequences.single;
    z->P = extent(r, longest);
    in->past.given = true;
    if (single && chance(r, 2)) {
        in->past.key = tensor(r, arena, 3, (size_t[4]){z->G, z->P, z->dk});
        in->past.value = tensor(r, arena, 3, (size_t[4]){z->G, z->P, z->dv});
    } else {
        in->past.key = tensor(r, arena, 4, (size_t[4]){a->B, z->G, z->P, z->dk});
        in->past.value = tensor(r, arena, 4, (size_t[4]){a->B, z->G, z->P, z->dv});
    }
    for (size_t b = 0; b < a->B; b++)
        a->S[b] += z->P;
}

static void draw_positions(struct random_attention *a, struct test_random *r,
                           struct arena *arena)
{
    struct rope_input *rope = &a->input.rope;
    size_t T = largest(a->T, a->B);
    rope->position_rank = test_random_size(r, 1, 2);
    rope->position_extent[0] = rope->position_rank == 2 ? a->B : T;
    rope->position_extent[1] = rope->position_rank == 2 ? T : 0;
    size_t count = rope->position_rank == 2 ? a->B * T : T;
    int64_t *positions = room(arena, count, sizeof *positions);
    for (size_t i = 0; i < count; i++)
        positions[i] = (int64_t)test_random_size(r, 0, 300);
    rope->positions = positions;
}

/* Tables that turn, but not by the angles of any base. */
static void draw_tables(struct random_attention *a, struct test_random *r,
                        struct arena *arena, size_t dims)
{
    struct rope_input *rope = &a->input.rope;
    size_t most = largest(a->T, a->B) + largest(a->S, a->B) + 301;
    rope->base = 0;
    rope->cosines = matrix(r, arena, most, dims / 2);
    rope->sines = matrix(r, arena, most, dims / 2);
}

static void draw_rope(struct random_attention *a, struct test_random *r,
                      struct arena *arena)
{
    struct rope_input *rope = &a->input.rope;
    size_t dk = a->sizes.dk, dims = 2 * test_random_size(r, 1, dk / 2);
    bool all = dk % 2 == 0 && chance(r, 2);
    rope->given = true;
    rope->base = chance(r, 2) ? 10000 : 3.5;
    rope->dims = all ? 0 : dims;
    rope->interleaved = chance(r, 2);
    if (chance(r, 3)) {
        draw_positions(a, r, arena);
    } else if (chance(r, 3)) {
        rope->offset_given = true;
        rope->offset = (int64_t)test_random_size(r, 0, 300);
    }
    if (chance(r, 4))
        draw_tables(a, r, arena, all ? dk : dims);
}

static void draw_options(struct random_attention *a, struct test_random *r,
                         struct arena *arena)
{
    struct attention_input *in = &a->input;
    size_t H = a->sizes.H;
    if (chance(r, 4)) {
        in->window.left_given = chance(r, 2);
        in->window.right_given = chance(r, 2);
        in->window.left = chance(r, 9) ? SIZE_MAX : test_random_size(r, 0, 20);
        in->window.right = chance(r, 9) ? SIZE_MAX : test_random_size(r, 0, 20);
    }
    if (chance(r, 4)) {
        size_t *lengths = room(arena, a->B, sizeof *lengths);
        for (size_t b = 0; b < a->B; b++)
            lengths[b] = test_random_size(r, 0, a->S[b]);
        in->key_lengths = lengths;
        in->key_length_count = a->B;
    }
    if (chance(r, 4))
        in->softcap = 0.2f + 3 * fabsf(test_random_float(r));
    if (chance(r, 4)) {
        in->alibi = true;
        if (chance(r, 2))
            in->alibi_slopes = tensor(r, arena, 1, (size_t[4]){H});
    }
    if (chance(r, 4))
        in->sinks = tensor(r, arena, 1, (size_t[4]){H});
    if (chance(r, 6))
        in->dropout = (struct dropout_input){.rate = 0.8f * fabsf(test_random_float(r)),
                                             .seed = test_random_next(r),
                                             .on_scores = chance(r, 2)};
    if (a->sizes.dk > 1 && chance(r, 3))
        draw_rope(a, r, arena);
}

static void draw_answer(struct random_attention *a, struct test_random *r,
                        struct arena *arena)
{
    struct attention_input *in = &a->input;
    in->want_projections = chance(r, 2);
    in->want_lse = chance(r, 2);
    in->want_present = chance(r, 2);
    in->want_entropy = chance(r, 3);
    in->want_statistics = chance(r, 3);
    in->maps = (enum map_form)test_random_size(r, MAPS_HEADS, MAPS_TOP_K);
    if (in->maps != MAPS_NONE && chance(r, 2))
        in->map_stage = (enum map_stage)test_random_size(r, 0, MAP_STAGE_BIASED);
    if (in->maps == MAPS_TOP_K)
        in->top_k = test_random_size(r, 1, smallest(a->S, a->B));
    if ((in->maps != MAPS_HEADS && in->maps != MAPS_TOP_K) || chance(r, 2))
        return;

    /* Some of the heads, downwards. */
    size_t *heads = room(arena, a->sizes.H, sizeof *heads);
    in->map_head_count = test_random_size(r, 1, a->sizes.H);
    for (size_t i = 0; i < in->map_head_count; i++)
        heads[i] = a->sizes.H - 1 - i;
    in->map_heads = heads;
    in->map_heads_given = true;
}

struct random_attention random_attention(struct test_random *r, size_t longest,
                                         struct arena *arena)
{
    struct random_attention a = {.B = chance(r, 2) ? 1 : test_random_size(r, 1, 4)};
    struct float64_sizes *z = &a.sizes;
    z->G = test_random_size(r, 1, 3);
    z->H = z->G * test_random_size(r, 1, 4);
    z->dk = extent(r, chance(r, 4) ? 70 : 20);
    z->dv = extent(r, chance(r, 4) ? 70 : 20);
    if (chance(r, 2))
        draw_tokens(&a, r, arena, longest);
    else
        draw_projected(&a, r, arena, longest);

    if (chance(r, 4))
        draw_past(&a, r, arena, longest);

    a.input.heads = z->H;
    a.input.kv_heads = z->G == z->H && chance(r, 2) ? 0 : z->G;
    a.input.scale_given = chance(r, 3);
    a.input.scale = test_random_float(r) / sqrtf((float)z->dk);
    a.input.causal = chance(r, 3);
    a.input.align = chance(r, 2) ? ALIGN_TOP_LEFT : ALIGN_BOTTOM_RIGHT;
    if (chance(r, 2))
        draw_mask(&a, r, arena);
    draw_options(&a, r, arena);
    draw_answer(&a, r, arena);
    return a;
}

struct float64_sizes random_attention_sizes(const struct random_attention *a, size_t b)
{
    struct float64_sizes sizes = a->sizes;
    sizes.T = a->T[b];
    sizes.S = a->S[b];
    return sizes;
}
