#include "core/multi_head_plan.h"

#include <math.h>

#include "core/attention_mask.h"

/* What all sequences of a plan have in common while it is built. */
struct planner {
    const struct attention_input *input;
    const struct attention_shape *shape;
    struct multi_head *plan;
    struct arena *arena;
};

/* One of Q, K and V of one sequence, as the input has it. */
struct side {
    const float *x;                /* [rows][in] or, when split, [heads][rows][width] */
    size_t rows, in, heads, width; /* in: for the product */
    const struct tensor *w, *bias; /* of rank 0: none */
};

/* Room for a b c numbers. */
static float *numbers(struct arena *arena, size_t a, size_t b, size_t c,
                      struct error *e)
{
    size_t rows, count;
    if (__builtin_mul_overflow(a, b, &rows) ||
        __builtin_mul_overflow(rows, c, &count)) {
        error_set(e, ERROR_TOO_LARGE, "", "needs %zu x %zu x %zu numbers at once", a, b,
                  c);
        return NULL;
    }
    return arena_alloc(arena, count, sizeof(float), e);
}

/* The numbers of sequence `b`: of `projected`, or else of `tokens`. */
static const float *numbers_of(const struct planner *p, const struct tensor *projected,
                               const struct batch *tokens, size_t b)
{
    return p->shape->projected
               ? projected->data + b * (tensor_count(projected) / p->shape->B)
               : tokens->item[b].data;
}

/* Plans how `side` becomes [heads][rows][width]: by a product, by a copy when the
 * caller wants to see it so, or not at all. `*view` is what the kernel reads. */
static bool plan_side(struct planner *p, const struct side *side,
                      struct projection *projection, struct heads_view *view,
                      const float **wanted, struct error *e)
{
    size_t rows = side->rows, width = side->width;
    bool split = p->shape->split_heads || side->heads == 1;
    bool product = side->w->rank > 0;
    bool copy = p->input->want_projections && !split;
    const float *data = side->x;
    if (product || copy) {
        float *out = numbers(p->arena, side->heads, rows, width, e);
        if (!out)
            return false;

        *projection = (struct projection){
            .rows = rows,
            .in = product ? side->in : side->heads * width,
            .heads = side->heads,
            .width = width,
            .x = side->x,
            .w = product ? side->w->data : NULL,
            .bias = product && side->bias->rank ? side->bias->data : NULL,
            .out = out};
        data = out;
        split = true;
    }
    *view = split ? (struct heads_view){data, rows * width, width}
                  : (struct heads_view){data, width, side->heads * width};
    *wanted = p->input->want_projections ? data : NULL;
    return true;
}

static bool plan_sides(struct planner *p, size_t b, struct sequence_plan *s,
                       struct sequence_result *r, struct error *e)
{
    const struct attention_input *input = p->input;
    const struct attention_weights *w = &input->weights;
    const struct attention_shape *shape = p->shape;
    const struct batch *asked =
        input->context.count ? &input->context : &input->sequences;
    const struct side query = {numbers_of(p, &input->query, &input->sequences, b),
                               r->T,
                               shape->d,
                               shape->H,
                               shape->dk,
                               &w->wq,
                               &w->bq};
    const struct side key = {numbers_of(p, &input->key, asked, b),
                             r->S,
                             shape->dc,
                             shape->G,
                             shape->dk,
                             &w->wk,
                             &w->bk};
    const struct side value = {numbers_of(p, &input->value, asked, b),
                               r->S,
                               shape->dc,
                               shape->G,
                               shape->dv,
                               &w->wv,
                               &w->bv};
    struct attention *a = &s->attention;
    return plan_side(p, &query, &s->query, &a->query, &r->query, e) &&
           plan_side(p, &key, &s->key, &a->key, &r->key, e) &&
           plan_side(p, &value, &s->value, &a->value, &r->value, e);
}

/* Room for the weights that are answered. */
static bool plan_maps(struct planner *p, struct attention *a, struct sequence_result *r,
                      const size_t *all_heads, struct error *e)
{
    size_t count = p->shape->map_heads;
    if (count == 0)
        return true;

    float *maps = numbers(p->arena, count, a->T, a->S, e);
    r->maps = maps;
    if (p->input->maps == MAPS_MEAN) {
        a->mean_map = maps;
        return maps;
    }
    a->maps = maps;
    a->map_heads = p->input->map_heads_given ? p->input->map_heads : all_heads;
    a->map_head_count = count;
    return maps;
}

static bool plan_attention(struct planner *p, size_t b, struct sequence_plan *s,
                           struct sequence_result *r, size_t *all_heads,
                           struct error *e)
{
    const struct attention_input *input = p->input;
    const struct attention_shape *shape = p->shape;
    struct attention *a = &s->attention;
    size_t H = shape->H, T = r->T, S = r->S, dv = shape->dv;

    a->H = H;
    a->G = shape->G;
    a->T = T;
    a->S = S;
    a->dk = shape->dk;
    a->dv = dv;
    a->scale = input->scale_given ? input->scale : (float)(1 / sqrt((double)shape->dk));
    a->key_length = S;
    a->causal = input->causal;
    a->offset = input->align == ALIGN_BOTTOM_RIGHT ? (ptrdiff_t)S - (ptrdiff_t)T : 0;
    a->mask = attention_mask_view(&input->mask, b, S);

    a->out = numbers(p->arena, H, T, dv, e);
    a->out_head_stride = shape->split_heads ? T * dv : dv;
    a->out_row_stride = shape->split_heads ? dv : H * dv;
    r->output = a->out;
    if (!a->out)
        return false;

    if (input->want_lse) {
        r->lse = a->lse = numbers(p->arena, H, T, 1, e);
        if (!a->lse)
            return false;
    }
    return plan_maps(p, a, r, all_heads, e);
}

