#include "core/linear_attention.h"

#include <stdio.h>

#include "support/method_case.h"
#include "support/shared_data.h"

enum { RULES = 4 };

static const enum linear_rule rules[RULES] = {RULE_LINEAR, RULE_GATED, RULE_DELTA,
                                              RULE_GATED_DELTA};

static bool is_gated(enum linear_rule rule)
{
    return rule == RULE_GATED || rule == RULE_GATED_DELTA;
}

static bool is_delta(enum linear_rule rule)
{
    return rule == RULE_DELTA || rule == RULE_GATED_DELTA;
}

/* A problem with the arrays of its rule. */
struct linear_case {
    struct attention_case *c;
    struct attention_method m;
    float *decay, *beta, *before, *after;
    size_t state_count;
};

static struct linear_case linear_case_of(struct attention_case *c,
                                         enum linear_rule rule, struct test_random *r)
{
    const struct attention *a = &c->a;
    struct linear_case l = {.c = c, .state_count = a->G * a->dk * a->dv};
    size_t decay_width = test_random_size(r, 0, 1) ? a->G : a->G * a->dk;
    size_t beta_width = test_random_size(r, 0, 1) ? a->G : 1;
    l.decay = method_numbers(r, a->T * decay_width);
    l.beta = method_numbers(r, a->T * beta_width);
    l.before = method_numbers(r, l.state_count);
    l.after = malloc(l.state_count * sizeof *l.after);
    for (size_t n = 0; n < a->T * decay_width; n++)
        l.decay[n] -= 1; /* exp() from 0.1 to 1: a state forgets */
    for (size_t n = 0; n < c->key_count; n++)
        c->key[n] /= sqrtf((float)a->dk); /* or the delta rules would grow */
    l.m =
        (struct attention_method){.name = METHOD_LINEAR,
                                  .rule = rule,
                                  .decay = is_gated(rule) ? l.decay : NULL,
                                  .decay_width = decay_width,
                                  .beta = is_delta(rule) ? l.beta : NULL,
                                  .beta_width = beta_width,
                                  .before = test_random_size(r, 0, 1) ? l.before : NULL,
                                  .after = l.after};
    return l;
}

static void linear_case_free(struct linear_case *l)
{
    free(l->decay);
    free(l->beta);
    free(l->before);
    free(l->after);
    attention_case_delete(l->c);
}

/* One step of key head g in float64: the header's formulas. state [dk][dv]. */
static void true_step(const struct linear_case *l, size_t g, size_t t, double *state)
{
    const struct attention *a = &l->c->a;
    size_t h = g * (a->H / a->G), width = l->m.decay_width;
    for (size_t c = 0; l->m.decay && c < a->dk; c++)
        for (size_t e = 0; e < a->dv; e++)
            state[c * a->dv + e] *= exp(
                (double)l->m.decay[t * width + (width == a->G ? g : g * a->dk + c)]);
    for (size_t e = 0; e < a->dv; e++) {
        double add = method_value(l->c, h, t, e), known = 0;
        for (size_t c = 0; c < a->dk; c++)
            known += method_key(l->c, h, t, c) * state[c * a->dv + e];
        if (l->m.beta)
            add = (add - known) *
                  (double)l->m.beta[l->m.beta_width == 1 ? t : t * l->m.beta_width + g];
        for (size_t c = 0; c < a->dk; c++)
            state[c * a->dv + e] += method_key(l->c, h, t, c) * add;
    }
}

static void check_rows(const struct linear_case *l, size_t g, size_t t,
                       const double *state)
{
    const struct attention *a = &l->c->a;
    size_t group = a->H / a->G;
    for (size_t h = g * group; h < (g + 1) * group; h++)
        for (size_t e = 0; e < a->dv; e++) {
            double want = 0;
            for (size_t c = 0; c < a->dk; c++)
                want += method_query(l->c, h, t, c) * state[c * a->dv + e];
            ck_assert_close(attention_case_out(l->c, h, t, e), (double)a->scale * want,
                            1e-4, 1e-4);
        }
}

START_TEST(every_rule_is_its_recurrence)
{
    struct test_random r = {1};
    for (int n = 0; n < 60; n++) {
        struct linear_case l =
            linear_case_of(method_case_random(&r, 3e5, true), rules[n % RULES], &r);
        struct attention *a = &l.c->a;
        a->method = &l.m;
        a->causal = n % 3 == 0; /* makes no difference */
        ck_assert(attention_case_run(l.c, &linear_attention, &r));
        double *state = malloc(a->dk * a->dv * sizeof *state);
        for (size_t g = 0; g < a->G; g++) {
            const float *before = l.m.before + g * a->dk * a->dv;
            for (size_t s = 0; s < a->dk * a->dv; s++)
                state[s] = l.m.before ? (double)before[s] : 0.0;
            for (size_t t = 0; t < a->T; t++) {
                true_step(&l, g, t, state);
                check_rows(&l, g, t, state);
            }
            for (size_t s = 0; s < a->dk * a->dv; s++)
                ck_assert_close(l.after[g * a->dk * a->dv + s], state[s], 1e-4, 1e-4);
        }
        free(state);
        linear_case_free(&l);
    }
}
END_TEST

