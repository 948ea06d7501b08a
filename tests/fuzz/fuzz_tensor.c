/* Any bytes as a tensor, a batch or a mask, in any small memory, beside jansson. The
 * first byte says which, the second how much memory. */
#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/tensor_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct attention_limits limits = {
    .max_batch = 5, .max_tokens = 9, .max_width = 7, .max_heads = 3};
static const struct tensor_rules rules = {1, 4, 9, "max_tokens"};

/* A double rounded to float32 may differ by one unit from what the text says. */
static bool is_close(float ours, double theirs)
{
    const float direct = (float)theirs;
    return ours == direct || ours == nextafterf(direct, INFINITY) ||
           ours == nextafterf(direct, -INFINITY);
}

static float leaf(const struct attention_mask *m, const float *data, size_t i)
{
    return m && m->kind == MASK_BOOLEAN ? (float)m->allowed[i] : data[i];
}

/* Compares the leaves of `tree` in reading order, from number *i on. */
static void compare(const json_t *tree, const struct attention_mask *m,
                    const float *data, size_t *i)
{
    size_t index;
    const json_t *item;
    if (json_is_array(tree)) {
        json_array_foreach(tree, index, item) compare(item, m, data, i);
        return;
    }
    float got = leaf(m, data, (*i)++);
    if (json_is_number(tree))
        assert(is_close(got, json_number_value(tree)));
    else if (json_is_boolean(tree))
        assert(got == (json_is_true(tree) ? 1.0f : 0.0f));
    else
        assert(m && got == -INFINITY);
}

static bool holds_objects(const json_t *tree)
{
    size_t index;
    const json_t *item;
    json_array_foreach(tree, index, item) if (json_is_object(item)) return true;
    return json_is_object(tree);
}

static void check_extents(size_t rank, const size_t *extent)
{
    assert(rank >= 1 && rank <= TENSOR_MAX_RANK);
    for (size_t i = 0; i < rank; i++)
        assert(extent[i] >= 1 && extent[i] <= 9);
}

static void check_finite(const struct tensor *t)
{
    check_extents(t->rank, t->extent);
    for (size_t i = 0; i < tensor_count(t); i++)
        assert(isfinite(t->data[i]));
}

/* Reads as kind 0, 1 or 2; what was read must be what jansson reads. */
static bool read(struct json_reader *r, int kind, const json_t *tree, struct error *e)
{
    struct tensor t;
    struct batch b;
    struct attention_mask m;
    size_t count = 0;
    bool compared = tree && !holds_objects(tree);
    switch (kind) {
    case 0:
        if (!tensor_from_json(r, NULL, &rules, &t, e) || !json_reader_finish(r, e))
            return false;
        check_finite(&t);
        if (compared)
            compare(tree, NULL, t.data, &count);
        return true;
    case 1:
        if (!batch_from_json(r, NULL, &limits, &b, e) || !json_reader_finish(r, e))
            return false;
        assert(b.count >= 1 && b.count <= limits.max_batch &&
               (!b.single || b.count == 1));
        for (size_t i = 0; i < b.count; i++) {
            check_finite(&b.item[i]);
            assert(b.item[i].rank == 2 && b.item[i].extent[1] == b.item[0].extent[1]);
            assert(i == 0 ||
                   b.item[i].data == b.item[i - 1].data + tensor_count(&b.item[i - 1]));
        }
        if (compared)
            compare(tree, NULL, b.item[0].data, &count);
        return true;
    default:
        if (!mask_from_json(r, NULL, &limits, &m, e) || !json_reader_finish(r, e))
            return false;
        check_extents(m.rank, m.extent);
        if (compared)
            compare(tree, &m, m.bias, &count);
        return true;
    }
}

static void fuzz_reader(int kind, size_t memory, const char *text, size_t size)
{
    struct arena arena;
    struct json_reader r;
    struct error e = {0};
    json_error_t error;
    const size_t flags =
        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL;
    json_t *tree = json_loadb(text, size, flags, &error);
    arena_init(&arena, memory, NULL);
    json_reader_init(&r, text, size, &arena);
    if (read(&r, kind, tree, &e))
        assert(tree);
    else
        assert(e.code == ERROR_INVALID_JSON || e.code == ERROR_INVALID_INPUT ||
               e.code == ERROR_TOO_LARGE || e.code == ERROR_OUT_OF_MEMORY);
    arena_free(&arena);
    json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    char *text = malloc(size - 1); /* exactly as large: overreads are seen */
    assert(text);
    memcpy(text, data + 2, size - 2);
    fuzz_reader(data[0] % 3, data[1] % 2 ? data[1] * 16U : 1 << 20, text, size - 2);
    free(text);
    return 0;
}
