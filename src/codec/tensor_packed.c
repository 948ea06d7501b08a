#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/json_option.h"
#include "codec/tensor_elements.h"
#include "codec/tensor_parts.h"

/* The object's members, in whatever order they came. */
struct packed {
    const struct tensor_dtype *dtype;
    bool shape_given, data_given;
    struct json_text data;
};

static bool read_dtype(struct json_reader *r, const struct field *at,
                       const struct tensor_dtype **dtype, struct error *e)
{
    struct json_text name;
    if (!json_reader_string(r, at, &name, e))
        return false;
    *dtype = tensor_dtype_find(name);
    return *dtype || field_error(at, e, ERROR_INVALID_INPUT,
                                 "must be one of f32, f64, f16, bf16, i32, i64, bool");
}

static bool check_extent(const struct tensor_layout *l, size_t axis, size_t extent,
                         const struct field *at, struct error *e)
{
    const struct tensor_limit *limit = tensor_layout_limit(l, axis);
    if (extent == 0)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be a whole number, 1 or more");
    if (extent > limit->most)
        return field_error(at, e, ERROR_TOO_LARGE,
                           "is %zu, at most %zu is allowed (%s)", extent, limit->most,
                           limit->setting);
    if (l->extent[axis] != 0 && l->extent[axis] != extent)
        return field_error(at, e, ERROR_INVALID_INPUT, "is %zu, expected %zu", extent,
                           l->extent[axis]);
    return true;
}

static bool read_shape(struct json_reader *r, const struct field *at,
                       struct tensor_layout *l, struct error *e)
{
    size_t extent[TENSOR_MAX_RANK] = {0}, value, rank = 0;
    bool found;
    if (!json_reader_array(r, at, e))
        return false;
    for (;;) {
        if (!json_reader_element(r, &rank, &found, e))
            return false;
        if (!found)
            break;
        if (!json_option_whole(r, FIELD_AT(at, rank - 1), 0, SIZE_MAX, &value, e))
            return false;
        if (rank <= TENSOR_MAX_RANK)
            extent[rank - 1] = value;
    }
    if (rank < l->min_rank || rank > l->max_rank)
        return tensor_layout_rank_error(l, rank, at, e);

    l->rank = rank;
    for (size_t i = 0; i < rank; i++) {
        if (!check_extent(l, i, extent[i], FIELD_AT(at, i), e))
            return false;
        l->extent[i] = extent[i];
    }
    return true;
}

static bool unknown_member(struct json_text name, const struct field *at,
                           struct error *e)
{
    char shown[JSON_SHOWN_BYTES + 1];
    json_option_shown(name, shown);
    return field_error(FIELD_NAME(at, shown), e, ERROR_INVALID_INPUT,
                       "is unknown; a tensor has dtype, shape and data");
}

static bool read_members(struct json_reader *r, const struct field *at,
                         struct tensor_layout *l, struct packed *p, struct error *e)
{
    struct json_members members;
    struct json_text name;
    bool found, good;
    if (!json_reader_object(r, at, &members, e))
        return false;
    for (;;) {
        if (!json_reader_member(r, &members, &name, &found, e))
            return false;
        if (!found)
            break;
        if (json_text_is(name, "dtype")) {
            good = read_dtype(r, FIELD_NAME(at, "dtype"), &p->dtype, e);
        } else if (json_text_is(name, "shape")) {
            good = read_shape(r, FIELD_NAME(at, "shape"), l, e);
            p->shape_given = true;
        } else if (json_text_is(name, "data")) {
            good = json_reader_string(r, FIELD_NAME(at, "data"), &p->data, e);
            p->data_given = true;
        } else {
            good = unknown_member(name, at, e);
        }
        if (!good)
            return false;
    }

    const char *missing = !p->dtype         ? "dtype"
                          : !p->shape_given ? "shape"
                          : !p->data_given  ? "data"
                                            : NULL;
    if (missing)
        field_error(at, e, ERROR_INVALID_INPUT, "has no \"%s\"", missing);
    return !missing;
}

/* Elements of the shape; what does not fit into memory is refused, not wrapped. */
static bool count_elements(const struct tensor_layout *l, size_t size,
                           const struct field *at, size_t *count, struct error *e)
{
    *count = 1;
    for (size_t i = 0; i < l->rank; i++) {
        if (l->extent[i] > SIZE_MAX / size / sizeof(float) / *count)
            return field_error(FIELD_NAME(at, "shape"), e, ERROR_INVALID_INPUT,
                               "has more elements than any memory");
        *count *= l->extent[i];
    }
    return true;
}

