#include "codec/tensor_json.h"

#include <string.h>

#include "codec/tensor_parts.h"

static bool read_either(struct json_reader *r, const struct field *at,
                        struct tensor_layout *layout, struct tensor_pool *pool,
                        struct error *e)
{
    enum json_kind kind = json_reader_peek(r);
    if (kind == JSON_KIND_OBJECT)
        return tensor_packed_read(r, at, layout, pool, e);
    if (kind == JSON_KIND_ARRAY || kind == JSON_KIND_END || kind == JSON_KIND_OTHER)
        return tensor_nested_read(r, at, layout, pool, e);
    return field_error(at, e, ERROR_INVALID_INPUT,
                       "must be an array or a base64 tensor, not %s",
                       json_kind_name(kind));
}

static const float *pool_floats(const struct tensor_pool *pool)
{
    return (const float *)(const void *)pool->data;
}

bool tensor_from_json(struct json_reader *r, const struct field *at,
                      const struct tensor_rules *rules, struct tensor *out,
                      struct error *e)
{
    struct tensor_limit limit[TENSOR_MAX_RANK];
    for (size_t i = 0; i < TENSOR_MAX_RANK; i++)
        limit[i] = (struct tensor_limit){rules->max_extent, rules->limit_name};
    return tensor_from_json_by_axis(r, at, rules->min_rank, rules->max_rank, limit, out,
                                    e);
}

/* What is read stands in `pool`, of leaves of one kind, its shape in `layout`. */
static bool read_by_axis(struct json_reader *r, const struct field *at,
                         const struct tensor_limit limit[TENSOR_MAX_RANK],
                         enum tensor_leaf leaf, struct tensor_layout *layout,
                         struct tensor_pool *pool, struct error *e)
{
    memcpy(layout->limit, limit, sizeof layout->limit);
    tensor_pool_init(pool, r, leaf);
    if (!read_either(r, at, layout, pool, e))
        return false;
    tensor_pool_trim(pool);
    return true;
}

bool tensor_from_json_by_axis(struct json_reader *r, const struct field *at,
                              size_t min_rank, size_t max_rank,
                              const struct tensor_limit limit[TENSOR_MAX_RANK],
                              struct tensor *out, struct error *e)
{
    struct tensor_layout layout = {.min_rank = min_rank, .max_rank = max_rank};
    struct tensor_pool pool;
    if (!read_by_axis(r, at, limit, LEAF_FLOAT, &layout, &pool, e))
        return false;
    *out = (struct tensor){.data = pool_floats(&pool), .rank = layout.rank};
    memcpy(out->extent, layout.extent, sizeof out->extent);
    return true;
}

bool tensor_wholes_from_json(struct json_reader *r, const struct field *at,
                             size_t min_rank, size_t max_rank,
                             const struct tensor_limit limit[TENSOR_MAX_RANK],
                             struct whole_tensor *out, struct error *e)
{
    struct tensor_layout layout = {.min_rank = min_rank, .max_rank = max_rank};
    struct tensor_pool pool;
    if (!read_by_axis(r, at, limit, LEAF_WHOLE, &layout, &pool, e))
        return false;
    out->data = (const size_t *)(const void *)pool.data;
    out->rank = layout.rank;
    memcpy(out->extent, layout.extent, sizeof out->extent);
    return true;
}

static struct tensor_layout batch_layout(const struct attention_limits *limits,
                                         size_t max_rank)
{
    return (struct tensor_layout){
        .min_rank = 2,
        .max_rank = max_rank,
        .limit = {[1] = {limits->max_batch, "max_batch"},
                  [2] = {limits->max_tokens, "max_tokens"},
                  [3] = {limits->max_width, "max_width"}},
    };
}

/* Is the array that begins here one of sequences, and not itself a sequence? Looks
 * ahead with a copy of the reader; what is wrong here will be found again. */
static bool holds_sequences(const struct json_reader *r)
{
    struct json_reader probe = *r;
    struct error ignored = {0};
    bool found;
    for (size_t level = 0; level < 2; level++) {
        size_t count = 0;
        if (!json_reader_array(&probe, NULL, &ignored) ||
            !json_reader_element(&probe, &count, &found, &ignored) || !found)
            return false;
        if (level == 0 && json_reader_peek(&probe) == JSON_KIND_OBJECT)
            return true;
    }
    return json_reader_peek(&probe) == JSON_KIND_ARRAY;
}

