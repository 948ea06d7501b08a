/* ONNX's public test vectors of the operator Attention (opsets 23 to 25), those that
 * use what is built so far: no past, padding lengths, windows or softcap. */
#include "core/blas.h"
#include "core/multi_head.h"
#include "support/kernels.h"
#include "support/shared_data.h"
#include "support/test.h"

/* One request made of a vector; what it owns is in `owned`. */
struct vector {
    struct attention_input input;
    const json_t *inputs, *outputs; /* of the vector, by name */
    float *owned[4];
    uint8_t allowed[512];
};

static const json_t *member(const json_t *of, const char *name)
{
    return json_object_get(of, name);
}

static struct tensor read_tensor(const json_t *json, float **owned)
{
    size_t count;
    const json_t *shape = member(json, "shape");
    struct tensor t = {.rank = json_array_size(shape)};
    for (size_t i = 0; i < t.rank; i++)
        t.extent[i] = (size_t)json_number_value(json_array_get(shape, i));
    t.data = *owned = shared_numbers(member(json, "data"), &count);
    ck_assert_uint_eq(count, tensor_count(&t));
    return t;
}

static void read_mask(const json_t *json, struct vector *v)
{
    struct tensor t = read_tensor(json, &v->owned[3]);
    struct attention_mask *mask = &v->input.mask;
    bool boolean = strcmp(json_string_value(member(json, "dtype")), "bool") == 0;
    mask->kind = boolean ? MASK_BOOLEAN : MASK_ADDITIVE;
    mask->bias = boolean ? NULL : t.data;
    mask->allowed = boolean ? v->allowed : NULL;
    mask->rank = t.rank;
    memcpy(mask->extent, t.extent, sizeof t.extent);
    ck_assert_uint_le(tensor_count(&t), sizeof v->allowed);
    for (size_t i = 0; i < tensor_count(&t); i++)
        v->allowed[i] = t.data[i] != 0;
}

/* Fills `v`; false when the vector is about something that is not built yet. */
static bool read_vector(const json_t *json, struct vector *v)
{
    static const char *const later[] = {"softcap", "left_window_size",
                                        "right_window_size"};
    const json_t *attributes = member(json, "attributes");
    const json_t *inputs = member(json, "inputs");
    bool known = strcmp(json_string_value(member(json, "op")), "Attention") == 0;
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        known = known && !member(attributes, later[i]);
    const char *dtype = json_string_value(member(member(inputs, "Q"), "dtype"));
    if (!known || !dtype || strcmp(dtype, "float32") != 0 ||
        json_object_size(inputs) != (member(inputs, "attn_mask") ? 4 : 3))
        return false;

    *v = (struct vector){.inputs = inputs, .outputs = member(json, "outputs")};
    v->input.query = read_tensor(member(inputs, "Q"), &v->owned[0]);
    v->input.key = read_tensor(member(inputs, "K"), &v->owned[1]);
    v->input.value = read_tensor(member(inputs, "V"), &v->owned[2]);
    v->input.heads = (size_t)json_number_value(member(attributes, "q_num_heads"));
    v->input.kv_heads = (size_t)json_number_value(member(attributes, "kv_num_heads"));
    v->input.causal = json_number_value(member(attributes, "is_causal")) != 0;
    v->input.scale_given = member(attributes, "scale") != NULL;
    v->input.scale = (float)json_number_value(member(attributes, "scale"));
    if (member(inputs, "attn_mask"))
        read_mask(member(inputs, "attn_mask"), v);
    return true;
}

/* `sequences` parts of equal size, one after another, against one output. */
static void check_output(const struct vector *v, const char *name, const char *output,
                         const struct multi_head_result *got, bool maps)
{
    size_t count;
    float *want = shared_numbers(member(member(v->outputs, output), "data"), &count);
    size_t part = count / got->B;
    for (size_t i = 0; i < count; i++) {
        const struct sequence_result *s = &got->sequence[i / part];
        float number = (maps ? s->maps : s->output)[i % part];
        double off = fabs((double)number - (double)want[i]);
        ck_assert_msg(off <= 1e-5 + 1e-5 * fabs((double)want[i]),
                      "%s: %s[%zu] is %.9g, want %.9g", name, output, i, (double)number,
                      (double)want[i]);
    }
    free(want);
}

static void check_vector(const json_t *json, const struct vector *v)
{
    static const struct attention_limits limits = {.max_batch = 8,
                                                   .max_tokens = 64,
                                                   .max_width = 512,
                                                   .max_heads = 16,
                                                   .max_map_numbers = 4096};
    const char *name = json_string_value(member(json, "name"));
    bool weights = json_number_value(member(member(json, "attributes"),
                                            "qk_matmul_output_mode")) == 3;
    for (size_t k = 0; k < KERNELS; k++) {
        struct arena arena;
        struct error e = {0};
        arena_init(&arena, (size_t)1 << 24, NULL);
        struct multi_head *m =
            multi_head_plan_with(kernels[k], &v->input, &limits, &arena, &e);
        ck_assert_msg(m && multi_head_run_all(m, &arena, &e), "%s: %s: %s", name,
                      e.path, e.message);
        check_output(v, name, "Y", multi_head_result(m), false);
        if (weights)
            check_output(v, name, "qk_matmul_output", multi_head_result(m), true);
        arena_free(&arena);
    }
}

START_TEST(onnx_vectors_come_out_as_published)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    json_t *index = shared_json("conformance/onnx/index.json"), *entry;
    if (!index)
        return;

    size_t i, checked = 0;
    json_array_foreach(index, i, entry)
    {
        char path[256];
        snprintf(path, sizeof path, "conformance/onnx/%s",
                 json_string_value(member(entry, "file")));
        json_t *json = shared_json(path);
        struct vector v;
        if (read_vector(json, &v)) {
            check_vector(json, &v);
            for (size_t o = 0; o < sizeof v.owned / sizeof *v.owned; o++)
                free(v.owned[o]);
            checked++;
        }
        json_decref(json);
    }
    json_decref(index);
    ck_assert_uint_ge(checked, 38);
}
END_TEST

TEST_PROGRAM("multi_head_onnx", onnx_vectors_come_out_as_published)
