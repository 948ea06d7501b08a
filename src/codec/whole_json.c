#include "codec/whole_json.h"

#include "codec/json_option.h"

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

static bool read_packed(struct json_reader *r, const struct field *at,
                        const struct tensor_limit *limit, const size_t **out,
                        size_t *count, struct error *e)
{
    const struct tensor_limit limits[TENSOR_MAX_RANK] = {[3] = *limit};
    struct whole_tensor t;
    if (!tensor_wholes_from_json(r, at, 1, 1, limits, &t, e))
        return false;
    *out = t.data;
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
    struct whole_tensor t;
    if (!tensor_wholes_from_json(r, at, 1, 2, limit, &t, e))
        return false;
    const int64_t *position = (const int64_t *)t.data; /* none is beyond 2^53 */
    *out = (struct positions){position, t.rank, {t.extent[0], t.extent[1]}};
    return true;
}
