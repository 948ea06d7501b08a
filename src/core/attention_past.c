#include "core/attention_past.h"

size_t attention_past_length(const struct attention_input *input)
{
    const struct tensor *key = &input->past.key;
    return input->past.given ? key->extent[key->rank - 2] : 0;
}

static bool check_rank(const struct tensor *part, const char *path, bool single,
                       struct error *e)
{
    if (part->rank == 0)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "is missing: past needs key and value");
    if (part->rank == 4 || (part->rank == 3 && single))
        return true;
    return error_set(e, ERROR_INVALID_INPUT, path, "has rank %zu, expected %s",
                     part->rank, single ? "3 or 4" : "4 (a batch was given)");
}

bool attention_past_check_ranks(const struct attention_input *input, bool single,
                                struct error *e)
{
    const struct tensor *key = &input->past.key, *value = &input->past.value;
    if (!input->past.given)
        return true;
    if (!check_rank(key, "/past/key", single, e) ||
        !check_rank(value, "/past/value", single, e))
        return false;
    if (value->rank != key->rank)
        return error_set(e, ERROR_INVALID_INPUT, "/past/value",
                         "has rank %zu, expected %zu (the rank of past/key)",
                         value->rank, key->rank);
    if (value->extent[value->rank - 2] != key->extent[key->rank - 2])
        return error_set(e, ERROR_INVALID_INPUT, "/past/value",
                         "has %zu tokens, expected %zu (as many as past/key)",
                         value->extent[value->rank - 2], key->extent[key->rank - 2]);
    return true;
}

static bool check_part(const struct tensor *part, const char *path,
                       const struct attention_shape *shape, size_t width,
                       struct error *e)
{
    size_t batch = part->rank == 4 ? part->extent[0] : 1;
    size_t heads = part->extent[part->rank - 3], own = part->extent[part->rank - 1];
    if (batch != shape->B)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu sequences, expected %zu (as many as the request)",
                         batch, shape->B);
    if (heads != shape->G)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu heads, expected %zu (the key heads)", heads,
                         shape->G);
    if (own != width)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu numbers in a row, expected %zu (as those of the "
                         "request)",
                         own, width);
    return true;
}

bool attention_past_check(const struct attention_input *input,
                          const struct attention_shape *shape, struct error *e)
{
    return !input->past.given ||
           (check_part(&input->past.key, "/past/key", shape, shape->dk, e) &&
            check_part(&input->past.value, "/past/value", shape, shape->dv, e));
}

const float *attention_past_rows(const struct attention_shape *shape,
                                 const struct tensor *part, size_t b)
{
    return part->rank ? part->data + b * (tensor_count(part) / shape->B) : NULL;
}
