#include "core/attention_heads.h"

/* Rows of Q, K and V before they are split: where they come from and how long they
 * are. `what` is the noun of a message: "has 6 columns". */
struct joined_rows {
    const char *query_path, *key_path, *value_path, *what;
    size_t query, key, value;
};

static bool check_matrix(const struct tensor *w, const char *path, size_t rows,
                         const char *meaning, struct error *e)
{
    if (w->rank == 0)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "is missing: weights need wq, wk and wv");
    if (w->rank != 2)
        return error_set(e, ERROR_INVALID_INPUT, path, "has rank %zu, expected 2",
                         w->rank);
    if (w->extent[0] != rows)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu rows, expected %zu (%s)", w->extent[0], rows,
                         meaning);
    return true;
}

static bool check_bias(const struct tensor *bias, const char *path,
                       const struct tensor *w, const char *w_name, struct error *e)
{
    if (bias->rank == 0)
        return true;
    if (w->rank == 0)
        return error_set(e, ERROR_INVALID_INPUT, path, "needs %s beside it", w_name);
    if (bias->rank != 1)
        return error_set(e, ERROR_INVALID_INPUT, path, "has rank %zu, expected 1",
                         bias->rank);
    if (bias->extent[0] != w->extent[1])
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu numbers, expected %zu (the columns of %s)",
                         bias->extent[0], w->extent[1], w_name);
    return true;
}

static bool check_inputs(const struct attention_input *input,
                         const struct attention_shape *shape, struct error *e)
{
    const struct attention_weights *w = &input->weights;
    const char *context =
        input->context.count ? "the width of a context token" : "the width of a token";
    return check_matrix(&w->wq, "/weights/wq", shape->d, "the width of a token", e) &&
           check_matrix(&w->wk, "/weights/wk", shape->dc, context, e) &&
           check_matrix(&w->wv, "/weights/wv", shape->dc, context, e) &&
           check_bias(&w->bq, "/weights/bq", &w->wq, "wq", e) &&
           check_bias(&w->bk, "/weights/bk", &w->wk, "wk", e) &&
           check_bias(&w->bv, "/weights/bv", &w->wv, "wv", e);
}

static bool check_output(const struct attention_weights *w, size_t joined,
                         struct error *e)
{
    if (w->wo.rank && !check_matrix(&w->wo, "/weights/wo", joined,
                                    "the values of all heads, joined", e))
        return false;
    return check_bias(&w->bo, "/weights/bo", &w->wo, "wo", e);
}

/* Without weights Q, K and V are the tokens themselves, all of one width. */
static bool check_bare(const struct attention_input *input,
                       const struct attention_shape *shape, struct error *e)
{
    if (shape->dc != shape->d)
        return error_set(e, ERROR_INVALID_INPUT, "/context",
                         "has rows of %zu numbers, expected %zu (the width of a token, "
                         "as there are no weights)",
                         shape->dc, shape->d);
    if (shape->G != shape->H)
        return error_set(e, ERROR_INVALID_INPUT, "/kv_heads",
                         "is %zu, expected %zu (heads): without weights keys are as "
                         "wide as queries",
                         input->kv_heads, shape->H);
    return true;
}

static struct joined_rows joined_rows_of(const struct attention_input *input,
                                         const struct attention_shape *shape)
{
    const struct attention_weights *w = &input->weights;
    if (shape->projected)
        return (struct joined_rows){"/query",
                                    "/key",
                                    "/value",
                                    "numbers in a row",
                                    shape->d,
                                    shape->dc,
                                    input->value.extent[input->value.rank - 1]};
    if (w->given)
        return (struct joined_rows){"/weights/wq",  "/weights/wk",   "/weights/wv",
                                    "columns",      w->wq.extent[1], w->wk.extent[1],
                                    w->wv.extent[1]};
    return (struct joined_rows){"/sequences",       "/context", "/context",
                                "numbers in a row", shape->d,   shape->dc,
                                shape->dc};
}

/* Splits rows of H dk, G dk and G dv numbers. */
static bool split(const struct joined_rows *rows, struct attention_shape *shape,
                  struct error *e)
{
    if (rows->query % shape->H)
        return error_set(e, ERROR_INVALID_INPUT, "/heads",
                         "is %zu, but %s has %zu %s, which cannot be divided so",
                         shape->H, rows->query_path + 1, rows->query, rows->what);
    shape->dk = rows->query / shape->H;
    if (rows->key != shape->G * shape->dk)
        return error_set(e, ERROR_INVALID_INPUT, rows->key_path,
                         "has %zu %s, expected %zu (%zu key heads of width %zu)",
                         rows->key, rows->what, shape->G * shape->dk, shape->G,
                         shape->dk);
    if (rows->value % shape->G)
        return error_set(e, ERROR_INVALID_INPUT, rows->value_path,
                         "has %zu %s, which %zu key heads cannot divide", rows->value,
                         rows->what, shape->G);
    shape->dv = rows->value / shape->G;
    return true;
}

static bool heads_of_joined(const struct attention_input *input,
                            struct attention_shape *shape, struct error *e)
{
    shape->H = input->heads ? input->heads : 1;
    shape->G = input->kv_heads ? input->kv_heads : shape->H;
    if (input->weights.given && !check_inputs(input, shape, e))
        return false;
    if (shape->H % shape->G)
        return error_set(e, ERROR_INVALID_INPUT, "/kv_heads",
                         "is %zu, which does not divide the %zu heads", shape->G,
                         shape->H);
    if (!shape->projected && !input->weights.given && !check_bare(input, shape, e))
        return false;

    const struct joined_rows rows = joined_rows_of(input, shape);
    if (!split(&rows, shape, e))
        return false;

    size_t joined = shape->H * shape->dv;
    const struct tensor *wo = &input->weights.wo;
    shape->output_width = input->weights.given && wo->rank ? wo->extent[1] : joined;
    return !input->weights.given || check_output(&input->weights, joined, e);
}

/* Rank 4 says by its shape how many heads there are. */
static bool heads_of_split(const struct attention_input *input,
                           struct attention_shape *shape, struct error *e)
{
    const struct tensor *query = &input->query, *key = &input->key;
    shape->H = query->extent[1];
    shape->G = key->extent[1];
    shape->dk = query->extent[3];
    shape->dv = input->value.extent[3];
    shape->output_width = shape->dv;

    if (input->heads && input->heads != shape->H)
        return error_set(e, ERROR_INVALID_INPUT, "/heads",
                         "is %zu, expected %zu (the heads of query)", input->heads,
                         shape->H);
    if (input->kv_heads && input->kv_heads != shape->G)
        return error_set(e, ERROR_INVALID_INPUT, "/kv_heads",
                         "is %zu, expected %zu (the heads of key)", input->kv_heads,
                         shape->G);
    if (key->extent[3] != shape->dk)
        return error_set(e, ERROR_INVALID_INPUT, "/key",
                         "has %zu numbers in a row, expected %zu (as many as query)",
                         key->extent[3], shape->dk);
    if (shape->H % shape->G)
        return error_set(e, ERROR_INVALID_INPUT, "/key",
                         "has %zu heads, which do not divide the %zu of query",
                         shape->G, shape->H);
    return true;
}

bool attention_heads_of(const struct attention_input *input,
                        struct attention_shape *shape, struct error *e)
{
    return shape->split_heads ? heads_of_split(input, shape, e)
                              : heads_of_joined(input, shape, e);
}
