#include "core/attention_options.h"

#include <inttypes.h>
#include <math.h>

#include "base/field.h"
#include "core/attention_past.h"

static bool refuse(struct error *e, const char *path, const char *message)
{
    return error_set(e, ERROR_INVALID_INPUT, path, "%s", message);
}

static bool check_figures(const struct attention_input *input, struct error *e)
{
    if (input->scale_given && !isfinite(input->scale))
        return refuse(e, "/scale", "must be a finite number");
    if (!isfinite(input->softcap) || input->softcap < 0)
        return refuse(e, "/softcap", "must be a finite number above 0");
    if (!(input->dropout.rate >= 0 && input->dropout.rate < 1))
        return refuse(e, "/dropout/rate", "must be at least 0 and below 1");
    return true;
}

static bool check_key_lengths(const struct attention_input *input,
                              const struct attention_shape *shape, struct error *e)
{
    const struct field *at = FIELD_NAME(NULL, "key_lengths");
    if (!input->key_lengths)
        return true;
    if (input->key_length_count != shape->B)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "has %zu numbers, expected %zu (as many as sequences)",
                           input->key_length_count, shape->B);
    for (size_t b = 0; b < shape->B; b++) {
        size_t S = attention_shape_S(input, b);
        if (input->key_lengths[b] > S)
            return field_error(shape->single ? at : FIELD_AT(at, b), e,
                               ERROR_INVALID_INPUT, "is %zu, but there are %zu keys",
                               input->key_lengths[b], S);
    }
    return true;
}

/* One finite number a head, or nothing. */
static bool check_head_numbers(const struct tensor *t, const char *name, size_t H,
                               struct error *e)
{
    const struct field *at = FIELD_NAME(NULL, name);
    if (t->rank == 0)
        return true;
    if (t->rank != 1)
        return field_error(at, e, ERROR_INVALID_INPUT, "has rank %zu, expected 1",
                           t->rank);
    if (t->extent[0] != H)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "has %zu numbers, expected %zu (one a head)", t->extent[0],
                           H);
    for (size_t h = 0; h < H; h++)
        if (!isfinite(t->data[h]))
            return field_error(FIELD_AT(at, h), e, ERROR_INVALID_INPUT,
                               "must be a finite number");
    return true;
}

bool attention_options_shared_positions(const struct attention_input *input, size_t b)
{
    return !input->context.count &&
           attention_shape_S(input, b) - attention_past_length(input) ==
               attention_shape_T(input, b);
}

int64_t attention_options_first_position(const struct attention_input *input)
{
    return input->rope.offset_given ? input->rope.offset
                                    : (int64_t)attention_past_length(input);
}

static bool check_rope_figures(const struct rope_input *rope, size_t dk,
                               struct error *e)
{
    if (!rope->cosines.rank && (!isfinite(rope->base) || rope->base <= 0))
        return refuse(e, "/rope/base", "must be a finite number above 0");
    if (rope->dims > dk)
        return error_set(e, ERROR_INVALID_INPUT, "/rope/dims",
                         "is %zu, but a key has %zu numbers", rope->dims, dk);
    if (rope->dims % 2)
        return error_set(e, ERROR_INVALID_INPUT, "/rope/dims",
                         "is %zu, but channels turn in pairs", rope->dims);
    if (rope->dims == 0 && dk % 2)
        return error_set(e, ERROR_INVALID_INPUT, "/rope/dims",
                         "is needed, as channels turn in pairs and a key has %zu", dk);
    return true;
}

static bool check_table(const struct tensor *table, const char *path,
                        const struct tensor *other, size_t pairs, struct error *e)
{
    if (table->rank == 0)
        return refuse(e, path, "is missing: cos and sin go together");
    if (table->rank != 2)
        return error_set(e, ERROR_INVALID_INPUT, path, "has rank %zu, expected 2",
                         table->rank);
    if (table->extent[1] != pairs)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu columns, expected %zu (half of dims)",
                         table->extent[1], pairs);
    if (other->rank == 2 && table->extent[0] != other->extent[0])
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu rows, expected %zu (as many as cos)",
                         table->extent[0], other->extent[0]);
    return true;
}

/* Positions from `first` on for all tokens of the longest sequence. */
static bool check_counted(const struct rope_input *rope, const char *path,
                          int64_t first, size_t tokens, struct error *e)
{
    bool tables = rope->cosines.rank;
    int64_t most = tables ? (int64_t)rope->cosines.extent[0] : ATTENTION_MAX_POSITION;
    if (first < 0)
        return error_set(e, ERROR_INVALID_INPUT, "/rope/positions",
                         "is %" PRId64 ", but positions are 0 or more", first);
    if (first <= most && tokens <= (size_t)(most - first))
        return true;
    return error_set(e, ERROR_INVALID_INPUT, tables ? "/rope/cos" : path,
                     tables ? "has rows for %" PRId64
                              " positions, but %zu tokens stand from %" PRId64 " on"
                            : "are at most %" PRId64 ", but %zu tokens stand from "
                              "%" PRId64 " on",
                     most, tokens, first);
}

