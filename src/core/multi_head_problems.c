/* The attention of one sequence as a problem for a kernel: options, results, and what
 * is made of them afterwards. */
#include <float.h>
#include <math.h>

#include "base/size.h"
#include "core/attention_mask.h"
#include "core/figures.h"
#include "core/multi_head_plan.h"

/* Nothing stands further than T + S from anything, and so sums stay in range. */
static struct window_view window_of(const struct attention_input *in, size_t T,
                                    size_t S)
{
    struct window_view window = in->window;
    window.left = size_least(window.left, T + S);
    window.right = size_least(window.right, T + S);
    return window;
}

/* Sizes and options; the views are there already. */
static void describe(const struct planner *p, size_t b, struct sequence_plan *s)
{
    const struct attention_input *in = p->input;
    const struct attention_shape *shape = p->shape;
    struct attention *a = &s->asked.attention;
    size_t T = s->result->T, S = s->result->S;
    size_t valid = in->key_lengths ? in->key_lengths[b] : S;
    a->H = shape->H;
    a->G = shape->G;
    a->T = T;
    a->S = S;
    a->dk = shape->dk;
    a->dv = shape->dv;
    a->scale = in->scale_given ? in->scale : (float)(1 / sqrt((double)shape->dk));
    a->softcap = in->softcap;
    a->causal = in->causal;
    a->offset = in->align == ALIGN_BOTTOM_RIGHT ? (ptrdiff_t)valid - (ptrdiff_t)T
                                                : (ptrdiff_t)p->P;
    a->key_length = valid;
    a->window = window_of(in, T, S);
    a->mask = attention_mask_view(&in->mask, b, S);
    a->alibi = p->slopes;
    a->sinks = p->sinks;
    a->dropout = (struct dropout_view){.rate = in->dropout.rate,
                                       .on_scores = in->dropout.on_scores,
                                       .seed = in->dropout.seed,
                                       .batch = b};
    a->near_bytes = p->near_bytes;
}

/* Room for the attention's output and for what wo makes of it. */
static bool plan_output(struct planner *p, struct problem_plan *problem,
                        enum projected which, struct error *e)
{
    const struct attention_shape *shape = p->shape;
    struct attention *a = &problem->attention;
    a->out = multi_head_numbers(p->arena, a->H, a->T, a->dv, e);
    a->out_head_stride = shape->split_heads ? a->T * a->dv : a->dv;
    a->out_row_stride = shape->split_heads ? a->dv : a->H * a->dv;
    problem->answer = a->out;
    if (!a->out || p->input->weights.wo.rank == 0)
        return a->out;

    float *out = multi_head_numbers(p->arena, a->T, shape->output_width, 1, e);
    if (!out)
        return false;
    projection_add(&p->plan->projection[which], a->T, a->out, out);
    problem->answer = out;
    return true;
}

static bool plan_top(struct planner *p, struct attention *a, struct sequence_result *r,
                     struct error *e)
{
    size_t count = p->shape->map_heads, top = p->input->top_k;
    a->top = top;
    a->top_values = multi_head_numbers(p->arena, count, a->T, top, e);
    /* As many again, which is known to fit a size. */
    a->top_indices = a->top_values ? arena_alloc(p->arena, count * a->T * top,
                                                 sizeof *a->top_indices, e)
                                   : NULL;
    r->top_values = a->top_values;
    r->top_indices = a->top_indices;
    return a->top_indices;
}

/* Room for the maps that are answered. */
static bool plan_maps(struct planner *p, struct attention *a, struct sequence_result *r,
                      struct error *e)
{
    const struct attention_input *in = p->input;
    size_t count = p->shape->map_heads;
    a->map_stage = in->map_stage;
    if (count == 0)
        return true;

    a->map_heads = in->map_heads_given ? in->map_heads : p->heads;
    a->map_head_count = in->maps == MAPS_MEAN ? 0 : count;
    if (in->maps == MAPS_TOP_K)
        return plan_top(p, a, r, e);

    float *maps = multi_head_numbers(p->arena, count, a->T, r->map_columns, e);
    r->maps = maps;
    *(in->maps == MAPS_MEAN ? &a->mean_map : &a->maps) = maps;
    return maps;
}

static bool plan_entropy(struct planner *p, struct attention *a,
                         struct sequence_result *r, struct error *e)
{
    if (!p->input->want_entropy)
        return true;
    r->entropy = a->entropy = multi_head_numbers(p->arena, a->H, a->T, 2, e);
    return a->entropy;
}

static bool plan_lse(struct planner *p, struct attention *a, struct sequence_result *r,
                     struct error *e)
{
    if (!p->input->want_lse)
        return true;
    r->lse = a->lse = multi_head_numbers(p->arena, a->H, a->T, 1, e);
    return a->lse;
}

