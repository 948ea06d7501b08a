#include <math.h>
#include <string.h>

#include "codec/json_option.h"
#include "codec/tensor_parts.h"

struct scan {
    struct json_reader *r;
    const struct field *root;
    struct tensor_layout *layout;
    struct tensor_pool *pool;
};

static bool append(struct tensor_pool *p, const void *value, size_t size,
                   struct error *e)
{
    if (!tensor_pool_reserve(p, size, true, e))
        return false;
    memcpy(p->data + p->used, value, size);
    p->used += size;
    return true;
}

static bool append_float(struct tensor_pool *p, float value, struct error *e)
{
    return append(p, &value, sizeof value, e);
}

static bool read_float(struct scan *s, const struct field *at, struct error *e)
{
    float value;
    return json_reader_float(s->r, at, &value, e) && append_float(s->pool, value, e);
}

static bool read_boolean(struct scan *s, const struct field *at, struct error *e)
{
    enum json_kind kind = json_reader_peek(s->r);
    if (kind == JSON_KIND_NUMBER || kind == JSON_KIND_NULL || kind == JSON_KIND_STRING)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be a boolean like the first value, not %s",
                           json_kind_name(kind));
    bool value;
    if (!json_reader_boolean(s->r, at, &value, e))
        return false;
    const uint8_t kept = value;
    return append(s->pool, &kept, sizeof kept, e);
}

static bool read_whole(struct scan *s, const struct field *at, struct error *e)
{
    size_t value;
    return json_option_whole(s->r, at, 0, SIZE_MAX, &value, e) &&
           append(s->pool, &value, sizeof value, e);
}

static bool read_bias(struct scan *s, const struct field *at, struct error *e)
{
    enum json_kind kind = json_reader_peek(s->r);
    if (kind == JSON_KIND_BOOLEAN)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be a number like the first value, not a boolean");
    if (kind == JSON_KIND_NULL)
        return json_reader_null(s->r, at, e) && append_float(s->pool, -INFINITY, e);
    if (kind != JSON_KIND_STRING)
        return read_float(s, at, e);

    struct json_text text;
    if (!json_reader_string(s->r, at, &text, e))
        return false;
    if (!json_text_is(text, "-Infinity"))
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be a number, \"-Infinity\" or null");
    return append_float(s->pool, -INFINITY, e);
}

static bool read_leaf(struct scan *s, const struct field *at, struct error *e)
{
    if (s->pool->leaf == LEAF_ANY_MASK)
        s->pool->leaf =
            json_reader_peek(s->r) == JSON_KIND_BOOLEAN ? LEAF_BOOLEAN : LEAF_BIAS;
    switch (s->pool->leaf) {
    case LEAF_BOOLEAN: return read_boolean(s, at, e);
    case LEAF_BIAS: return read_bias(s, at, e);
    case LEAF_WHOLE: return read_whole(s, at, e);
    case LEAF_FLOAT:
    case LEAF_ANY_MASK: break;
    }
    return read_float(s, at, e);
}

/* The numbers behind `count` numbers of a row, up to `most` of them all and as many as
 * there is room for: where most of the time is spent. Returns how many there are now.
 */
static size_t read_run(struct scan *s, size_t count, size_t most)
{
    struct tensor_pool *p = s->pool;
    if (p->leaf == LEAF_BOOLEAN || p->leaf == LEAF_WHOLE)
        return count;

    size_t room = (p->capacity - p->used) / sizeof(float), had = count;
    size_t last = room < most - count ? count + room : most;
    float *out = (float *)(void *)(p->data + p->used); /* `used` is a multiple of 4 */
    if (count == 0 && (last == 0 || !json_reader_first_float(s->r, out)))
        return 0;
    count += count == 0;
    count += json_reader_more_floats(s->r, out + (count - had), last - count);
    p->used += (count - had) * sizeof(float);
    return count;
}

static const char *noun(const struct scan *s, size_t level)
{
    if (level + 1 < s->layout->rank)
        return level + 2 < s->layout->rank ? "arrays" : "rows";
    return s->pool->leaf == LEAF_FLOAT || s->pool->leaf == LEAF_WHOLE ? "numbers"
                                                                      : "values";
}

/* The first value that is not an array tells the rank; `level` arrays around it
 * and one more are open. */
static bool find_rank(struct scan *s, const struct field *item, size_t level,
                      struct error *e)
{
    struct tensor_layout *l = s->layout;
    enum json_kind kind = json_reader_peek(s->r);
    size_t rank = level + 1;
    if (kind == JSON_KIND_ARRAY) {
        if (rank < l->max_rank)
            return true;
        return field_error(
            item, e, ERROR_INVALID_INPUT,
            "is nested too deep: at most %zu dimensions are allowed here", l->max_rank);
    }
    if (rank >= l->min_rank) {
        l->rank = rank;
        return true;
    }
    if (kind == JSON_KIND_NUMBER || kind == JSON_KIND_BOOLEAN)
        return tensor_layout_rank_error(l, rank, s->root, e);
    return true; /* an array must follow: reading it says what is there instead */
}

/* Element number `count` is one too many. Nothing of what follows is kept, but the
 * message tells how many there are. */
static bool too_many(struct scan *s, const struct field *at, size_t level, size_t count,
                     struct error *e)
{
    const struct tensor_limit *limit = tensor_layout_limit(s->layout, level);
    if (!json_reader_rest(s->r, &count, e))
        return false;
    return field_error(at, e, ERROR_TOO_LARGE,
                       "has %zu %s, at most %zu are allowed (%s)", count,
                       noun(s, level), limit->most, limit->setting);
}

static bool end_array(const struct scan *s, const struct field *at, size_t level,
                      size_t count, struct error *e)
{
    size_t *extent = &s->layout->extent[level];
    if (count == 0)
        return field_error(at, e, ERROR_INVALID_INPUT, "must not be empty");
    if (*extent == 0)
        *extent = count;
    if (*extent != count)
        return field_error(at, e, ERROR_INVALID_INPUT, "has %zu %s, expected %zu",
                           count, noun(s, level), *extent);
    return true;
}

/* Calls itself TENSOR_MAX_RANK deep at most: find_rank() sees to it. */
static bool read_array(struct scan *s, const struct field *at, size_t level,
                       struct error *e)
{
    struct tensor_layout *l = s->layout;
    size_t count = 0;
    bool found;
    if (!json_reader_array(s->r, at, e))
        return false;
    if (level + 1 == l->rank)
        count = read_run(s, 0, tensor_layout_limit(l, level)->most);
    for (;;) {
        if (!json_reader_element(s->r, &count, &found, e))
            return false;
        if (!found)
            return end_array(s, at, level, count, e);

        const struct field *item = FIELD_AT(at, count - 1);
        if (l->rank == 0 && !find_rank(s, item, level, e))
            return false;
        if (l->rank != 0 && count > tensor_layout_limit(l, level)->most)
            return too_many(s, at, level, count, e);
        if (l->rank == 0 || level + 1 < l->rank) {
            if (!read_array(s, item, level + 1, e))
                return false;
        } else {
            if (!read_leaf(s, item, e))
                return false;
            count = read_run(s, count, tensor_layout_limit(l, level)->most);
        }
    }
}

bool tensor_nested_read(struct json_reader *r, const struct field *at,
                        struct tensor_layout *layout, struct tensor_pool *pool,
                        struct error *e)
{
    struct scan s = {r, at, layout, pool};
    return read_array(&s, at, 0, e);
}
