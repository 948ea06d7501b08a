#include "core/attention_shape.h"

#include "base/field.h"
#include "core/attention_heads.h"
#include "core/attention_limits.h"
#include "core/attention_mask.h"
#include "core/attention_options.h"
#include "core/attention_past.h"

static bool refuse_unless(bool ok, const char *path, const char *message,
                          struct error *e)
{
    return ok || error_set(e, ERROR_INVALID_INPUT, path, "%s", message);
}

size_t attention_shape_T(const struct attention_input *input, size_t b)
{
    const struct tensor *query = &input->query;
    if (query->rank)
        return query->extent[query->rank - 2];
    return input->sequences.item[b].extent[0];
}

size_t attention_shape_S(const struct attention_input *input, size_t b)
{
    const struct tensor *key = &input->key;
    const struct batch *tokens =
        input->context.count ? &input->context : &input->sequences;
    return attention_past_length(input) +
           (key->rank ? key->extent[key->rank - 2] : tokens->item[b].extent[0]);
}

/* Exactly one of the two forms, and nothing beside it that belongs to the other. */
static bool check_form(const struct attention_input *input, struct error *e)
{
    bool query = input->query.rank > 0, key = input->key.rank > 0;
    bool value = input->value.rank > 0, any = query || key || value;
    bool sequences = input->sequences.count > 0, context = input->context.count > 0;
    const char *second = query ? "/query" : key ? "/key" : "/value";

    return refuse_unless(!any || !sequences, second,
                         "cannot be given together with sequences", e) &&
           refuse_unless(any || sequences || !context, "/context",
                         "needs sequences beside it", e) &&
           refuse_unless(any || sequences, "",
                         "needs sequences, or query, key and value", e) &&
           refuse_unless(!any || query, "/query",
                         "is missing: query, key and value go together", e) &&
           refuse_unless(!any || key, "/key",
                         "is missing: query, key and value go together", e) &&
           refuse_unless(!any || value, "/value",
                         "is missing: query, key and value go together", e) &&
           refuse_unless(!any || !context, "/context",
                         "cannot be given together with query, key and value", e) &&
           refuse_unless(!any || !input->weights.given, "/weights",
                         "cannot be given together with query, key and value, which "
                         "are projected already",
                         e);
}

/* Every item is [T_b][d] with the same d. */
static bool check_rows(const struct batch *batch, const char *name, struct error *e)
{
    const struct field *at = FIELD_NAME(NULL, name);
    for (size_t b = 0; b < batch->count; b++) {
        const struct tensor *item = &batch->item[b];
        if (item->rank != 2)
            return field_error(FIELD_AT(at, b), e, ERROR_INVALID_INPUT,
                               "has rank %zu, expected 2", item->rank);
        if (item->extent[1] != batch->item[0].extent[1])
            return field_error(FIELD_AT(at, b), e, ERROR_INVALID_INPUT,
                               "has rows of %zu numbers, expected %zu (as in the first "
                               "sequence)",
                               item->extent[1], batch->item[0].extent[1]);
    }
    return true;
}

static bool check_tokens(const struct attention_input *input, struct error *e)
{
    const struct batch *sequences = &input->sequences, *context = &input->context;
    if (!check_rows(sequences, "sequences", e) || !check_rows(context, "context", e))
        return false;
    if (!context->count)
        return true;

    if (context->single != sequences->single)
        return error_set(e, ERROR_INVALID_INPUT, "/context",
                         "is %s, but sequences is %s",
                         context->single ? "one sequence" : "a batch",
                         sequences->single ? "one sequence" : "a batch");
    if (context->count != sequences->count)
        return error_set(e, ERROR_INVALID_INPUT, "/context",
                         "has %zu sequences, expected %zu (as many as sequences)",
                         context->count, sequences->count);
    return true;
}

/* `key` or `value` beside `query`: the same rank and batch. */
static bool check_beside(const struct tensor *query, const struct tensor *other,
                         const char *path, struct error *e)
{
    if (other->rank != query->rank)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has rank %zu, expected %zu (the rank of query)", other->rank,
                         query->rank);
    if (query->rank > 2 && other->extent[0] != query->extent[0])
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu sequences, expected %zu (as many as query)",
                         other->extent[0], query->extent[0]);
    return true;
}

static bool check_projected(const struct attention_input *input, struct error *e)
{
    const struct tensor *query = &input->query, *key = &input->key;
    const struct tensor *value = &input->value;
    if (query->rank < 2 || query->rank > 4)
        return error_set(e, ERROR_INVALID_INPUT, "/query",
                         "has rank %zu, expected 2, 3 or 4", query->rank);
    if (!check_beside(query, key, "/key", e) ||
        !check_beside(query, value, "/value", e))
        return false;

    size_t keys = key->extent[key->rank - 2], values = value->extent[value->rank - 2];
    if (values != keys)
        return error_set(e, ERROR_INVALID_INPUT, "/value",
                         "has %zu tokens, expected %zu (as many as key)", values, keys);
    if (query->rank == 4 && value->extent[1] != key->extent[1])
        return error_set(e, ERROR_INVALID_INPUT, "/value",
                         "has %zu heads, expected %zu (as many as key)",
                         value->extent[1], key->extent[1]);
    return true;
}

static void measure(const struct attention_input *input, struct attention_shape *out)
{
    const struct tensor *query = &input->query, *key = &input->key;
    const struct batch *sequences = &input->sequences, *context = &input->context;
    if (query->rank) {
        out->projected = true;
        out->split_heads = query->rank == 4;
        out->single = query->rank == 2;
        out->B = out->single ? 1 : query->extent[0];
        out->d = query->extent[query->rank - 1];
        out->dc = key->extent[key->rank - 1];
    } else {
        out->single = sequences->single;
        out->B = sequences->count;
        out->d = sequences->item[0].extent[1];
        out->dc = context->count ? context->item[0].extent[1] : out->d;
    }
    for (size_t b = 0; b < out->B; b++) {
        size_t T = attention_shape_T(input, b), S = attention_shape_S(input, b);
        out->longest_T = T > out->longest_T ? T : out->longest_T;
        out->longest_S = S > out->longest_S ? S : out->longest_S;
    }
}

static size_t count_maps(const struct attention_input *input, size_t H)
{
    switch (input->maps) {
    case MAPS_TOP_K:
    case MAPS_HEADS: return input->map_heads_given ? input->map_head_count : H;
    case MAPS_MEAN: return 1;
    case MAPS_NONE: break;
    }
    return 0;
}

bool attention_shape_of(const struct attention_input *input,
                        const struct attention_limits *limits,
                        struct attention_shape *out, struct error *e)
{
    *out = (struct attention_shape){0};
    if (!check_form(input, e))
        return false;
    if (!(input->query.rank ? check_projected(input, e) : check_tokens(input, e)))
        return false;

    bool single = input->query.rank ? input->query.rank == 2 : input->sequences.single;
    if (!attention_past_check_ranks(input, single, e) ||
        !attention_limits_check(input, limits, e))
        return false;

    measure(input, out);
    if (!attention_limits_check_past(input, out, limits, e) ||
        !attention_heads_of(input, out, e) ||
        !attention_limits_check_joined(input, out, limits, e) ||
        !attention_past_check(input, out, e) ||
        !attention_mask_check(&input->mask, out, e) ||
        !attention_options_check(input, out, e))
        return false;

    out->map_heads = count_maps(input, out->H);
    return attention_limits_check_maps(input, out, limits, e);
}