static bool plan_output(struct planner *p, struct sequence_plan *s,
                        struct sequence_result *r, struct error *e)
{
    const struct attention_weights *w = &p->input->weights;
    if (w->wo.rank == 0)
        return true;

    float *out = numbers(p->arena, r->T, p->shape->output_width, 1, e);
    if (!out)
        return false;

    s->output = (struct projection){.rows = r->T,
                                    .in = p->shape->H * p->shape->dv,
                                    .heads = 1,
                                    .width = p->shape->output_width,
                                    .x = s->attention.out,
                                    .w = w->wo.data,
                                    .bias = w->bo.rank ? w->bo.data : NULL,
                                    .out = out};
    r->output = out;
    return true;
}

/* Counts the tasks of `s`, which comes after `before`, and the memory they need. */
static bool plan_tasks(struct planner *p, struct sequence_plan *s,
                       const struct sequence_plan *before, struct error *e)
{
    const struct attention_kernel *kernel = p->plan->kernel;
    const size_t tasks[STEPS] = {
        [STEP_PROJECT] = projection_blocks(&s->query) + projection_blocks(&s->key) +
                         projection_blocks(&s->value),
        [STEP_PACK] = kernel->packs(&s->attention),
        [STEP_ATTEND] = kernel->tiles(&s->attention),
        [STEP_OUTPUT] = projection_blocks(&s->output),
    };
    for (size_t step = 0; step < STEPS; step++)
        s->tasks_until[step] = (before ? before->tasks_until[step] : 0) + tasks[step];

    const size_t scratch[] = {
        projection_scratch_bytes(&s->query), projection_scratch_bytes(&s->key),
        projection_scratch_bytes(&s->value), projection_scratch_bytes(&s->output),
        kernel->scratch_bytes(&s->attention)};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        if (scratch[i] > p->plan->scratch_bytes)
            p->plan->scratch_bytes = scratch[i];

    s->packed = arena_alloc(p->arena, kernel->packed_bytes(&s->attention), 1, e);
    return s->packed;
}

/* Pairs of a query and a key that it may see, leaving a mask aside. */
static double visible_pairs(const struct attention *a)
{
    if (!a->causal)
        return (double)a->T * (double)a->S;

    double pairs = 0;
    for (size_t i = 0; i < a->T; i++) {
        ptrdiff_t seen = (ptrdiff_t)i + a->offset + 1;
        if (seen > 0)
            pairs += seen < (ptrdiff_t)a->S ? (double)seen : (double)a->S;
    }
    return pairs;
}

static double projection_flops(const struct projection *p)
{
    if (!p->out || !p->w)
        return 0;
    return 2.0 * (double)p->rows * (double)p->in * (double)p->heads * (double)p->width;
}

static void add_work(struct multi_head_work *work, const struct sequence_plan *s)
{
    const struct attention *a = &s->attention;
    work->sequences++;
    work->tokens += a->T;
    work->longest = a->T > work->longest ? a->T : work->longest;
    work->flops += projection_flops(&s->query) + projection_flops(&s->key) +
                   projection_flops(&s->value) + projection_flops(&s->output) +
                   2.0 * (double)a->H * visible_pairs(a) * (double)(a->dk + a->dv);
}

static bool plan_sequences(struct planner *p, struct error *e)
{
    size_t B = p->shape->B, H = p->shape->H;
    struct multi_head *plan = p->plan;
    struct sequence_result *results = arena_alloc(p->arena, B, sizeof *results, e);
    size_t *all_heads = arena_alloc(p->arena, H, sizeof *all_heads, e);
    plan->sequence = arena_alloc(p->arena, B, sizeof *plan->sequence, e);
    if (!results || !all_heads || !plan->sequence)
        return false;

    for (size_t h = 0; h < H; h++)
        all_heads[h] = h;
    for (size_t b = 0; b < B; b++) {
        struct sequence_plan *s = &plan->sequence[b];
        struct sequence_result *r = &results[b];
        *s = (struct sequence_plan){0};
        *r = (struct sequence_result){.T = attention_shape_T(p->input, b),
                                      .S = attention_shape_S(p->input, b)};
        r->map_columns = r->S;
        if (!plan_sides(p, b, s, r, e) || !plan_attention(p, b, s, r, all_heads, e) ||
            !plan_output(p, s, r, e) || !plan_tasks(p, s, b ? s - 1 : NULL, e))
            return false;
        add_work(&plan->work, s);
    }
    plan->result.sequence = results;
    return true;
}

struct multi_head *multi_head_plan_with(const struct attention_kernel *kernel,
                                        const struct attention_input *input,
                                        const struct attention_limits *limits,
                                        struct arena *arena, struct error *e)
{
    struct attention_shape shape;
    if (!attention_shape_of(input, limits, &shape, e))
        return NULL;

    struct multi_head *plan = arena_alloc(arena, 1, sizeof *plan, e);
    if (!plan)
        return NULL;

    *plan = (struct multi_head){
        .kernel = kernel,
        .result = {.B = shape.B,
                   .single = shape.single,
                   .split_heads = shape.split_heads,
                   .mean_map = input->maps == MAPS_MEAN,
                   .H = shape.H,
                   .G = shape.G,
                   .dk = shape.dk,
                   .dv = shape.dv,
                   .width = shape.output_width,
                   .map_heads = shape.map_heads},
    };
    struct planner planner = {input, &shape, plan, arena};
    return plan_sequences(&planner, e) ? plan : NULL;
}

struct multi_head *multi_head_plan(const struct attention_input *input,
                                   const struct attention_limits *limits,
                                   struct arena *arena, struct error *e)
{
    return multi_head_plan_with(&attention_tiled, input, limits, arena, e);
}
