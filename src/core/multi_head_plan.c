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

static size_t side_tasks(const struct side_plan *side, enum step step)
{
    return step == STEP_PROJECT ? projection_blocks(&side->projection)
                                : joining_blocks(&side->joining);
}

/* Counts the tasks of `s`, which comes after `before`. */
static void count_tasks(struct sequence_plan *s, const struct sequence_plan *before)
{
    for (enum step step = 0; step < STEPS; step++) {
        size_t tasks = before ? before->tasks_until[step] : 0;
        if (step <= STEP_JOIN)
            tasks += side_tasks(&s->query, step) + side_tasks(&s->key, step) +
                     side_tasks(&s->value, step);
        else if (step == STEP_SUMMARISE)
            tasks += multi_head_summaries(s);
        else
            tasks += multi_head_problem_tasks(&s->asked, step) +
                     multi_head_problem_tasks(&s->exact, step);
        s->tasks_until[step] = tasks;
    }
}

static double projection_flops(const struct projection *p)
{
    if (!p->out || !p->w)
        return 0;
    return 2.0 * (double)p->rows * (double)p->in * (double)p->heads * (double)p->width;
}

static double problem_flops(const struct problem_plan *problem)
{
    if (!problem->kernel)
        return 0;
    return approximations_flops(&problem->attention) +
           projection_flops(&problem->output);
}

static void add_work(struct multi_head_work *work, const struct sequence_plan *s)
{
    size_t T = s->result->T;
    work->sequences++;
    work->tokens += T;
    work->longest = T > work->longest ? T : work->longest;
    work->flops += projection_flops(&s->query.projection) +
                   projection_flops(&s->key.projection) +
                   projection_flops(&s->value.projection) + problem_flops(&s->asked) +
                   problem_flops(&s->exact);
    work->small = work->small && projection_is_small(&s->query.projection) &&
                  projection_is_small(&s->key.projection) &&
                  projection_is_small(&s->value.projection) &&
                  projection_is_small(&s->asked.output) &&
                  projection_is_small(&s->exact.output);
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
    if (!results || !plan->sequence)
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
                              .arena = arena};
    return plan_shared(&planner, e) && plan_sequences(&planner, e) ? plan : NULL;
}

struct multi_head *multi_head_plan(const struct attention_input *input,
                                   const struct attention_limits *limits,
                                   struct arena *arena, struct error *e)
{
    return multi_head_plan_with(&attention_tiled, input, limits, arena, e);
}