/* `length` tokens each, one behind the other in `pool`. */
static bool make_items(struct tensor_pool *pool, const size_t *length, size_t count,
                       size_t width, struct batch *out, struct error *e)
{
    struct tensor *item = arena_alloc(pool->reader->arena, count, sizeof *item, e);
    if (!item)
        return false;

    const float *data = pool_floats(pool);
    for (size_t i = 0; i < count; i++) {
        item[i] =
            (struct tensor){.data = data, .rank = 2, .extent = {length[i], width}};
        data += length[i] * width;
    }
    out->count = count;
    out->item = item;
    return true;
}

static bool too_many_sequences(struct json_reader *r, const struct field *at,
                               size_t count, size_t most, struct error *e)
{
    if (!json_reader_rest(r, &count, e))
        return false;
    return field_error(at, e, ERROR_TOO_LARGE,
                       "has %zu sequences, at most %zu are allowed (max_batch)", count,
                       most);
}

static bool read_sequences(struct json_reader *r, const struct field *at,
                           const struct attention_limits *limits, struct batch *out,
                           struct error *e)
{
    /* A sequence takes "[[0]]," at least. */
    const size_t possible = (size_t)(r->end - r->at) / 6 + 1;
    const size_t most = limits->max_batch;
    size_t *length =
        arena_alloc(r->arena, possible < most ? possible : most, sizeof *length, e);
    if (!length)
        return false;

    struct tensor_pool pool;
    size_t count = 0, width = 0;
    bool found;
    tensor_pool_init(&pool, r, LEAF_FLOAT);
    if (!json_reader_array(r, at, e))
        return false; /* it has been seen before; GCOVR_EXCL_LINE */
    for (;;) {
        if (!json_reader_element(r, &count, &found, e))
            return false;
        if (!found)
            break;
        if (count > most)
            return too_many_sequences(r, at, count, most, e);

        struct tensor_layout layout = batch_layout(limits, 2);
        layout.extent[1] = width; /* the same for all */
        if (!read_either(r, FIELD_AT(at, count - 1), &layout, &pool, e))
            return false;
        length[count - 1] = layout.extent[0];
        width = layout.extent[1];
    }
    tensor_pool_trim(&pool);
    return make_items(&pool, length, count, width, out, e);
}

bool batch_from_json(struct json_reader *r, const struct field *at,
                     const struct attention_limits *limits, struct batch *out,
                     struct error *e)
{
    *out = (struct batch){0};
    if (holds_sequences(r))
        return read_sequences(r, at, limits, out, e);

    struct tensor_layout layout = batch_layout(limits, 3);
    struct tensor_pool pool;
    tensor_pool_init(&pool, r, LEAF_FLOAT);
    if (!read_either(r, at, &layout, &pool, e))
        return false;

    tensor_pool_trim(&pool);
    out->single = layout.rank == 2;
    const size_t count = out->single ? 1 : layout.extent[0];
    const size_t tokens = layout.extent[layout.rank - 2];
    size_t *length = arena_alloc(r->arena, count, sizeof *length, e);
    if (!length)
        return false;
    for (size_t i = 0; i < count; i++)
        length[i] = tokens;
    return make_items(&pool, length, count, layout.extent[layout.rank - 1], out, e);
}

bool mask_from_json(struct json_reader *r, const struct field *at,
                    const struct attention_limits *limits, struct attention_mask *out,
                    struct error *e)
{
    struct tensor_layout layout = {
        .min_rank = 1,
        .max_rank = TENSOR_MAX_RANK,
        .limit = {{limits->max_batch, "max_batch"},
                  {limits->max_heads, "max_heads"},
                  {limits->max_tokens, "max_tokens"},
                  {limits->max_tokens, "max_tokens"}},
    };
    struct tensor_pool pool;
    tensor_pool_init(&pool, r, LEAF_ANY_MASK);
    if (!read_either(r, at, &layout, &pool, e))
        return false;

    tensor_pool_trim(&pool);
    *out = (struct attention_mask){.rank = layout.rank};
    memcpy(out->extent, layout.extent, sizeof out->extent);
    if (pool.leaf == LEAF_BOOLEAN) {
        out->kind = MASK_BOOLEAN;
        out->allowed = pool.data;
    } else {
        out->kind = MASK_ADDITIVE;
        out->bias = pool_floats(&pool);
    }
    return true;
}
