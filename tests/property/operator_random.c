#include "property/operator_random.h"

/* What is drawn, and from what. */
struct draw {
    struct test_random *r;
    struct arena *arena;
    struct attention_input *in;
    bool exact; /* few bits in each number */
    size_t B, H, G, dk, dv, P;
    size_t T[8], S[8], longest_T, longest_S; /* S without the past */
};

static bool chance(struct draw *d, size_t percent)
{
    return test_random_size(d->r, 1, 100) <= percent;
}

static size_t among(struct draw *d, size_t least, size_t most)
{
    return test_random_size(d->r, least, most);
}

/* From 1 to `most`, and 1 itself often enough to be met. */
static size_t extent(struct draw *d, size_t most)
{
    return chance(d, 15) ? 1 : among(d, 1, most);
}

static void *room(struct draw *d, size_t count, size_t size)
{
    struct error e = {0};
    void *p = arena_alloc(d->arena, count, size, &e);
    ck_assert_msg(p != NULL, "%s", e.message);
    return p;
}

/* From -1 to 1. */
static float number(struct draw *d)
{
    return d->exact ? (float)among(d, 0, 4) / 2 - 1 : test_random_float(d->r);
}

static struct tensor tensor(struct draw *d, float size, size_t rank,
                            const size_t extents[4])
{
    struct tensor t = {.rank = rank};
    memcpy(t.extent, extents, rank * sizeof *extents);
    float *data = room(d, tensor_count(&t), sizeof *data);
    for (size_t i = 0; i < tensor_count(&t); i++)
        data[i] = size * number(d);
    t.data = data;
    return t;
}

/* Leaves the size of what it multiplies about as it is, as trained weights do. */
static struct tensor matrix(struct draw *d, size_t rows, size_t columns)
{
    return tensor(d, 1.7f / sqrtf((float)rows), 2, (size_t[4]){rows, columns});
}

static struct tensor maybe_vector(struct draw *d, size_t n)
{
    return chance(d, 50) ? tensor(d, 1, 1, (size_t[4]){n}) : (struct tensor){0};
}

static struct batch batch(struct draw *d, const size_t *rows, size_t width, bool single)
{
    struct tensor *item = room(d, d->B, sizeof *item);
    for (size_t b = 0; b < d->B; b++)
        item[b] = tensor(d, 1.5f, 2, (size_t[4]){rows[b], width});
    return (struct batch){d->B, single, item};
}

static void draw_weights(struct draw *d, size_t width, size_t context_width)
{
    struct attention_weights *w = &d->in->weights;
    w->given = true;
    w->wq = matrix(d, width, d->H * d->dk);
    w->wk = matrix(d, context_width, d->G * d->dk);
    w->wv = matrix(d, context_width, d->G * d->dv);
    w->bq = maybe_vector(d, d->H * d->dk);
    w->bk = maybe_vector(d, d->G * d->dk);
    w->bv = maybe_vector(d, d->G * d->dv);
    if (chance(d, 50))
        return;

    size_t out = among(d, 1, 20);
    w->wo = matrix(d, d->H * d->dv, out);
    w->bo = maybe_vector(d, out);
}

static void draw_tokens(struct draw *d, size_t longest)
{
    bool single = d->B == 1 && chance(d, 50), context = chance(d, 40);
    bool ragged = chance(d, 60), weights = !d->exact && chance(d, 75);
    for (size_t b = 0; b < d->B; b++) {
        d->T[b] = b > 0 && !ragged ? d->T[0] : extent(d, longest);
        d->S[b] = !context ? d->T[b] : b > 0 && !ragged ? d->S[0] : extent(d, longest);
    }
    if (!weights) { /* queries, keys and values are the tokens, cut into heads */
        d->G = d->H;
        d->dv = d->dk;
    }
    size_t width = weights ? among(d, 1, 20) : d->H * d->dk;
    size_t context_width = weights && context ? among(d, 1, 20) : width;
    d->in->sequences = batch(d, d->T, width, single);
    if (context)
        d->in->context = batch(d, d->S, context_width, single);
    if (weights)
        draw_weights(d, width, context_width);
}

static void draw_projected(struct draw *d, size_t longest)
{
    struct attention_input *in = d->in;
    size_t B = d->B, H = d->H, G = d->G, dk = d->dk, dv = d->dv;
    size_t T = extent(d, longest), S = chance(d, 40) ? T : extent(d, longest);
    for (size_t b = 0; b < B; b++) {
        d->T[b] = T;
        d->S[b] = S;
    }
    if (chance(d, 50)) {
        in->query = tensor(d, 1.5f, 4, (size_t[4]){B, H, T, dk});
        in->key = tensor(d, 1.5f, 4, (size_t[4]){B, G, S, dk});
        in->value = tensor(d, 1.5f, 4, (size_t[4]){B, G, S, dv});
    } else if (B == 1 && chance(d, 50)) {
        in->query = tensor(d, 1.5f, 2, (size_t[4]){T, H * dk});
        in->key = tensor(d, 1.5f, 2, (size_t[4]){S, G * dk});
        in->value = tensor(d, 1.5f, 2, (size_t[4]){S, G * dv});
    } else {
        in->query = tensor(d, 1.5f, 3, (size_t[4]){B, T, H * dk});
        in->key = tensor(d, 1.5f, 3, (size_t[4]){B, S, G * dk});
        in->value = tensor(d, 1.5f, 3, (size_t[4]){B, S, G * dv});
    }
}

