/* ONNX's public vectors of three operators, all of them, each through every kernel:
 * Attention (opsets 23 to 25), RotaryEmbedding as `rope`, and LinearAttention as the
 * method `linear`. "ONNX Attention 23-25" is meant as of onnx f7546912.
 *
 * One attribute is not looked at: softmax_precision asks for a type to compute the
 * softmax in, and ours is float32 whatever the inputs are. */
#include <stdio.h>

#include "core/blas.h"
#include "core/multi_head.h"
#include "property/float64_operator.h"
#include "support/kernels.h"
#include "support/shared_data.h"
#include "support/test.h"

enum { PUBLISHED = 109 };

/* One vector, and the request that is made of it in `arena`. */
struct vector {
    const char *name;
    const json_t *attributes, *inputs; /* by name */
    json_t *outputs;
    struct attention_input request;
    double tolerance; /* absolute and relative */
    struct arena arena;
};

static void *room(struct vector *v, size_t count, size_t size)
{
    struct error e = {0};
    void *p = arena_alloc(&v->arena, count, size, &e);
    ck_assert(p != NULL);
    return p;
}

static const json_t *input(const struct vector *v, const char *name)
{
    return json_object_get(v->inputs, name);
}

static double attribute(const struct vector *v, const char *name, double otherwise)
{
    const json_t *json = json_object_get(v->attributes, name);
    return json ? json_number_value(json) : otherwise;
}

/* Rank 0 when the vector has no such input. */
static struct tensor tensor_of(struct vector *v, const char *name)
{
    const json_t *json = input(v, name), *shape = json_object_get(json, "shape");
    if (!json)
        return (struct tensor){0};

    struct tensor t = {.rank = json_array_size(shape)};
    for (size_t i = 0; i < t.rank; i++)
        t.extent[i] = (size_t)json_number_value(json_array_get(shape, i));
    size_t count;
    float *numbers = shared_numbers(json_object_get(json, "data"), &count);
    ck_assert_uint_eq(count, tensor_count(&t));
    float *data = room(v, count, sizeof *data);
    memcpy(data, numbers, count * sizeof *data);
    free(numbers);
    t.data = data;
    if (strcmp(json_string_value(json_object_get(json, "dtype")), "float16") == 0)
        v->tolerance = 1e-3;
    return t;
}

static void read_mask(struct vector *v)
{
    const json_t *json = input(v, "attn_mask");
    struct tensor t = tensor_of(v, "attn_mask");
    struct attention_mask *mask = &v->request.mask;
    if (!json)
        return;

    bool boolean =
        strcmp(json_string_value(json_object_get(json, "dtype")), "bool") == 0;
    uint8_t *allowed = room(v, tensor_count(&t), 1);
    for (size_t i = 0; i < tensor_count(&t); i++)
        allowed[i] = t.data[i] != 0;
    mask->kind = boolean ? MASK_BOOLEAN : MASK_ADDITIVE;
    mask->bias = boolean ? NULL : t.data;
    mask->allowed = boolean ? allowed : NULL;
    mask->rank = t.rank;
    memcpy(mask->extent, t.extent, sizeof t.extent);
}

/* With lengths of what is not padding, the last token stands on the last such key. */
static void read_lengths(struct vector *v)
{
    struct tensor t = tensor_of(v, "nonpad_kv_seqlen");
    if (!t.rank)
        return;

    size_t *lengths = room(v, t.extent[0], sizeof *lengths);
    for (size_t b = 0; b < t.extent[0]; b++)
        lengths[b] = (size_t)t.data[b];
    v->request.key_lengths = lengths;
    v->request.key_length_count = t.extent[0];
    v->request.align = ALIGN_BOTTOM_RIGHT;
}

static void read_common(struct vector *v)
{
    v->request.heads = (size_t)attribute(v, "q_num_heads", 0);
    v->request.kv_heads = (size_t)attribute(v, "kv_num_heads", 0);
    v->request.scale = (float)attribute(v, "scale", 0);
    v->request.scale_given = v->request.scale != 0.0f;
}

static void read_attention(struct vector *v)
{
    static const enum map_stage stages[] = {MAP_STAGE_SCORES, MAP_STAGE_CAPPED,
                                            MAP_STAGE_BIASED, MAP_STAGE_WEIGHTS};
    struct attention_input *r = &v->request;
    double left = attribute(v, "left_window_size", -1);
    double right = attribute(v, "right_window_size", -1);
    read_common(v);
    r->query = tensor_of(v, "Q");
    r->key = tensor_of(v, "K");
    r->value = tensor_of(v, "V");
    r->causal = attribute(v, "is_causal", 0) != 0;
    r->softcap = (float)attribute(v, "softcap", 0);
    r->window =
        (struct window_view){left >= 0, right >= 0, left >= 0 ? (size_t)left : 0,
                             right >= 0 ? (size_t)right : 0};
    r->past.given = input(v, "past_key") != NULL;
    r->past.key = tensor_of(v, "past_key");
    r->past.value = tensor_of(v, "past_value");
    r->want_present = true;
    r->map_stage = stages[(size_t)attribute(v, "qk_matmul_output_mode", 0)];
    read_mask(v);
    read_lengths(v);
}