/* A list of positions, [T] or [B][T], where T is the longest sequence's. */
static bool check_listed(const struct rope_input *rope,
                         const struct attention_shape *shape, struct error *e)
{
    const struct field *at = FIELD_NAME(FIELD_NAME(NULL, "rope"), "positions");
    bool batch = rope->position_rank == 2;
    size_t rows = batch ? rope->position_extent[0] : 1;
    size_t columns = rope->position_extent[batch ? 1 : 0];
    if (rope->position_rank != 1 && !batch)
        return field_error(at, e, ERROR_INVALID_INPUT, "has rank %zu, expected 1 or 2",
                           rope->position_rank);
    if (batch && rows != shape->B)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "has %zu rows, expected %zu (as many as sequences)", rows,
                           shape->B);
    if (columns != shape->longest_T)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "has %zu positions%s, expected %zu (the query tokens)",
                           columns, batch ? " in a row" : "", shape->longest_T);

    bool tables = rope->cosines.rank;
    int64_t beyond = tables ? (int64_t)rope->cosines.extent[0] : ATTENTION_MAX_POSITION;
    for (size_t n = 0; n < rows * columns; n++) {
        int64_t position = rope->positions[n];
        const struct field *row = batch ? FIELD_AT(at, n / columns) : at;
        if (position < 0 || position >= beyond)
            return field_error(FIELD_AT(row, n % columns), e, ERROR_INVALID_INPUT,
                               "is %" PRId64 ", expected 0 to %" PRId64 "%s", position,
                               beyond - 1, tables ? " (the rows of cos)" : "");
    }
    return true;
}

static bool check_positions(const struct attention_input *input,
                            const struct attention_shape *shape, struct error *e)
{
    const struct rope_input *rope = &input->rope;
    if (rope->positions && rope->offset_given)
        return refuse(e, "/rope/positions",
                      "is both a list and an offset, which exclude each other");
    if (rope->positions && !check_listed(rope, shape, e))
        return false;
    if (!rope->positions &&
        !check_counted(rope, "/rope/positions", attention_options_first_position(input),
                       shape->longest_T, e))
        return false;

    /* Keys of their own positions stand after the past. */
    size_t P = attention_past_length(input), longest = 0;
    for (size_t b = 0; b < shape->B; b++) {
        size_t own = attention_shape_S(input, b) - P;
        if (!attention_options_shared_positions(input, b) && own > longest)
            longest = own;
    }
    return longest == 0 ||
           check_counted(rope, "/rope/positions", (int64_t)P, longest, e);
}

static bool check_rope(const struct attention_input *input,
                       const struct attention_shape *shape, struct error *e)
{
    const struct rope_input *rope = &input->rope;
    if (!rope->given)
        return true;
    if (!check_rope_figures(rope, shape->dk, e))
        return false;

    size_t pairs = (rope->dims ? rope->dims : shape->dk) / 2;
    bool tables = rope->cosines.rank || rope->sines.rank;
    if (tables &&
        (!check_table(&rope->cosines, "/rope/cos", &rope->cosines, pairs, e) ||
         !check_table(&rope->sines, "/rope/sin", &rope->cosines, pairs, e)))
        return false;
    return check_positions(input, shape, e);
}

static bool check_map_heads(const struct attention_input *input, size_t H,
                            struct error *e)
{
    const struct field *at = FIELD_NAME(NULL, "map_heads");
    if (input->maps != MAPS_HEADS && input->maps != MAPS_TOP_K)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "goes with the maps \"heads\" and \"top_k\" only");
    if (input->map_head_count == 0)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "names no head; say \"maps\": \"none\" for no maps");

    /* More names than heads cannot all differ, so this ends within H + 1 of them. */
    for (size_t i = 0; i < input->map_head_count; i++) {
        if (input->map_heads[i] >= H)
            return field_error(FIELD_AT(at, i), e, ERROR_INVALID_INPUT,
                               "is %zu, but there are %zu heads, counted from 0",
                               input->map_heads[i], H);
        for (size_t j = 0; j < i; j++)
            if (input->map_heads[j] == input->map_heads[i])
                return field_error(FIELD_AT(at, i), e, ERROR_INVALID_INPUT,
                                   "names head %zu a second time", input->map_heads[i]);
    }
    return true;
}

static bool check_top_k(const struct attention_input *input,
                        const struct attention_shape *shape, struct error *e)
{
    if (input->maps != MAPS_TOP_K)
        return input->top_k == 0 ||
               refuse(e, "/top_k", "goes with the maps \"top_k\" only");
    if (input->top_k == 0)
        return refuse(e, "/top_k", "is missing: how many of each row?");

    for (size_t b = 0; b < shape->B; b++) {
        size_t S = attention_shape_S(input, b);
        if (input->top_k > S)
            return error_set(e, ERROR_INVALID_INPUT, "/top_k",
                             "is %zu, but sequence %zu has %zu keys", input->top_k, b,
                             S);
    }
    return true;
}

static bool check_maps(const struct attention_input *input,
                       const struct attention_shape *shape, struct error *e)
{
    if (input->map_heads_given && !check_map_heads(input, shape->H, e))
        return false;
    if (input->map_stage != MAP_STAGE_WEIGHTS && input->maps == MAPS_NONE)
        return refuse(e, "/map_stage", "needs maps, which are \"none\"");
    return check_top_k(input, shape, e);
}

bool attention_options_check(const struct attention_input *input,
                             const struct attention_shape *shape, struct error *e)
{
    if (input->alibi_slopes.rank && !input->alibi)
        return refuse(e, "/alibi", "has slopes, but is false");
    return check_figures(input, e) && check_key_lengths(input, shape, e) &&
           check_head_numbers(&input->alibi_slopes, "alibi", shape->H, e) &&
           check_head_numbers(&input->sinks, "sinks", shape->H, e) &&
           check_rope(input, shape, e) && check_maps(input, shape, e);
}