static void draw_past(struct draw *d, size_t longest)
{
    bool single = d->in->sequences.single || d->in->query.rank == 2;
    size_t rank = single && chance(d, 50) ? 3 : 4;
    d->P = extent(d, longest);
    const size_t key[4] = {d->B, d->G, d->P, d->dk},
                 value[4] = {d->B, d->G, d->P, d->dv};
    d->in->past.given = true;
    d->in->past.key = tensor(d, 1.5f, rank, key + 4 - rank);
    d->in->past.value = tensor(d, 1.5f, rank, value + 4 - rank);
}

/* Any rank, any axis of extent 1, keys without a column, and some empty rows. */
static void draw_mask(struct draw *d)
{
    struct attention_mask *m = &d->in->mask;
    const size_t full[4] = {d->B, d->H, d->longest_T, d->P + d->longest_S};
    m->rank = among(d, 1, 4);
    size_t count = 1, columns = 1;
    for (size_t axis = 0; axis < m->rank; axis++) {
        size_t size = full[4 - m->rank + axis];
        if (chance(d, 25))
            size = 1;
        else if (axis == m->rank - 1 && size > 1 && chance(d, 25))
            size = among(d, 2, size);
        m->extent[axis] = columns = size;
        count *= size;
    }
    uint8_t *allowed = room(d, count, sizeof *allowed);
    float *bias = room(d, count, sizeof *bias);
    bool empty = false, full_row = false;
    for (size_t i = 0; i < count; i++) {
        if (i % columns == 0) {
            empty = chance(d, 10);
            full_row = chance(d, 30);
        }
        allowed[i] = !empty && (full_row || chance(d, 70));
        bias[i] = allowed[i] ? 3 * number(d) : -INFINITY;
    }
    m->kind = chance(d, 50) ? MASK_BOOLEAN : MASK_ADDITIVE;
    m->allowed = m->kind == MASK_BOOLEAN ? allowed : NULL;
    m->bias = m->kind == MASK_ADDITIVE ? bias : NULL;
}

static void draw_visibility(struct draw *d)
{
    struct attention_input *in = d->in;
    in->causal = chance(d, 35);
    in->align = chance(d, 35) ? ALIGN_BOTTOM_RIGHT : ALIGN_TOP_LEFT;
    if (chance(d, 25)) {
        in->window.left_given = chance(d, 70);
        in->window.right_given = !in->window.left_given || chance(d, 50);
        in->window.left = in->window.left_given ? among(d, 0, 12) : 0;
        in->window.right = in->window.right_given ? among(d, 0, 12) : 0;
    }
    if (chance(d, 50))
        draw_mask(d);
    if (chance(d, 25)) {
        size_t *lengths = room(d, d->B, sizeof *lengths);
        for (size_t b = 0; b < d->B; b++)
            lengths[b] = chance(d, 10) ? 0 : among(d, 0, d->P + d->S[b]);
        in->key_lengths = lengths;
        in->key_length_count = d->B;
    }
}

/* Slopes that are powers of two keep exact numbers exact. */
static void draw_scores(struct draw *d)
{
    struct attention_input *in = d->in;
    in->scale_given = d->exact || chance(d, 25);
    in->scale = !in->scale_given ? 0 : d->exact ? 0.5f : 0.7f * number(d);
    if (in->scale_given && in->scale == 0)
        in->scale = -0.25f;
    in->softcap = !d->exact && chance(d, 25) ? 0.3f + (float)among(d, 0, 90) / 10 : 0;
    in->alibi = chance(d, 25);
    if (in->alibi && (d->exact || chance(d, 50))) {
        float *slopes = room(d, d->H, sizeof *slopes);
        for (size_t h = 0; h < d->H; h++)
            slopes[h] = d->exact ? (float)among(d, 0, 2) / 4 : 0.2f * number(d);
        in->alibi_slopes = (struct tensor){slopes, 1, {d->H}};
    }
    if (chance(d, 20))
        in->sinks = tensor(d, chance(d, 20) ? 20 : 3, 1, (size_t[4]){d->H});
    if (chance(d, 25)) {
        in->dropout.rate = chance(d, 10) ? 0.99f : (float)among(d, 1, 12) / 16;
        in->dropout.seed =
            chance(d, 50) ? among(d, 0, 9) : test_random_next(d->r) >> 11;
        in->dropout.on_scores = chance(d, 40);
    }
}