START_TEST(the_recurrent_form_of_rule_linear_is_the_parallel_one)
{
    struct test_random r = {2};
    for (int n = 0; n < 20; n++) {
        struct linear_case l =
            linear_case_of(method_case_random(&r, 2e5, true), RULE_LINEAR, &r);
        struct attention *a = &l.c->a;
        l.m.before = NULL;
        a->method = &l.m;
        ck_assert(attention_case_run(l.c, &linear_attention, &r));
        for (size_t h = 0; h < a->H; h++)
            for (size_t i = 0; i < a->T; i++)
                for (size_t e = 0; e < a->dv; e++) {
                    double want = 0;
                    for (size_t j = 0; j <= i; j++)
                        want += method_dot(l.c, h, i, j) * method_value(l.c, h, j, e);
                    ck_assert_close(attention_case_out(l.c, h, i, e),
                                    (double)a->scale * want, 1e-4, 1e-4);
                }
        linear_case_free(&l);
    }
}
END_TEST

START_TEST(a_state_handed_on_continues_to_the_bit)
{
    struct test_random r = {3};
    for (size_t n = 0; n < 2 * RULES; n++) {
        struct linear_case l =
            linear_case_of(method_case_random(&r, 2e5, true), rules[n % RULES], &r);
        struct attention *a = &l.c->a;
        a->method = &l.m;
        ck_assert(attention_case_run(l.c, &linear_attention, &r));
        size_t state_bytes = l.state_count * sizeof *l.after, T = a->T, first = T / 2;
        size_t out_bytes = l.c->out_count * sizeof *l.c->out;
        float *whole = malloc(out_bytes), *state = malloc(state_bytes);
        memcpy(whole, l.c->out, out_bytes);
        memcpy(state, l.after, state_bytes);

        a->T = a->S = first;
        if (first)
            ck_assert(attention_case_run(l.c, &linear_attention, &r));
        memcpy(l.before, l.after, state_bytes);
        l.m.before = first ? l.before : l.m.before;
        l.m.decay += l.m.decay ? first * l.m.decay_width : 0;
        l.m.beta += l.m.beta ? first * l.m.beta_width : 0;
        a->T = a->S = T - first;
        a->query.data += first * a->query.row_stride;
        a->key.data += first * a->key.row_stride;
        a->value.data += first * a->value.row_stride;
        ck_assert(attention_case_run(l.c, &linear_attention, &r));
        ck_assert_mem_eq(state, l.after, state_bytes);
        for (size_t h = 0; h < a->H; h++)
            for (size_t t = 0; t < a->T; t++)
                ck_assert_mem_eq(
                    l.c->out + h * a->out_head_stride + t * a->out_row_stride,
                    whole + h * a->out_head_stride + (first + t) * a->out_row_stride,
                    a->dv * sizeof(float));
        free(whole);
        free(state);
        linear_case_free(&l);
    }
}
END_TEST

START_TEST(numbers_that_leave_float32_are_said)
{
    struct test_random r = {4};
    for (size_t n = 0; n < RULES; n++) {
        struct linear_case l =
            linear_case_of(method_case_random(&r, 2e4, true), rules[n], &r);
        l.c->a.method = &l.m;
        l.c->key[0] = 3e38f;
        l.c->value[0] = 3e38f;
        l.beta[0] = 1;
        ck_assert(!attention_case_run(l.c, &linear_attention, &r));
        linear_case_free(&l);
    }
}
END_TEST

/* A vector of ONNX: rank 3 tensors of a batch, sequence by sequence. */
struct vector {
    const json_t *inputs, *outputs;
    const char *name;
    double tolerance;
    size_t B, T;
};

static float *numbers_of(const json_t *tensors, const char *name)
{
    size_t count;
    const json_t *tensor = json_object_get(tensors, name);
    return tensor ? shared_numbers(json_object_get(tensor, "data"), &count) : NULL;
}

static size_t extent(const json_t *tensors, const char *name, size_t axis)
{
    const json_t *shape = json_object_get(json_object_get(tensors, name), "shape");
    return (size_t)json_number_value(json_array_get(shape, axis));
}

static enum linear_rule rule_of(const json_t *attributes)
{
    static const char *const names[RULES] = {"linear", "gated", "delta", "gated_delta"};
    const char *name = json_string_value(json_object_get(attributes, "update_rule"));
    for (size_t n = 0; name && n < RULES; n++)
        if (strcmp(name, names[n]) == 0)
            return rules[n];
    ck_assert_msg(!name, "an unknown rule: %s", name);
    return RULE_GATED_DELTA; /* the operator's default */
}