static bool length_error(const struct tensor_layout *l,
                         const struct tensor_dtype *dtype, size_t bytes, size_t needed,
                         const struct field *at, struct error *e)
{
    char shape[TENSOR_MAX_RANK * 24] = "";
    for (size_t i = 0, used = 0; i < l->rank; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%zu",
                                 i > 0 ? "," : "", l->extent[i]);
    return field_error(at, e, ERROR_INVALID_INPUT,
                       "holds %zu bytes, shape [%s] of %s needs %zu", bytes, shape,
                       dtype->name, needed);
}

static bool decode(struct json_text text, unsigned char *out, const struct field *at,
                   struct error *e)
{
    size_t wrong;
    if (base64_decode(text.bytes, text.length, out, &wrong))
        return true;
    return field_error(at, e, ERROR_INVALID_INPUT,
                       "is not base64: character %zu is wrong", wrong);
}

static bool value_error(enum tensor_leaf leaf, size_t position, const struct field *at,
                        struct error *e)
{
    return field_error(at, e, ERROR_INVALID_INPUT, "the value at position %zu is %s",
                       position,
                       leaf == LEAF_BOOLEAN ? "neither 0 nor 1" : "no finite float32");
}

static bool decode_booleans(struct tensor_pool *pool, struct json_text text,
                            size_t count, const struct field *at, struct error *e)
{
    if (!tensor_pool_reserve(pool, count, false, e))
        return false;
    unsigned char *out = pool->data + pool->used;
    if (!decode(text, out, at, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (out[i] > 1)
            return value_error(LEAF_BOOLEAN, i, at, e);
    pool->used += count;
    return true;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "what comes as float32 is kept as it came");

/* Of those that are as we keep them: how many come before the first that is not
 * finite, give or take a few. */
static size_t count_finite(const unsigned char *in, size_t count)
{
    enum { STRIDE = 32 };
    const uint32_t exponent = 0x7F800000;
    size_t n = 0;
    for (; count - n >= STRIDE; n += STRIDE) {
        uint32_t bits[STRIDE], wrong = 0;
        memcpy(bits, in + n * sizeof *bits, sizeof bits);
        for (size_t i = 0; i < STRIDE; i++)
            wrong |= (bits[i] & exponent) == exponent;
        if (wrong)
            break;
    }
    return n;
}

/* Converted in place, first to last: narrow elements stand at the end of the room,
 * wide ones at its beginning, so no element is overwritten before it was read. */
static bool decode_floats(struct tensor_pool *pool, struct json_text text, size_t count,
                          const struct tensor_dtype *dtype, const struct field *at,
                          struct error *e)
{
    const size_t bytes = count * dtype->size, kept = count * sizeof(float);
    if (!tensor_pool_reserve(pool, bytes > kept ? bytes : kept, false, e))
        return false;

    unsigned char *out = pool->data + pool->used;
    const unsigned char *in = bytes < kept ? out + (kept - bytes) : out;
    if (!decode(text, out + (in - out), at, e))
        return false;
    for (size_t i = dtype->id == DTYPE_F32 ? count_finite(out, count) : 0; i < count;
         i++) {
        const float value = dtype->read(in + i * dtype->size);
        if (!isfinite(value) && !(pool->leaf == LEAF_BIAS && value == -INFINITY))
            return value_error(dtype->id == DTYPE_BOOL ? LEAF_BOOLEAN : LEAF_FLOAT, i,
                               at, e);
        memcpy(out + i * sizeof value, &value, sizeof value);
    }
    pool->used += kept;
    return true;
}

bool tensor_packed_read(struct json_reader *r, const struct field *at,
                        struct tensor_layout *layout, struct tensor_pool *pool,
                        struct error *e)
{
    struct packed p = {0};
    size_t count, bytes;
    if (!read_members(r, at, layout, &p, e) ||
        !count_elements(layout, p.dtype->size, at, &count, e))
        return false;

    const struct field *data = FIELD_NAME(at, "data");
    r->base64_bytes += p.data.length;
    if (!base64_size(p.data.bytes, p.data.length, &bytes))
        return field_error(data, e, ERROR_INVALID_INPUT,
                           "is not base64: its %zu characters are no multiple of 4",
                           p.data.length);
    if (bytes != count * p.dtype->size)
        return length_error(layout, p.dtype, bytes, count * p.dtype->size, data, e);

    if (pool->leaf == LEAF_ANY_MASK)
        pool->leaf = p.dtype->id == DTYPE_BOOL ? LEAF_BOOLEAN : LEAF_BIAS;
    if (pool->leaf == LEAF_BOOLEAN)
        return decode_booleans(pool, p.data, count, data, e);
    return decode_floats(pool, p.data, count, p.dtype, data, e);
}
