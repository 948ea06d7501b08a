#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/json_option.h"
#include "codec/tensor_elements.h"
#include "codec/tensor_parts.h"

/* The object's members, in whatever order they came. */
struct packed {
    const struct field *at;             /* of the object */
    const struct tensor_layout *layout; /* with the shape, once it was there */
    const struct tensor_dtype *dtype;
    bool shape_given, data_given;
    struct json_text data;
    size_t count; /* of elements */
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
static bool count_elements(struct packed *p, struct error *e)
{
    const struct tensor_layout *l = p->layout;
    const size_t size = p->dtype->size;
    p->count = 1;
    for (size_t i = 0; i < l->rank; i++) {
        if (l->extent[i] > SIZE_MAX / size / sizeof(float) / p->count)
            return field_error(FIELD_NAME(p->at, "shape"), e, ERROR_INVALID_INPUT,
                               "has more elements than any memory");
        p->count *= l->extent[i];
    }
    return true;
}

static bool length_error(const struct packed *p, size_t bytes, struct error *e)
{
    const struct tensor_layout *l = p->layout;
    char shape[TENSOR_MAX_RANK * 24] = "";
    for (size_t i = 0, used = 0; i < l->rank; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%zu",
                                 i > 0 ? "," : "", l->extent[i]);
    return field_error(FIELD_NAME(p->at, "data"), e, ERROR_INVALID_INPUT,
                       "holds %zu bytes, shape [%s] of %s needs %zu", bytes, shape,
                       p->dtype->name, p->count * p->dtype->size);
}

/* The bytes of the text in room for `kept`, or for themselves where they are more.
 * They are converted in place, first to last: narrow elements stand at the end of the
 * room, so no element is overwritten before it was read. NULL on failure. */
static const unsigned char *decode(struct tensor_pool *pool, const struct packed *p,
                                   size_t kept, struct error *e)
{
    const size_t bytes = p->count * p->dtype->size;
    if (!tensor_pool_reserve(pool, bytes > kept ? bytes : kept, false, e))
        return NULL;

    unsigned char *in = pool->data + pool->used + (bytes < kept ? kept - bytes : 0);
    size_t wrong;
    if (base64_decode(p->data.bytes, p->data.length, in, &wrong))
        return in;
    field_error(FIELD_NAME(p->at, "data"), e, ERROR_INVALID_INPUT,
                "is not base64: character %zu is wrong", wrong);
    return NULL;
}

/* The field of element `n`, where it would stand in nested arrays, is the last of
 * `place`, which hang together. */
static const struct field *element_field(const struct packed *p, size_t n,
                                         struct field place[TENSOR_MAX_RANK])
{
    const size_t rank = p->layout->rank;
    for (size_t axis = rank; axis-- > 0; n /= p->layout->extent[axis])
        place[axis] = (struct field){.parent = axis > 0 ? &place[axis - 1] : p->at,
                                     .index = n % p->layout->extent[axis]};
    return &place[rank - 1];
}

static bool float_error(const struct packed *p, size_t n, const unsigned char *from,
                        struct error *e)
{
    struct field place[TENSOR_MAX_RANK];
    return field_error(element_field(p, n, place), e, ERROR_INVALID_INPUT, "%s",
                       p->dtype->id == DTYPE_BOOL ? "is neither 0 nor 1"
                       : tensor_element_overflows(p->dtype, from)
                           ? "is outside the range of float32"
                           : "is no finite float32");
}

static bool decode_booleans(struct tensor_pool *pool, const struct packed *p,
                            struct error *e)
{
    const unsigned char *in = decode(pool, p, p->count, e);
    if (!in)
        return false;
    for (size_t i = 0; i < p->count; i++)
        if (in[i] > 1)
            return float_error(p, i, in + i, e);
    pool->used += p->count;
    return true;
}

static bool decode_wholes(struct tensor_pool *pool, const struct packed *p,
                          struct error *e)
{
    const size_t kept = p->count * sizeof(size_t);
    const unsigned char *in = decode(pool, p, kept, e);
    if (!in)
        return false;
    unsigned char *out = pool->data + pool->used;
    for (size_t i = 0; i < p->count; i++) {
        struct field place[TENSOR_MAX_RANK];
        size_t whole;
        if (!tensor_element_whole(p->dtype, in + i * p->dtype->size, &whole))
            return field_error(element_field(p, i, place), e, ERROR_INVALID_INPUT,
                               "must be a whole number from 0 to %zu",
                               p->dtype->most_whole);
        memcpy(out + i * sizeof whole, &whole, sizeof whole);
    }
    pool->used += kept;
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

/* Is this what stands for a key that may not be attended to? */
static bool is_excluded(const struct tensor_pool *pool, const struct packed *p,
                        float value, const unsigned char *from)
{
    return pool->leaf == LEAF_BIAS && value == -INFINITY &&
           !tensor_element_overflows(p->dtype, from);
}

static bool decode_floats(struct tensor_pool *pool, const struct packed *p,
                          struct error *e)
{
    const size_t kept = p->count * sizeof(float);
    const unsigned char *in = decode(pool, p, kept, e);
    if (!in)
        return false;
    unsigned char *out = pool->data + pool->used;
    size_t i = p->dtype->id == DTYPE_F32 ? count_finite(out, p->count) : 0;
    for (; i < p->count; i++) {
        const unsigned char *from = in + i * p->dtype->size;
        const float value = p->dtype->read(from);
        if (!isfinite(value) && !is_excluded(pool, p, value, from))
            return float_error(p, i, from, e);
        memcpy(out + i * sizeof value, &value, sizeof value);
    }
    pool->used += kept;
    return true;
}

bool tensor_packed_read(struct json_reader *r, const struct field *at,
                        struct tensor_layout *layout, struct tensor_pool *pool,
                        struct error *e)
{
    struct packed p = {.at = at, .layout = layout};
    size_t bytes;
    if (!read_members(r, at, layout, &p, e) || !count_elements(&p, e))
        return false;

    r->base64_bytes += p.data.length;
    if (!base64_size(p.data.bytes, p.data.length, &bytes))
        return field_error(FIELD_NAME(at, "data"), e, ERROR_INVALID_INPUT,
                           "is not base64: its %zu characters are no multiple of 4",
                           p.data.length);
    if (bytes != p.count * p.dtype->size)
        return length_error(&p, bytes, e);

    if (pool->leaf == LEAF_ANY_MASK)
        pool->leaf = p.dtype->id == DTYPE_BOOL ? LEAF_BOOLEAN : LEAF_BIAS;
    switch (pool->leaf) {
    case LEAF_BOOLEAN: return decode_booleans(pool, &p, e);
    case LEAF_WHOLE: return decode_wholes(pool, &p, e);
    case LEAF_FLOAT:
    case LEAF_BIAS:
    case LEAF_ANY_MASK: break;
    }
    return decode_floats(pool, &p, e);
}