/* Positions in a row each: a table a sequence is one table, its rows numbered. */
static void read_positions(struct vector *v, struct tensor *table)
{
    struct rope_input *rope = &v->request.rope;
    struct tensor given = tensor_of(v, "position_ids");
    bool by_token = table->rank == 3;
    size_t B = by_token ? table->extent[0] : given.extent[0];
    size_t T = by_token ? table->extent[1] : given.extent[1];
    int64_t *positions = room(v, B * T, sizeof *positions);
    for (size_t i = 0; i < B * T; i++)
        positions[i] = by_token ? (int64_t)i : (int64_t)given.data[i];
    rope->positions = positions;
    rope->position_rank = 2;
    rope->position_extent[0] = B;
    rope->position_extent[1] = T;
    if (by_token)
        *table = (struct tensor){table->data, 2, {B * T, table->extent[2]}};
}

static void read_rotary(struct vector *v)
{
    struct attention_input *r = &v->request;
    r->query = r->key = r->value = tensor_of(v, "input");
    r->heads = (size_t)attribute(v, "num_heads", 0);
    r->rope.given = true;
    r->rope.interleaved = attribute(v, "interleaved", 0) != 0;
    r->rope.dims = (size_t)attribute(v, "rotary_embedding_dim", 0);
    r->rope.cosines = tensor_of(v, "cos_cache");
    r->rope.sines = tensor_of(v, "sin_cache");
    read_positions(v, &r->rope.cosines);
    r->rope.sines.rank = r->rope.cosines.rank;
    memcpy(r->rope.sines.extent, r->rope.cosines.extent, sizeof r->rope.sines.extent);
    r->maps = MAPS_NONE;
    r->want_projections = true;
}

static void read_linear(struct vector *v)
{
    static const struct {
        const char *name;
        enum linear_rule rule;
    } rules[] = {{"linear", RULE_LINEAR},
                 {"gated", RULE_GATED},
                 {"delta", RULE_DELTA},
                 {"gated_delta", RULE_GATED_DELTA}};
    struct attention_input *r = &v->request;
    const json_t *rule = json_object_get(v->attributes, "update_rule");
    const char *name = rule ? json_string_value(rule) : "gated_delta";
    read_common(v);
    r->query = tensor_of(v, "query");
    r->key = tensor_of(v, "key");
    r->value = tensor_of(v, "value");
    r->maps = MAPS_NONE;
    r->want_present = true;
    r->method.name = METHOD_LINEAR;
    for (size_t n = 0; n < sizeof rules / sizeof *rules; n++)
        if (strcmp(name, rules[n].name) == 0)
            r->method.rule = rules[n].rule;
    r->method.decay = tensor_of(v, "decay");
    r->method.beta = tensor_of(v, "beta");
    r->method.state = tensor_of(v, "past_state");
}

/* The numbers of one sequence, in the order of the vector. */
static float rotary_number(const struct vector *v, const struct multi_head_result *got,
                           const float *rows, size_t i)
{
    if (v->request.query.rank == 4)
        return rows[i];
    size_t T = got->sequence->T, c = i % got->dk, h = i / got->dk % got->H;
    return rows[(h * T + i / got->dk / got->H) * got->dk + c];
}

static float number(const struct vector *v, const char *output,
                    const struct multi_head_result *got, size_t b, size_t i)
{
    const struct sequence_result *s = &got->sequence[b];
    if (v->request.rope.given)
        return rotary_number(v, got, s->query, i);
    if (strcmp(output, "present_key") == 0)
        return s->present_key[i];
    if (strcmp(output, "present_value") == 0)
        return s->present_value[i];
    if (strcmp(output, "qk_matmul_output") == 0)
        return s->maps[i];
    return strcmp(output, "present_state") == 0 ? s->state[i] : s->output[i];
}

/* Numbers of one sequence that the answer has for this output. */
static size_t length(const struct vector *v, const char *output,
                     const struct multi_head_result *got)
{
    const struct sequence_result *s = got->sequence;
    if (v->request.rope.given)
        return got->H * s->T * got->dk;
    if (strcmp(output, "present_key") == 0)
        return got->G * s->S * got->dk;
    if (strcmp(output, "present_value") == 0)
        return got->G * s->S * got->dv;
    if (strcmp(output, "qk_matmul_output") == 0)
        return got->map_heads * s->T * s->S;
    return strcmp(output, "present_state") == 0 ? got->G * got->dk * got->dv
                                                : got->H * s->T * got->dv;
}