static void check_near(const struct vector *v, const char *what, const float *got,
                       const float *want, size_t count)
{
    for (size_t n = 0; n < count; n++)
        ck_assert_msg(fabs((double)got[n] - (double)want[n]) <=
                          v->tolerance * (1 + fabs((double)want[n])),
                      "%s: %s[%zu] is %.9g, want %.9g", v->name, what, n,
                      (double)got[n], (double)want[n]);
}

/* Computes sequence b of `v`, whose method and sizes are in `a`. */
static void run_sequence(struct attention *a, struct attention_method *m,
                         const struct vector *v, float *const in[6], size_t b)
{
    size_t state = a->G * a->dk * a->dv;
    a->query =
        (struct heads_view){in[0] + b * v->T * a->H * a->dk, a->dk, a->H * a->dk};
    a->key = (struct heads_view){in[1] + b * v->T * a->G * a->dk, a->dk, a->G * a->dk};
    a->value =
        (struct heads_view){in[2] + b * v->T * a->G * a->dv, a->dv, a->G * a->dv};
    m->before = in[3] ? in[3] + b * state : NULL;
    m->decay = in[4] ? in[4] + b * v->T * m->decay_width : NULL;
    m->beta = in[5] ? in[5] + b * v->T * m->beta_width : NULL;
    size_t bytes = (linear_attention.scratch_bytes(a) + 63) / 64 * 64;
    void *scratch = aligned_alloc(64, bytes);
    for (size_t tile = 0; tile < linear_attention.tiles(a); tile++)
        ck_assert(linear_attention.run(a, NULL, tile, scratch));
    free(scratch);
}

static void check_vector(const json_t *json)
{
    static const char *const names[6] = {"query",      "key",   "value",
                                         "past_state", "decay", "beta"};
    const json_t *attributes = json_object_get(json, "attributes");
    const struct vector v = {
        .inputs = json_object_get(json, "inputs"),
        .outputs = json_object_get(json, "outputs"),
        .name = json_string_value(json_object_get(json, "name")),
        .tolerance = strstr(json_string_value(json_object_get(json, "name")), "fp16")
                         ? 1e-3
                         : 1e-5,
        .B = extent(json_object_get(json, "inputs"), "query", 0),
        .T = extent(json_object_get(json, "inputs"), "query", 1)};
    float *in[6];
    for (size_t n = 0; n < 6; n++)
        in[n] = numbers_of(v.inputs, names[n]);
    float *want = numbers_of(v.outputs, "output");
    float *want_state = numbers_of(v.outputs, "present_state");

    struct attention a = {.T = v.T, .S = v.T};
    a.H = (size_t)json_number_value(json_object_get(attributes, "q_num_heads"));
    a.G = (size_t)json_number_value(json_object_get(attributes, "kv_num_heads"));
    a.dk = extent(v.inputs, "key", 2) / a.G;
    a.dv = extent(v.inputs, "value", 2) / a.G;
    const json_t *scale = json_object_get(attributes, "scale");
    a.scale = scale ? (float)json_number_value(scale) : 1 / sqrtf((float)a.dk);
    a.out_head_stride = a.dv;
    a.out_row_stride = a.H * a.dv;
    struct attention_method m = {.name = METHOD_LINEAR,
                                 .rule = rule_of(attributes),
                                 .decay_width = extent(v.inputs, "decay", 2),
                                 .beta_width = extent(v.inputs, "beta", 2)};
    size_t count = v.T * a.H * a.dv, state = a.G * a.dk * a.dv;
    float *out = malloc(count * sizeof *out), *after = malloc(state * sizeof *after);
    a.out = out;
    a.method = &m;
    m.after = after;
    for (size_t b = 0; b < v.B; b++) {
        run_sequence(&a, &m, &v, in, b);
        check_near(&v, "output", out, want + b * count, count);
        check_near(&v, "present_state", after, want_state + b * state, state);
    }
    for (size_t n = 0; n < 6; n++)
        free(in[n]);
    free(want);
    free(want_state);
    free(out);
    free(after);
}

START_TEST(onnx_vectors_come_out_as_published)
{
    json_t *index = shared_json("conformance/onnx/index.json"), *entry;
    if (!index)
        return;

    size_t i, checked = 0;
    json_array_foreach(index, i, entry)
    {
        const char *file = json_string_value(json_object_get(entry, "file"));
        char path[256];
        snprintf(path, sizeof path, "conformance/onnx/%s", file);
        if (!strstr(file, "test_linear_attention"))
            continue;
        json_t *json = shared_json(path);
        check_vector(json);
        json_decref(json);
        checked++;
    }
    ck_assert_uint_eq(checked, 14);
    json_decref(index);
}
END_TEST

TEST_PROGRAM("linear_attention", every_rule_is_its_recurrence,
             the_recurrent_form_of_rule_linear_is_the_parallel_one,
             a_state_handed_on_continues_to_the_bit,
             numbers_that_leave_float32_are_said, onnx_vectors_come_out_as_published)
