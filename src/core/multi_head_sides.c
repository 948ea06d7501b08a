/* How queries, keys and values get from the input to where a kernel reads them: by a
 * product, a copy, a turn, a past put before them, or not at all. */
#include "core/attention_options.h"
#include "core/attention_past.h"
#include "core/multi_head_plan.h"

/* One of Q, K and V of one sequence, as the input has it. */
struct side {
    enum projected which;
    const float *x; /* [rows][in] or, when split, [heads][rows][width] */
    size_t rows, heads, width;
    const struct rope *rope; /* NULL: none */
    const float *past;       /* [heads][P][width], or NULL */
    bool apart;              /* own rows are answered by themselves */
};

/* The numbers of sequence `b`: of `projected`, or else of `tokens`. */
static const float *numbers_of(const struct planner *p, const struct tensor *projected,
                               const struct batch *tokens, size_t b)
{
    return p->shape->projected
               ? projected->data + b * (tensor_count(projected) / p->shape->B)
               : tokens->item[b].data;
}

static struct heads_view split_view(const float *data, size_t rows, size_t width)
{
    return (struct heads_view){data, rows * width, width};
}

/* Plans a product, or a copy when the caller wants to see heads apart that are not so
 * yet. `*view` is then what comes out, `*out`, else what the input has. */
static bool plan_projection(struct planner *p, const struct side *side, float **out,
                            struct heads_view *view, struct error *e)
{
    struct projection *projection = &p->plan->projection[side->which];
    size_t rows = side->rows, width = side->width;
    bool split = p->shape->split_heads || side->heads == 1;
    bool copy = side->apart && !split && !side->rope;
    *view = split ? split_view(side->x, rows, width)
                  : (struct heads_view){side->x, width, side->heads * width};
    *out = NULL;
    if (!projection->w && !copy)
        return true;

    *out = multi_head_numbers(p->arena, side->heads, rows, width, e);
    if (!*out)
        return false;
    projection_add(projection, rows, side->x, *out);
    *view = split_view(*out, rows, width);
    return true;
}

/* Plans the turn and the past. `*view`, what the projection leaves (`projected`, or
 * NULL), becomes what the kernel reads; `*own` the own rows as one array, where they
 * are that. */
static bool plan_joining(struct planner *p, const struct side *side, struct joining *j,
                         float *projected, struct heads_view *view, const float **own,
                         struct error *e)
{
    size_t P = side->past ? p->P : 0, width = side->width;
    *own = view->data;
    if (!side->rope && !side->past)
        return true;

    *j = (struct joining){.heads = side->heads,
                          .rows = side->rows,
                          .width = width,
                          .from = *view,
                          .rope = side->rope,
                          .past = side->past,
                          .past_rows = P};
    if (side->rope && (side->apart || !side->past)) {
        j->own = projected
                     ? projected
                     : multi_head_numbers(p->arena, side->heads, side->rows, width, e);
        if (!j->own)
            return false;
        *own = j->own;
        *view = split_view(j->own, side->rows, width);
    }
    if (side->past) {
        j->joined = multi_head_numbers(p->arena, side->heads, P + side->rows, width, e);
        if (!j->joined)
            return false;
        *view = split_view(j->joined, P + side->rows, width);
    }
    return true;
}

/* `*own` is valid when side->apart. */
static bool plan_side(struct planner *p, const struct side *side,
                      struct joining *joining, struct heads_view *view,
                      const float **own, struct error *e)
{
    float *projected;
    if (!plan_projection(p, side, &projected, view, e) ||
        !plan_joining(p, side, joining, projected, view, own, e))
        return false;

    size_t scratch = joining_scratch_bytes(joining);
    if (scratch > p->plan->scratch_bytes)
        p->plan->scratch_bytes = scratch;
    return true;
}

/* How rows turn whose positions are those of the queries or, `keys_apart`, count from
 * the end of the past. */
static const struct rope *plan_rope(struct planner *p, size_t b, bool keys_apart,
                                    struct error *e)
{
    const struct rope_input *asked = &p->input->rope;
    struct rope *rope = arena_alloc(p->arena, 1, sizeof *rope, e);
    if (!rope)
        return NULL;

    *rope = (struct rope){.dims = asked->dims ? asked->dims : p->shape->dk,
                          .interleaved = asked->interleaved,
                          .frequencies = p->frequencies,
                          .cosines = asked->cosines.data,
                          .sines = asked->sines.data,
                          .first = (int64_t)p->P};
    if (keys_apart)
        return rope;

    size_t row = asked->position_rank == 2 ? asked->position_extent[1] : 0;
    rope->positions = asked->positions ? asked->positions + b * row : NULL;
    rope->first = attention_options_first_position(p->input);
    return rope;
}

/* Q and K of a request with rope; nothing happens without. */
static bool plan_turns(struct planner *p, size_t b, struct side *query,
                       struct side *key, struct error *e)
{
    if (!p->input->rope.given)
        return true;

    bool shared = attention_options_shared_positions(p->input, b);
    query->rope = plan_rope(p, b, false, e);
    key->rope = shared ? query->rope : plan_rope(p, b, true, e);
    return query->rope && key->rope;
}

bool multi_head_plan_sides(struct planner *p, size_t b, struct sequence_plan *s,
                           struct error *e)
{
    const struct attention_input *in = p->input;
    const struct attention_shape *shape = p->shape;
    const struct batch *asked = in->context.count ? &in->context : &in->sequences;
    struct sequence_result *r = s->result;
    size_t own = r->S - p->P;
    bool seen = in->want_projections;
    bool present = in->want_present && in->method.name != METHOD_LINEAR;
    bool apart = seen || (present && !in->past.given);
    struct side query = {.which = QUERIES,
                         .x = numbers_of(p, &in->query, &in->sequences, b),
                         .rows = r->T,
                         .heads = shape->H,
                         .width = shape->dk,
                         .apart = seen};
    struct side key = {.which = KEYS,
                       .x = numbers_of(p, &in->key, asked, b),
                       .rows = own,
                       .heads = shape->G,
                       .width = shape->dk,
                       .past = attention_past_rows(shape, &in->past.key, b),
                       .apart = apart};
    struct side value = {.which = VALUES,
                         .x = numbers_of(p, &in->value, asked, b),
                         .rows = own,
                         .heads = shape->G,
                         .width = shape->dv,
                         .past = attention_past_rows(shape, &in->past.value, b),
                         .apart = apart};
    struct attention *a = &s->asked.attention;
    const float *own_query, *own_key, *own_value;
    if (!plan_turns(p, b, &query, &key, e) ||
        !plan_side(p, &query, &s->query, &a->query, &own_query, e) ||
        !plan_side(p, &key, &s->key, &a->key, &own_key, e) ||
        !plan_side(p, &value, &s->value, &a->value, &own_value, e))
        return false;

    r->query = seen ? own_query : NULL;
    r->key = seen ? own_key : NULL;
    r->value = seen ? own_value : NULL;
    r->present_key = present ? a->key.data : NULL; /* one array now, if not before */
    r->present_value = present ? a->value.data : NULL;
    return true;
}
