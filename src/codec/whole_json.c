#include "codec/whole_json.h"

#include <math.h>

#include "codec/json_option.h"

#define EXACT_BELOW 16777216.0 /* 2^24: from here on float32 has gaps */

static bool too_many(struct json_reader *r, size_t count,
                     const struct tensor_limit *limit, const struct field *at,
                     struct error *e)
{
    if (!json_reader_rest(r, &count, e))
        return false;
    return field_error(at, e, ERROR_TOO_LARGE,
                       "has %zu numbers, at most %zu are allowed (%s)", count,
                       limit->most, limit->setting);
}

static bool read_array(struct json_reader *r, const struct field *at,
                       const struct tensor_limit *limit, const size_t **out,
                       size_t *count, struct error *e)
{
    struct json_list list = {0};
    bool found;
    *count = 0;
    if (!json_reader_array(r, at, e))
        return false;
    for (;;) {
        if (!json_reader_element(r, count, &found, e))
            return false;
        if (!found)
            break;
        if (*count > limit->most)
            return too_many(r, *count, limit, at, e);
        size_t *item = json_list_add(&list, sizeof *item, r->arena, e);
        if (!item ||
            !json_option_whole(r, FIELD_AT(at, *count - 1), 0, SIZE_MAX, item, e))
            return false;
    }
    *out = list.items ? list.items : arena_alloc(r->arena, 0, sizeof **out, e);
    return *out != NULL;
}

/* Number `n` of a tensor of rank 1 or 2. */
static bool whole_at(const struct tensor *t, size_t n, const struct field *at,
                     size_t *out, struct error *e)
{
    const double value = (double)t->data[n];
    if (value >= 0 && value < EXACT_BELOW && value == floor(value)) {
        *out = (size_t)value;
        return true;
    }

    const size_t width = t->extent[t->rank - 1];
    const struct field *row = t->rank == 2 ? FIELD_AT(at, n / width) : at;
    return field_error(FIELD_AT(row, n % width), e, ERROR_INVALID_INPUT,
                       "must be a whole number from 0 to %.0f", EXACT_BELOW - 1);
}

static bool read_packed(struct json_reader *r, const struct field *at,
                        const struct tensor_limit *limit, const size_t **out,
                        size_t *count, struct error *e)
{
    const struct tensor_rules rules = {1, 1, limit->most, limit->setting};
    struct tensor t;
    if (!tensor_from_json(r, at, &rules, &t, e))
        return false;

    size_t *item = arena_alloc(r->arena, t.extent[0], sizeof *item, e);
    if (!item)
        return false;
    for (size_t i = 0; i < t.extent[0]; i++)
        if (!whole_at(&t, i, at, &item[i], e))
            return false;
    *out = item;
    *count = t.extent[0];
    return true;
}

bool wholes_from_json(struct json_reader *r, const struct field *at,
                      const struct tensor_limit *limit, const size_t **out,
                      size_t *count, struct error *e)
{
    if (json_reader_peek(r) == JSON_KIND_OBJECT)
        return read_packed(r, at, limit, out, count, e);
    return read_array(r, at, limit, out, count, e);
}

bool positions_from_json(struct json_reader *r, const struct field *at,
                         const struct attention_limits *limits, struct positions *out,
                         struct error *e)
{
    const struct tensor_limit limit[TENSOR_MAX_RANK] = {
        [2] = {limits->max_batch, "max_batch"},
        [3] = {limits->max_tokens, "max_tokens"},
    };
    struct tensor t;
    if (!tensor_from_json_by_axis(r, at, 1, 2, limit, &t, e))
        return false;

    const size_t count = tensor_count(&t);
    int64_t *position = arena_alloc(r->arena, count, sizeof *position, e);
    if (!position)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t whole = 0;
        if (!whole_at(&t, i, at, &whole, e))
            return false;
        position[i] = (int64_t)whole;
    }
    *out = (struct positions){position, t.rank, {t.extent[0], t.extent[1]}};
    return true;
}