/* The parts that tiles fill, and what they add up to. */
static bool plan_statistics(struct planner *p, struct sequence_plan *s, struct error *e)
{
    struct attention *a = &s->asked.attention;
    if (!p->input->want_statistics)
        return true;

    size_t parts = s->asked.kernel->row_parts(a);
    a->received = multi_head_numbers(p->arena, a->H, parts, a->S, e);
    s->received = multi_head_numbers(p->arena, a->H, a->S, 1, e);
    if (!a->received || !s->received)
        return false;

    a->statistics = arena_alloc(p->arena, a->H * parts, sizeof *a->statistics, e);
    s->statistics = arena_alloc(p->arena, a->H, sizeof *s->statistics, e);
    s->result->statistics = s->statistics;
    s->result->received = s->received;
    return a->statistics && s->statistics;
}

/* The exact problem is the one that was asked for with nothing left out, and nothing
 * wanted of it but the output. */
static bool plan_exact(struct planner *p, struct sequence_plan *s, struct error *e)
{
    if (!p->input->method.compare)
        return true;
    s->exact.kernel = p->kernel;
    s->exact.attention = s->asked.attention;
    return plan_output(p, &s->exact, EXACT_OUTPUTS, e);
}

static bool plan_packed(struct planner *p, struct problem_plan *problem,
                        struct error *e)
{
    if (!problem->kernel)
        return true;

    size_t scratch = problem->kernel->scratch_bytes(&problem->attention);
    if (scratch > p->plan->scratch_bytes)
        p->plan->scratch_bytes = scratch;
    problem->packed =
        arena_alloc(p->arena, problem->kernel->packed_bytes(&problem->attention), 1, e);
    return problem->packed;
}

/* A task runs to its end once it has begun: a tile of the mean map, for example, which
 * all heads share, must not take long. */
static bool plan_cost(struct problem_plan *problem, struct error *e)
{
    const double most = 50; /* half a second */
    const struct attention *a = &problem->attention;
    if (!problem->kernel)
        return true;
    problem->cost = approximations_cost(a);
    double each = problem->cost / (double)problem->kernel->tiles(a) * 1e-9;
    return each <= most ||
           error_set(
               e, ERROR_TOO_LARGE, "",
               "makes %.0f thousand million operations of some rows in one go, at "
               "most %.0f are allowed%s",
               each, most,
               a->mean_map ? " (\"maps\": \"mean\" takes all heads together)" : "");
}

bool multi_head_plan_problems(struct planner *p, size_t b, struct sequence_plan *s,
                              struct error *e)
{
    struct attention *a = &s->asked.attention;
    struct sequence_result *r = s->result;
    describe(p, b, s);
    if (!plan_exact(p, s, e))
        return false;

    s->asked.kernel = approximations_plan(&p->common, b, p->kernel, a, p->arena, e);
    r->map_columns = approximations_map_columns(&p->input->method, a->S);
    if (!s->asked.kernel || !plan_output(p, &s->asked, OUTPUTS, e) ||
        !plan_maps(p, a, r, e) || !plan_lse(p, a, r, e) || !plan_entropy(p, a, r, e) ||
        !plan_statistics(p, s, e))
        return false;

    r->output = s->asked.answer;
    s->width = p->input->weights.wo.rank ? p->shape->output_width : a->H * a->dv;
    if (a->method && p->input->want_present)
        r->state = a->method->after;
    return plan_cost(&s->asked, e) && plan_cost(&s->exact, e) &&
           plan_packed(p, &s->asked, e) && plan_packed(p, &s->exact, e);
}

size_t multi_head_problem_tasks(const struct problem_plan *problem, enum step step)
{
    if (!problem->kernel)
        return 0;
    return step == STEP_PACK ? problem->kernel->packs(&problem->attention)
                             : problem->kernel->tiles(&problem->attention);
}

size_t multi_head_summaries(const struct sequence_plan *s)
{
    return (s->statistics ? s->asked.attention.H : 0) + (s->exact.kernel ? 1 : 0);
}

/* Of the outputs, which are [T][width] or, without a projection, H T dv numbers. */
static void measure_error(const struct sequence_plan *s)
{
    const struct attention *a = &s->asked.attention;
    size_t count = a->T * s->width;
    double most = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        double off = fabs((double)s->asked.answer[i] - (double)s->exact.answer[i]);
        most = off > most ? off : most;
        sum += off;
    }
    /* Two finite numbers may be further apart than float32 can say. */
    s->result->error_maximum = (float)fmin(most, (double)FLT_MAX);
    s->result->error_mean = (float)fmin(sum / (double)count, (double)FLT_MAX);
}

void multi_head_summarise(const struct sequence_plan *s, size_t task)
{
    const struct attention *a = &s->asked.attention;
    if (!s->statistics || task == a->H) {
        measure_error(s);
        return;
    }
    head_statistics_sum(a, s->asked.kernel->row_parts(a), task, &s->statistics[task],
                        s->received + task * a->S);
}