static void draw_positions(struct draw *d)
{
    struct rope_input *rope = &d->in->rope;
    size_t most = rope->cosines.rank ? rope->cosines.extent[0] : 2000;
    if (chance(d, 30)) {
        rope->offset_given = true;
        rope->offset = (int64_t)among(d, 0, most - d->longest_T);
        return;
    }
    size_t rows = chance(d, 50) ? d->B : 1, count = rows * d->longest_T;
    int64_t *positions = room(d, count, sizeof *positions);
    for (size_t i = 0; i < count; i++)
        positions[i] = (int64_t)among(d, 0, most - 1);
    rope->positions = positions;
    rope->position_rank = rows == d->B && (d->B > 1 || chance(d, 50)) ? 2 : 1;
    rope->position_extent[0] = rope->position_rank == 2 ? d->B : d->longest_T;
    rope->position_extent[1] = rope->position_rank == 2 ? d->longest_T : 0;
}

static void draw_rope(struct draw *d)
{
    struct rope_input *rope = &d->in->rope;
    bool even = d->dk % 2 == 0;
    rope->given = true;
    rope->interleaved = chance(d, 50);
    rope->dims = even && chance(d, 40) ? 0 : 2 * among(d, 1, d->dk / 2);
    rope->base = chance(d, 50) ? 10000 : (double)among(d, 2, 100000) / 4;
    if (chance(d, 25)) { /* angles of nothing, of any size: it is a table */
        size_t half = (rope->dims ? rope->dims : d->dk) / 2;
        size_t longest = d->longest_T > d->longest_S ? d->longest_T : d->longest_S;
        const size_t table[4] = {d->P + longest + among(d, 0, 9), half};
        rope->cosines = tensor(d, 1, 2, table);
        rope->sines = tensor(d, 1, 2, table);
        rope->base = 0;
    }
    if (chance(d, 50))
        draw_positions(d);
}

static size_t shortest_keys(const struct draw *d)
{
    size_t least = d->P + d->S[0];
    for (size_t b = 1; b < d->B; b++)
        least = d->P + d->S[b] < least ? d->P + d->S[b] : least;
    return least;
}

static void draw_maps(struct draw *d)
{
    struct attention_input *in = d->in;
    static const enum map_form forms[] = {MAPS_HEADS, MAPS_HEADS, MAPS_MEAN, MAPS_NONE,
                                          MAPS_TOP_K};
    in->maps = forms[among(d, 0, 4)];
    in->map_stage = chance(d, 50) ? MAP_STAGE_WEIGHTS : (enum map_stage)among(d, 0, 3);
    if (in->maps == MAPS_TOP_K)
        in->top_k = extent(d, shortest_keys(d));
    if (in->maps == MAPS_NONE)
        in->map_stage = MAP_STAGE_WEIGHTS;
    if (in->maps == MAPS_NONE || in->maps == MAPS_MEAN || chance(d, 50))
        return;

    size_t *heads = room(d, d->H, sizeof *heads), all = d->H;
    for (size_t h = 0; h < all; h++)
        heads[h] = h;
    in->map_head_count = among(d, 1, all);
    for (size_t n = 0; n < in->map_head_count; n++) { /* any of them, in any order */
        size_t other = among(d, n, all - 1), head = heads[other];
        heads[other] = heads[n];
        heads[n] = head;
    }
    in->map_heads = heads;
    in->map_heads_given = true;
}

static void draw_answer(struct draw *d)
{
    struct attention_input *in = d->in;
    draw_maps(d);
    in->want_projections = chance(d, 40);
    in->want_lse = chance(d, 50);
    in->want_present = chance(d, 40);
    in->want_entropy = chance(d, 30);
    in->want_statistics = chance(d, 30);
}

static void draw_sizes(struct draw *d, size_t sequences)
{
    static const size_t widths[] = {1, 2, 3, 4, 5, 8, 8, 15, 16, 17, 32, 33, 64, 65};
    size_t most = chance(d, 10) ? 13 : 8;
    d->B = chance(d, 60) ? 1 : among(d, 1, sequences);
    d->G = among(d, 1, 4);
    d->H = d->G * among(d, 1, 3);
    d->dk = widths[among(d, 0, most)];
    d->dv = widths[among(d, 0, most)];
}

struct attention_input random_operator(struct test_random *r, size_t sequences,
                                       size_t longest, struct arena *arena)
{
    struct attention_input in = {0};
    struct draw d = {.r = r, .arena = arena, .in = &in};
    bool keep = chance(&d, 15);
    d.exact = keep && chance(&d, 50);
    draw_sizes(&d, sequences);
    if (chance(&d, 50))
        draw_tokens(&d, longest);
    else
        draw_projected(&d, longest);
    in.heads = in.query.rank == 4 ? 0 : d.H;
    in.kv_heads = in.query.rank == 4 || d.G == d.H ? 0 : d.G;
    for (size_t b = 0; b < d.B; b++) {
        d.longest_T = d.T[b] > d.longest_T ? d.T[b] : d.longest_T;
        d.longest_S = d.S[b] > d.longest_S ? d.S[b] : d.longest_S;
    }
    if (chance(&d, 30))
        draw_past(&d, longest);
    draw_visibility(&d);
    draw_scores(&d);
    if (d.dk > 1 && !d.exact && chance(&d, 30))
        draw_rope(&d);
    if (keep) {
        in.method.name = METHOD_TOP_K;
        in.method.k = extent(&d, shortest_keys(&d));
    }
    draw_answer(&d);
    return in;
}
