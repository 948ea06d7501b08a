#include "property/operator_answer_json.h"

#include <jansson.h>
#include <math.h>

#include "property/float64_operator.h"

struct answer {
    const struct attention_input *in;
    const struct operator_answer *a; /* of one sequence */
};

static json_t *nested(const double *data, const size_t *extent, size_t rank)
{
    if (rank == 0)
        return isinf(*data) ? json_string("-Infinity") : json_real(*data);

    size_t part = 1;
    json_t *json = json_array();
    for (size_t axis = 1; axis < rank; axis++)
        part *= extent[axis];
    for (size_t i = 0; i < extent[0]; i++)
        json_array_append_new(json, nested(data + i * part, extent + 1, rank - 1));
    return json;
}

#define NESTED(data, ...)                       \
    nested(data, (const size_t[]){__VA_ARGS__}, \
           sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static json_t *outputs(const struct answer *r)
{
    const struct operator_answer *a = r->a;
    return a->split ? NESTED(a->output, a->H, a->T, a->dv)
                    : NESTED(a->output, a->T, a->width);
}

static json_t *mean_map(const struct answer *r)
{
    const struct operator_answer *a = r->a;
    json_t *rows = json_array();
    for (size_t i = 0; i < a->T; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < a->S; j++) {
            double sum = 0;
            for (size_t h = 0; h < a->H; h++)
                sum += a->stage[r->in->map_stage][(h * a->T + i) * a->S + j];
            json_array_append_new(row, json_real(sum / (double)a->H));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

/* The key that has `place` larger ones, or equal ones before it. */
static size_t key_at(const double *row, size_t S, size_t place)
{
    for (size_t j = 0; j < S; j++) {
        size_t before = 0;
        for (size_t other = 0; other < S; other++)
            before += row[other] > row[j] || (row[other] == row[j] && other < j);
        if (before == place)
            return j;
    }
    return S;
}

static json_t *largest(const struct answer *r, size_t h, bool values)
{
    const struct operator_answer *a = r->a;
    json_t *rows = json_array();
    for (size_t i = 0; i < a->T; i++) {
        const double *cells = a->stage[r->in->map_stage] + (h * a->T + i) * a->S;
        json_t *row = json_array();
        for (size_t n = 0; n < r->in->top_k; n++) {
            size_t j = key_at(cells, a->S, n);
            json_array_append_new(row, values ? json_real(cells[j])
                                              : json_integer((json_int_t)j));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

/* `part` 0: whole maps, 1: indices of the largest, 2: their values. */
static json_t *maps_of_heads(const struct answer *r, int part)
{
    const struct operator_answer *a = r->a;
    json_t *maps = json_array();
    size_t count = r->in->map_heads_given ? r->in->map_head_count : a->H;
    for (size_t m = 0; m < count; m++) {
        size_t h = r->in->map_heads_given ? r->in->map_heads[m] : m;
        const double *map = a->stage[r->in->map_stage] + h * a->T * a->S;
        json_array_append_new(maps, part ? largest(r, h, part == 2)
                                         : NESTED(map, a->T, a->S));
    }
    return maps;
}

static json_t *maps(const struct answer *r)
{
    return r->in->maps == MAPS_MEAN ? mean_map(r) : maps_of_heads(r, 0);
}

static json_t *top_indices(const struct answer *r)
{
    return maps_of_heads(r, 1);
}

static json_t *top_values(const struct answer *r)
{
    return maps_of_heads(r, 2);
}

/* Rows [first, S) of every key head. */
static json_t *rows_of(const struct answer *r, const double *data, size_t width,
                       size_t first)
{
    const struct operator_answer *a = r->a;
    json_t *heads = json_array();
    for (size_t g = 0; g < a->G; g++)
        json_array_append_new(
            heads, NESTED(data + (g * a->S + first) * width, a->S - first, width));
    return heads;
}

static json_t *query(const struct answer *r)
{
    return NESTED(r->a->query, r->a->H, r->a->T, r->a->dk);
}

static json_t *key(const struct answer *r)
{
    return rows_of(r, r->a->key, r->a->dk, r->a->P);
}

static json_t *value(const struct answer *r)
{
    return rows_of(r, r->a->value, r->a->dv, r->a->P);
}

static json_t *present_key(const struct answer *r)
{
    return rows_of(r, r->a->key, r->a->dk, 0);
}

static json_t *present_value(const struct answer *r)
{
    return rows_of(r, r->a->value, r->a->dv, 0);
}

static json_t *lse(const struct answer *r)
{
    return NESTED(r->a->lse, r->a->H, r->a->T);
}

static json_t *entropy(const struct answer *r, size_t which)
{
    json_t *heads = json_array();
    for (size_t h = 0; h < r->a->H; h++) {
        json_t *row = json_array();
        for (size_t i = 0; i < r->a->T; i++)
            json_array_append_new(
                row, json_real(r->a->entropy[(h * r->a->T + i) * 2 + which]));
        json_array_append_new(heads, row);
    }
    return heads;
}

static json_t *nats(const struct answer *r)
{
    return entropy(r, 0);
}

static json_t *normalised(const struct answer *r)
{
    return entropy(r, 1);
}

static json_t *statistics(const struct answer *r)
{
    json_t *heads = json_array();
    for (size_t h = 0; h < r->a->H; h++) {
        const double *f = r->a->statistic + h * FIGURES;
        json_array_append_new(
            heads,
            json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:o}", "entropy", f[FIGURE_ENTROPY],
                      "maximum", f[FIGURE_MAXIMUM], "distance", f[FIGURE_DISTANCE],
                      "first", f[FIGURE_FIRST], "own", f[FIGURE_OWN], "previous",
                      f[FIGURE_PREVIOUS], "next", f[FIGURE_NEXT], "received",
                      NESTED(r->a->received + h * r->a->S, r->a->S)));
    }
    return heads;
}

/* A member: with a batch an array of one a sequence. */
static void add(json_t *to, const char *name, const struct attention_input *in,
                const struct operator_answer *a,
                json_t *(*make)(const struct answer *r))
{
    if (in->sequences.single || in->query.rank == 2) {
        json_object_set_new(to, name, make(&(struct answer){in, a}));
        return;
    }
    json_t *all = json_array();
    for (size_t b = 0; b < operator_batch(in); b++)
        json_array_append_new(all, make(&(struct answer){in, &a[b]}));
    json_object_set_new(to, name, all);
}

static json_t *object_in(json_t *root, const char *name)
{
    json_t *object = json_object();
    json_object_set_new(root, name, object);
    return object;
}

char *operator_answer_json(const struct attention_input *in, struct arena *arena)
{
    const struct operator_answer *a = float64_operator(in, arena);
    json_t *root = json_object(), *part;
    add(root, "outputs", in, a, outputs);
    if (in->maps == MAPS_TOP_K) {
        part = object_in(root, "attention_maps");
        add(part, "indices", in, a, top_indices);
        add(part, "values", in, a, top_values);
    } else if (in->maps != MAPS_NONE)
        add(root, "attention_maps", in, a, maps);
    if (in->want_projections) {
        part = object_in(root, "projections");
        add(part, "query", in, a, query);
        add(part, "key", in, a, key);
        add(part, "value", in, a, value);
    }
    if (in->want_lse)
        add(root, "lse", in, a, lse);
    if (in->want_present) {
        part = object_in(root, "present");
        add(part, "key", in, a, present_key);
        add(part, "value", in, a, present_value);
    }
    if (in->want_entropy) {
        part = object_in(root, "entropy");
        add(part, "nats", in, a, nats);
        add(part, "normalised", in, a, normalised);
    }
    if (in->want_statistics)
        add(root, "statistics", in, a, statistics);
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(root);
    return text;
}