static void check_number(const struct vector *v, const char *output, size_t i,
                         double is, double want)
{
    bool same =
        isinf(want) ? is == want : fabs(is - want) <= v->tolerance * (1 + fabs(want));
    ck_assert_msg(same, "%s: %s[%zu] is %.9g, want %.9g", v->name, output, i, is, want);
}

static void check_output(const struct vector *v, const char *output,
                         const json_t *expected, const struct multi_head_result *got)
{
    size_t count, part = length(v, output, got);
    float *want = shared_numbers(json_object_get(expected, "data"), &count);
    ck_assert_msg(count == got->B * part, "%s: %s has %zu numbers, not %zu", v->name,
                  output, got->B * part, count);
    for (size_t i = 0; i < count; i++)
        check_number(v, output, i, (double)number(v, output, got, i / part, i % part),
                     (double)want[i]);
    free(want);
}

/* What the property tests compare with has to know these vectors, too. Rank 3: heads
 * are side by side in a row of the output. */
static void check_float64(struct vector *v)
{
    const struct operator_answer *a = float64_operator(&v->request, &v->arena);
    const struct {
        const char *name;
        size_t part;
    } outputs[] = {
        {"Y", a->H * a->T * a->dv},
        {"qk_matmul_output", a->H * a->T * a->S},
        {"present_key", a->G * a->S * a->dk},
        {"present_value", a->G * a->S * a->dv},
    };
    for (size_t n = 0; n < sizeof outputs / sizeof *outputs; n++) {
        const json_t *expected = json_object_get(v->outputs, outputs[n].name);
        size_t count, part = outputs[n].part;
        float *want = shared_numbers(json_object_get(expected, "data"), &count);
        for (size_t i = 0; expected && i < count; i++) {
            const struct operator_answer *s = &a[i / part];
            const double *const is[] = {s->output, s->stage[v->request.map_stage],
                                        s->key, s->value};
            check_number(v, outputs[n].name, i, is[n][i % part], (double)want[i]);
        }
        free(want);
    }
}

static void check_vector(struct vector *v)
{
    static const struct attention_limits limits = {.max_batch = 8,
                                                   .max_tokens = 64,
                                                   .max_width = 512,
                                                   .max_heads = 16,
                                                   .max_map_numbers = 4096,
                                                   .answer_limit = 1 << 20};
    for (size_t k = 0; k < KERNELS; k++) {
        struct error e = {0};
        struct multi_head *m =
            multi_head_plan_with(kernels[k], &v->request, &limits, &v->arena, &e);
        ck_assert_msg(m && multi_head_run_all(m, &v->arena, &e), "%s: %s: %s", v->name,
                      e.path, e.message);
        const char *output;
        json_t *expected;
        json_object_foreach(v->outputs, output, expected)
            check_output(v, output, expected, multi_head_result(m));
    }
}

static void check_file(const char *file)
{
    static const struct {
        const char *op;
        void (*read)(struct vector *v);
    } operators[] = {{"Attention", read_attention},
                     {"RotaryEmbedding", read_rotary},
                     {"LinearAttention", read_linear}};
    char path[256];
    snprintf(path, sizeof path, "conformance/onnx/%s", file);
    json_t *json = shared_json(path);
    ck_assert_msg(json != NULL, "%s is missing", path);
    struct vector v = {.name = file,
                       .attributes = json_object_get(json, "attributes"),
                       .inputs = json_object_get(json, "inputs"),
                       .outputs = json_object_get(json, "outputs"),
                       .tolerance = 1e-5};
    const char *op = json_string_value(json_object_get(json, "op"));
    arena_init(&v.arena, (size_t)1 << 24, NULL);
    bool known = false;
    for (size_t n = 0; n < sizeof operators / sizeof *operators; n++)
        if (strcmp(op, operators[n].op) == 0) {
            operators[n].read(&v);
            known = true;
        }
    ck_assert_msg(known && json_object_size(v.outputs) > 0, "%s: what is %s?", file,
                  op);
    if (v.request.method.name == METHOD_EXACT && !v.request.rope.given)
        check_float64(&v);

    check_vector(&v);
    arena_free(&v.arena);
    json_decref(json);
}

START_TEST(every_published_vector_comes_out_as_published)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    json_t *index = shared_json("conformance/onnx/index.json"), *entry;
    if (!index)
        return;

    size_t checked;
    json_array_foreach(index, checked, entry)
        check_file(json_string_value(json_object_get(entry, "file")));
    json_decref(index);
    printf("ONNX vectors: %zu of %d\n", checked, PUBLISHED);
    ck_assert_uint_eq(checked, PUBLISHED);
}
END_TEST

TEST_PROGRAM("onnx", every_published_vector_comes_out_as_published)
