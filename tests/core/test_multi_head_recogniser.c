/* The attention layers of a trained text recogniser, on what they were given while
 * it read two lines of text, against what another runtime computed there. */
#include <stdint.h>

#include "core/blas.h"
#include "core/multi_head.h"
#include "support/kernels.h"
#include "support/shared_data.h"
#include "support/test.h"

enum { D = 120, HEADS = 8 };

/* A safetensors file: the length of a JSON header, the header, then the numbers. */
struct safetensors {
    char *bytes;
    json_t *header;
    const char *numbers;
};

static bool safetensors_open(struct safetensors *file, const char *name)
{
    size_t length;
    uint64_t header;
    file->bytes = shared_file(name, &length);
    if (!file->bytes)
        return false;

    memcpy(&header, file->bytes, sizeof header);
    file->header = json_loadb(file->bytes + sizeof header, header, 0, NULL);
    ck_assert(file->header != NULL);
    file->numbers = file->bytes + sizeof header + header;
    return true;
}

static void safetensors_close(struct safetensors *file)
{
    json_decref(file->header);
    free(file->bytes);
}

/* A float32 tensor of one layer's attention; its numbers are the caller's to free. */
static struct tensor weight(const struct safetensors *file, int layer, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "encoder.layers.%d.attention.%s", layer, name);
    const json_t *entry = json_object_get(file->header, key);
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *offset = json_array_get(json_object_get(entry, "data_offsets"), 0);

    struct tensor t = {.rank = json_array_size(shape)};
    for (size_t i = 0; i < t.rank; i++)
        t.extent[i] = (size_t)json_integer_value(json_array_get(shape, i));
    size_t bytes = tensor_count(&t) * sizeof(float);
    ck_assert_uint_gt(bytes, 0);
    t.data = memcpy(malloc(bytes), file->numbers + json_integer_value(offset), bytes);
    return t;
}

/* A member of a line, such as layer0_maps; the caller's to free. */
static float *activation(const json_t *line, int layer, const char *what, size_t *count)
{
    char key[64];
    snprintf(key, sizeof key, "layer%d_%s", layer, what);
    return shared_numbers(json_object_get(line, key), count);
}

static void check_member(const json_t *line, int layer, const char *what,
                         const float *got)
{
    size_t count;
    float *want = activation(line, layer, what, &count);
    for (size_t i = 0; i < count; i++)
        ck_assert_close(got[i], want[i], 1e-4, 1e-5);
    free(want);
}

static void check_layer(const json_t *line, int layer, struct attention_input *input)
{
    static const struct attention_limits limits = {.max_batch = 1,
                                                   .max_tokens = 100,
                                                   .max_width = D,
                                                   .max_heads = HEADS,
                                                   .max_map_numbers = 100000};
    size_t count;
    float *x = activation(line, layer, "attention_input", &count);
    const struct tensor item = {x, 2, {count / D, D}};
    input->sequences = (struct batch){1, true, &item};

    for (size_t k = 0; k < KERNELS; k++) {
        struct arena arena;
        struct error e = {0};
        arena_init(&arena, (size_t)1 << 26, NULL);
        struct multi_head *m =
            multi_head_plan_with(kernels[k], input, &limits, &arena, &e);
        ck_assert_msg(m && multi_head_run_all(m, &arena, &e), "%s: %s", e.path,
                      e.message);
        const struct sequence_result *got = multi_head_result(m)->sequence;
        check_member(line, layer, "maps", got->maps);
        check_member(line, layer, "attention_output", got->output);
        arena_free(&arena);
    }
    free(x);
}

START_TEST(both_layers_reading_both_lines_agree_with_the_other_runtime)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    static const char *const lines[] = {"data/ocr/line1.json", "data/ocr/line2.json"};
    struct safetensors file;
    if (!safetensors_open(&file, "data/ocr/encoder.safetensors"))
        return;

    for (int layer = 0; layer < 2; layer++) {
        struct tensor w[] = {
            weight(&file, layer, "wq"), weight(&file, layer, "wk"),
            weight(&file, layer, "wv"), weight(&file, layer, "wo"),
            weight(&file, layer, "bq"), weight(&file, layer, "bk"),
            weight(&file, layer, "bv"), weight(&file, layer, "bo"),
        };
        struct attention_input input = {
            .heads = HEADS,
            .weights = {true, w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]}};
        for (size_t l = 0; l < 2; l++) {
            json_t *line = shared_json(lines[l]);
            ck_assert(line != NULL);
            check_layer(line, layer, &input);
            json_decref(line);
        }
        for (size_t i = 0; i < sizeof w / sizeof *w; i++)
            free((void *)(uintptr_t)w[i].data);
    }
    safetensors_close(&file);
}
END_TEST

TEST_PROGRAM("multi_head_recogniser",
             both_layers_reading_both_lines_agree_with_the_other_runtime)
