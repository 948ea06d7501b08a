#include "core/attention_limits.h"

#include <stdint.h>

#include "base/field.h"
#include "core/approximations.h"
#include "core/attention_past.h"

/* A member, a figure of it, and the setting that bounds it. */
static bool check(const char *path, size_t figure, const char *what, size_t most,
                  const char *setting, struct error *e)
{
    if (figure <= most)
        return true;

    return error_set(e, ERROR_TOO_LARGE, path, "has %zu %s, the setting %s allows %zu",
                     figure, what, setting, most);
}

static bool check_tokens(const struct batch *batch, const char *name,
                         const struct attention_limits *limits, struct error *e)
{
    const struct field *at = FIELD_NAME(NULL, name);
    for (size_t b = 0; b < batch->count; b++) {
        size_t tokens = batch->item[b].extent[0];
        if (tokens > limits->max_tokens)
            return field_error(batch->single ? at : FIELD_AT(at, b), e, ERROR_TOO_LARGE,
                               "has %zu tokens, the setting max_tokens allows %zu",
                               tokens, limits->max_tokens);
    }
    return true;
}

static bool check_batch(const struct batch *batch, const char *name, const char *path,
                        const struct attention_limits *limits, struct error *e)
{
    if (batch->count == 0)
        return true;

    return check(path, batch->count, "sequences", limits->max_batch, "max_batch", e) &&
           check(path, batch->item[0].extent[1], "numbers in a row", limits->max_width,
                 "max_width", e) &&
           check_tokens(batch, name, limits, e);
}

static bool check_projected(const struct tensor *t, const char *path,
                            const struct attention_limits *limits, struct error *e)
{
    if (t->rank < 2)
        return true;

    size_t batch = t->rank > 2 ? t->extent[0] : 1;
    size_t heads = t->rank > 3 ? t->extent[1] : 1;
    return check(path, batch, "sequences", limits->max_batch, "max_batch", e) &&
           check(path, heads, "heads", limits->max_heads, "max_heads", e) &&
           check(path, t->extent[t->rank - 2], "tokens", limits->max_tokens,
                 "max_tokens", e) &&
           check(path, t->extent[t->rank - 1], "numbers in a row", limits->max_width,
                 "max_width", e);
}

static bool check_columns(const struct tensor *w, const char *path,
                          const struct attention_limits *limits, struct error *e)
{
    return w->rank < 2 ||
           check(path, w->extent[1], "columns", limits->max_width, "max_width", e);
}

bool attention_limits_check(const struct attention_input *input,
                            const struct attention_limits *limits, struct error *e)
{
    const struct attention_weights *w = &input->weights;
    if (input->heads > limits->max_heads)
        return error_set(e, ERROR_TOO_LARGE, "/heads",
                         "is %zu, the setting max_heads allows %zu", input->heads,
                         limits->max_heads);

    return check_batch(&input->sequences, "sequences", "/sequences", limits, e) &&
           check_batch(&input->context, "context", "/context", limits, e) &&
           check_projected(&input->query, "/query", limits, e) &&
           check_projected(&input->key, "/key", limits, e) &&
           check_projected(&input->value, "/value", limits, e) &&
           check_columns(&w->wq, "/weights/wq", limits, e) &&
           check_columns(&w->wk, "/weights/wk", limits, e) &&
           check_columns(&w->wv, "/weights/wv", limits, e) &&
           check_columns(&w->wo, "/weights/wo", limits, e);
}

bool attention_limits_check_past(const struct attention_input *input,
                                 const struct attention_shape *shape,
                                 const struct attention_limits *limits, struct error *e)
{
    size_t P = attention_past_length(input), most = limits->max_tokens;
    size_t all =
        shape->longest_S < P ? SIZE_MAX : shape->longest_S; /* it has wrapped */
    if (P == 0 || all <= most)
        return true;

    return error_set(e, ERROR_TOO_LARGE, "/past/key",
                     "has %zu tokens, with those of the request %zu, the setting "
                     "max_tokens allows %zu",
                     P, all, most);
}

bool attention_limits_check_joined(const struct attention_input *input,
                                   const struct attention_shape *shape,
                                   const struct attention_limits *limits,
                                   struct error *e)
{
    if (shape->split_heads || shape->dv <= limits->max_width / shape->H)
        return true;

    return error_set(e, ERROR_TOO_LARGE,
                     input->weights.given ? "/weights/wv" : "/value",
                     "makes rows of %zu x %zu numbers (heads x the width of a value), "
                     "the setting max_width allows %zu",
                     shape->H, shape->dv, limits->max_width);
}

/* Stays at SIZE_MAX instead of wrapping. */
static size_t multiply(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static size_t add(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

bool attention_limits_check_maps(const struct attention_input *input,
                                 const struct attention_shape *shape,
                                 const struct attention_limits *limits, struct error *e)
{
    size_t numbers = 0;
    for (size_t b = 0; b < shape->B; b++) {
        size_t S = attention_shape_S(input, b);
        size_t columns = input->maps == MAPS_TOP_K
                             ? multiply(2, input->top_k) /* an index and a number */
                             : approximations_map_columns(&input->method, S);
        size_t cells = multiply(attention_shape_T(input, b), columns);
        numbers = add(numbers, multiply(shape->map_heads, cells));
    }
    if (numbers <= limits->max_map_numbers)
        return true;

    return error_set(e, ERROR_TOO_LARGE, "",
                     "the attention maps have %zu numbers, the setting "
                     "max_map_numbers allows %zu (\"maps\": \"none\" needs none)",
                     numbers, limits->max_map_numbers);
}
