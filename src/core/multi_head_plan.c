#include "core/multi_head_plan.h"

#include "core/alibi.h"
#include "core/attention_past.h"
#include "core/rope.h"

/* Of what multi_head_work calls small. */
enum { SMALL_FLOPS = 64 * 1024, SMALL_SCRATCH_BYTES = 64 * 1024 };

float *multi_head_numbers(struct arena *arena, size_t a, size_t b, size_t c,
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

/* Counts the tasks of `s`, which comes after `before`. */
static void count_tasks(struct sequence_plan *s, const struct sequence_plan *before)
{
    for (enum step step = 0; step < STEPS; step++) {
        size_t tasks = before ? before->tasks_until[step] : 0;
        if (step == STEP_JOIN)
            tasks += joining_blocks(&s->query) + joining_blocks(&s->key) +
                     joining_blocks(&s->value);
        else if (step == STEP_SUMMARISE)
            tasks += multi_head_summaries(s);
        else if (step == STEP_PACK || step == STEP_ATTEND)
            tasks += multi_head_problem_tasks(&s->asked, step) +
                     multi_head_problem_tasks(&s->exact, step);
        s->tasks_until[step] = tasks;
    }
}

static void add_problem(struct multi_head_work *work, const struct problem_plan *p)
{
    const double task = 60e3; /* begun and ended, however little is in it */
    if (!p->kernel)
        return;
    size_t tasks = p->kernel->packs(&p->attention) + p->kernel->tiles(&p->attention);
    work->flops += approximations_flops(&p->attention);
    work->cost += p->cost + task * (double)tasks;
}

static void add_work(struct multi_head_work *work, const struct sequence_plan *s)
{
    size_t T = s->result->T;
    work->sequences++;
    work->tokens += T;
    work->longest = T > work->longest ? T : work->longest;
    add_problem(work, &s->asked);
    add_problem(work, &s->exact);
}

/* What all sequences do together. */
static void add_projections(struct multi_head *plan)
{
    for (size_t n = 0; n < PROJECTIONS; n++) {
        size_t scratch = projection_scratch_bytes(&plan->projection[n]);
        double flops = projection_flops(&plan->projection[n]);
        plan->work.flops += flops;
        plan->work.cost += flops;
        if (scratch > plan->scratch_bytes)
            plan->scratch_bytes = scratch;
    }
}

/* Matrices and sizes of all projections; sequences come later. */
static bool plan_projections(struct planner *p, struct error *e)
{
    const struct attention_weights *w = &p->input->weights;
    const struct attention_shape *s = p->shape;
    const struct {
        size_t in, heads, width;
        const struct tensor *w, *bias;
    } all[PROJECTIONS] = {
        [QUERIES] = {s->d, s->H, s->dk, &w->wq, &w->bq},
        [KEYS] = {s->dc, s->G, s->dk, &w->wk, &w->bk},
        [VALUES] = {s->dc, s->G, s->dv, &w->wv, &w->bv},
        [OUTPUTS] = {s->H * s->dv, 1, s->output_width, &w->wo, &w->bo},
        [EXACT_OUTPUTS] = {s->H * s->dv, 1, s->output_width, &w->wo, &w->bo},
    };
    for (size_t n = 0; n < PROJECTIONS; n++) {
        bool product = all[n].w->rank > 0;
        struct projection *projection = &p->plan->projection[n];
        *projection = (struct projection){
            .in = product ? all[n].in : all[n].heads * all[n].width,
            .heads = all[n].heads,
            .width = all[n].width,
            .w = product ? all[n].w->data : NULL,
            .bias = product && all[n].bias->rank ? all[n].bias->data : NULL,
            .rows = arena_alloc(p->arena, s->B, sizeof *projection->rows, e)};
        if (!projection->rows)
            return false;
    }
    return true;
}

/* Frequencies, slopes and the like, which all sequences share. */
static bool plan_shared(struct planner *p, struct error *e)
{
    const struct attention_input *in = p->input;
    size_t H = p->shape->H;
    size_t dims = in->rope.dims ? in->rope.dims : p->shape->dk;
    size_t *heads = arena_alloc(p->arena, H, sizeof *heads, e);
    float *slopes = arena_alloc(p->arena, H, sizeof *slopes, e);
    double *frequencies = arena_alloc(p->arena, dims / 2, sizeof *frequencies, e);
    if (!heads || !slopes || !frequencies)
        return false;

    for (size_t h = 0; h < H; h++)
        heads[h] = h;
    p->heads = heads;
    p->P = attention_past_length(in);
    p->sinks = in->sinks.rank ? in->sinks.data : NULL;
    alibi_slopes(H, slopes);
    if (in->alibi)
        p->slopes = in->alibi_slopes.rank ? in->alibi_slopes.data : slopes;
    if (in->rope.given && !in->rope.cosines.rank) {
        rope_frequencies(in->rope.base, dims, frequencies);
        p->frequencies = frequencies;
    }
    return approximations_prepare(in, p->shape, &p->common, p->arena, e);
}

static bool plan_sequences(struct planner *p, struct error *e)
{
    size_t B = p->shape->B;
    struct multi_head *plan = p->plan;
    struct sequence_result *results = arena_alloc(p->arena, B, sizeof *results, e);
    plan->sequence = arena_alloc(p->arena, B, sizeof *plan->sequence, e);
    if (!results || !plan->sequence || !plan_projections(p, e))
        return false;

    for (size_t b = 0; b < B; b++) {
        struct sequence_plan *s = &plan->sequence[b];
        results[b] = (struct sequence_result){.T = attention_shape_T(p->input, b),
                                              .S = attention_shape_S(p->input, b)};
        *s = (struct sequence_plan){.result = &results[b]};
        if (!multi_head_plan_sides(p, b, s, e) || !multi_head_plan_problems(p, b, s, e))
            return false;
        count_tasks(s, b ? s - 1 : NULL);
        add_work(&plan->work, s);
    }
    add_projections(plan);
    plan->result.sequence = results;
    plan->work.small = plan->work.small && plan->result.method == METHOD_EXACT &&
                       plan->work.flops <= SMALL_FLOPS &&
                       plan->scratch_bytes <= SMALL_SCRATCH_BYTES;
    return true;
}

struct multi_head *multi_head_plan_with(const struct attention_kernel *kernel,
                                        const struct attention_input *input,
                                        const struct attention_limits *limits,
                                        struct arena *arena, struct error *e)
{
    struct attention_shape shape;
    if (!attention_shape_of(input, limits, &shape, e) ||
        !approximations_check(input, &shape, e))
        return NULL;

    struct multi_head *plan = arena_alloc(arena, 1, sizeof *plan, e);
    if (!plan)
        return NULL;

    *plan = (struct multi_head){
        .work = {.small = true},
        .result = {.B = shape.B,
                   .single = shape.single,
                   .split_heads = shape.split_heads,
                   .mean_map = input->maps == MAPS_MEAN,
                   .top = input->maps == MAPS_TOP_K ? input->top_k : 0,
                   .method = input->method.name,
                   .compared = input->method.compare,
                   .H = shape.H,
                   .G = shape.G,
                   .dk = shape.dk,
                   .dv = shape.dv,
                   .width = shape.output_width,
                   .map_heads = shape.map_heads},
    };
    struct planner planner = {.input = input,
                              .shape = &shape,
                              .kernel = kernel,
                              .plan = plan,
                              .arena = arena,
                              .near_bytes = limits->near_bytes};
    return plan_shared(&planner, e) && plan_sequences(&planner, e) ? plan : NULL;
}

struct multi_head *multi_head_plan(const struct attention_input *input,
                                   const struct attention_limits *limits,
                                   struct arena *arena, struct error *e)
{
    return multi_head_plan_with(&attention_tiled, input, limits, arena, e);
}
