#include "core/approximations.h"

#include "core/blas.h"
#include "core/feature_attention.h"
#include "core/key_patterns.h"
#include "core/linear_attention.h"
#include "core/linformer.h"
#include "core/nystrom.h"
#include "core/vector_kernels.h"
#include "support/method_case.h"

static const float number[64] = {0};

/* Two sequences of 5 tokens and 5 keys: 4 heads on 2 key heads of widths 3 and 2. */
static const struct attention_shape shape = {
    .B = 2, .H = 4, .G = 2, .dk = 3, .dv = 2, .longest_T = 5, .longest_S = 5};

static const size_t rows[] = {0, 1, 2, 3, 4, 5}, columns[] = {0, 1, 2, 3, 4};

#define TENSOR(...)                                               \
    {                                                             \
        number, sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), \
        {                                                         \
            __VA_ARGS__                                           \
        }                                                         \
    }

/* Each method with what it needs, as a request that it can honour. */
static struct attention_input request(enum method_name name, enum linear_rule rule)
{
    struct attention_input in = {.maps = MAPS_NONE, .method = {.name = name}};
    struct method_input *m = &in.method;
    m->rule = name == METHOD_LINEAR ? rule : RULE_ELU;
    m->rank = name == METHOD_LINFORMER ? 3 : 0;
    m->landmarks = name == METHOD_NYSTROM ? 3 : 0;
    m->features = name == METHOD_PERFORMER ? 3 : 0;
    m->k = name == METHOD_TOP_K ? 3 : 0;
    m->block = name == METHOD_BLOCK_SPARSE || name == METHOD_BIGBIRD;
    if (name == METHOD_BLOCK_SPARSE) {
        m->layout_rows = rows;
        m->layout_row_count = 6;
        m->layout_columns = columns;
        m->layout_column_count = 5;
    }
    if (m->rule == RULE_GATED || m->rule == RULE_GATED_DELTA)
        m->decay = (struct tensor)TENSOR(2, 5, 6);
    if (m->rule == RULE_DELTA || m->rule == RULE_GATED_DELTA)
        m->beta = (struct tensor)TENSOR(2, 5, 2);
    return in;
}

enum kind { EXACT, LINFORMER, NYSTROM, PERFORMER, ELU, RULE, KINDS };

static struct attention_input request_of(enum kind kind)
{
    static const enum method_name names[KINDS] = {METHOD_BIGBIRD, METHOD_LINFORMER,
                                                  METHOD_NYSTROM, METHOD_PERFORMER,
                                                  METHOD_LINEAR,  METHOD_LINEAR};
    return request(names[kind], kind == RULE ? RULE_LINEAR : RULE_ELU);
}

static void ask_mask(struct attention_input *in)
{
    in->mask.kind = MASK_BOOLEAN;
}
static void ask_causal(struct attention_input *in)
{
    in->causal = true;
}
static void ask_left(struct attention_input *in)
{
    in->window.left_given = true;
}
static void ask_right(struct attention_input *in)
{
    in->window.right_given = true;
}
static void ask_softcap(struct attention_input *in)
{
    in->softcap = 1;
}
static void ask_alibi(struct attention_input *in)
{
    in->alibi = true;
}
static void ask_sinks(struct attention_input *in)
{
    in->sinks = (struct tensor)TENSOR(4);
}
static void ask_dropout(struct attention_input *in)
{
    in->dropout.rate = 0.5f;
}
static void ask_key_lengths(struct attention_input *in)
{
    in->key_lengths = rows;
}
static void ask_past(struct attention_input *in)
{
    in->past.given = true;
}
static void ask_scale(struct attention_input *in)
{
    in->scale_given = true;
}
static void ask_maps(struct attention_input *in)
{
    in->maps = MAPS_HEADS;
}
static void ask_mean_map(struct attention_input *in)
{
    in->maps = MAPS_MEAN;
}
static void ask_top(struct attention_input *in)
{
    in->maps = MAPS_TOP_K;
}
static void ask_stage(struct attention_input *in)
{
    in->map_stage = MAP_STAGE_SCORES;
}
static void ask_lse(struct attention_input *in)
{
    in->want_lse = true;
}
static void ask_entropy(struct attention_input *in)
{
    in->want_entropy = true;
}
static void ask_statistics(struct attention_input *in)
{
    in->want_statistics = true;
}
static void ask_present(struct attention_input *in)
{
    in->want_present = true;
}

START_TEST(what_a_method_cannot_honour_is_refused_at_the_option)
{
    static const struct {
        void (*ask)(struct attention_input *in);
        const char *path, *name;
        bool honoured[KINDS];
    } options[] = {
        {ask_mask, "/mask", "mask ", {1, 0, 0, 0, 0, 0}},
        {ask_causal, "/causal", "causal ", {1, 0, 0, 1, 1, 1}},
        {ask_left, "/window", "window ", {1, 0, 0, 0, 0, 0}},
        {ask_right, "/window", "window ", {1, 0, 0, 0, 0, 0}},
        {ask_softcap, "/softcap", "softcap ", {1, 0, 0, 0, 0, 0}},
        {ask_alibi, "/alibi", "alibi ", {1, 0, 0, 0, 0, 0}},
        {ask_sinks, "/sinks", "sinks ", {1, 0, 0, 0, 0, 0}},
        {ask_dropout, "/dropout", "dropout ", {1, 0, 0, 0, 0, 0}},
        {ask_key_lengths, "/key_lengths", "key_lengths ", {1, 0, 0, 0, 0, 0}},
        {ask_past, "/past", "past ", {1, 0, 0, 0, 0, 0}},
        {ask_scale, "/scale", "scale ", {1, 1, 1, 1, 0, 1}},
        {ask_maps, "/maps", "maps ", {1, 1, 0, 0, 0, 0}},
        {ask_mean_map, "/maps", "maps ", {1, 1, 0, 0, 0, 0}},
        {ask_top, "/maps", "maps ", {1, 0, 0, 0, 0, 0}},
        {ask_stage, "/map_stage", "map_stage ", {1, 0, 0, 0, 0, 0}},
        {ask_lse, "/return", "lse ", {1, 1, 0, 0, 0, 0}},
        {ask_entropy, "/return", "entropy ", {1, 0, 0, 0, 0, 0}},
        {ask_statistics, "/return", "statistics ", {1, 0, 0, 0, 0, 0}},
        {ask_present, "/return", "present ", {1, 1, 1, 1, 0, 1}},
    };
    static const char *const methods[KINDS] = {
        "",          "method linformer",         "method nystrom",
        "performer", "method linear (rule elu)", "method linear (rule linear)"};
    for (size_t n = 0; n < sizeof options / sizeof *options; n++)
        for (enum kind kind = EXACT; kind < KINDS; kind++) {
            struct attention_input in = request_of(kind);
            struct error e = {0};
            ck_assert(approximations_check(&in, &shape, &e));
            options[n].ask(&in);
            ck_assert_msg(approximations_check(&in, &shape, &e) ==
                              options[n].honoured[kind],
                          "%swith %s: %s", options[n].name, methods[kind], e.message);
            if (options[n].honoured[kind])
                continue;
            ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
            ck_assert_str_eq(e.path, options[n].path);
            ck_assert(strncmp(e.message, options[n].name, strlen(options[n].name)) ==
                      0);
            ck_assert_msg(strstr(e.message, methods[kind]), "%s", e.message);
        }
}
END_TEST

START_TEST(what_belongs_to_another_method_is_refused)
{
    static const struct {
        enum method_name name;
        struct method_input wrong; /* one member that is not its own */
        const char *path;
    } cases[] = {
        {METHOD_EXACT, {.rank = 1}, "/method/rank"},
        {METHOD_NYSTROM, {.e = TENSOR(1, 5)}, "/method/e"},
        {METHOD_PERFORMER, {.landmarks = 1}, "/method/landmarks"},
        {METHOD_LINFORMER, {.features = 1}, "/method/features"},
        {METHOD_TOP_K, {.rule = RULE_DELTA}, "/method/rule"},
        {METHOD_LONGFORMER, {.k = 1}, "/method/k"},
        {METHOD_LONGFORMER, {.block = 1}, "/method/block"},
        {METHOD_BIGBIRD, {.layout_rows = rows}, "/method/layout"},
        {METHOD_BIGBIRD, {.window = 1}, "/method/window"},
        {METHOD_TOP_K, {.global = rows, .global_count = 1}, "/method/global"},
        {METHOD_LONGFORMER, {.random = 1}, "/method/random"},
        {METHOD_NYSTROM, {.seed = 1}, "/method/seed"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        struct attention_input in = {.maps = MAPS_NONE, .method = cases[n].wrong};
        const struct attention_input right = request(cases[n].name, RULE_ELU);
        in.method.name = cases[n].name;
        in.method.k |= right.method.k;
        in.method.block |= right.method.block;
        in.method.landmarks |= right.method.landmarks;
        in.method.features |= right.method.features;
        in.method.rank |= right.method.rank;
        struct error e = {0};
        ck_assert(!approximations_check(&in, &shape, &e));
        ck_assert_str_eq(e.path, cases[n].path);
        ck_assert_msg(strstr(e.message, approximations_name(cases[n].name)), "%s",
                      e.message);
    }
}
END_TEST

START_TEST(parameters_that_are_wrong_for_any_sequence_are_refused)
{
    static const struct {
        struct method_input m;
        const char *path, *message;
    } cases[] = {
        {{.name = METHOD_LINFORMER}, "/method/rank", "missing"},
        {{.name = METHOD_LINFORMER, .e = TENSOR(2, 5)}, "/method/f", "missing"},
        {{.name = METHOD_LINFORMER, .f = TENSOR(2, 5), .rank = 2},
         "/method/e",
         "missing"},
        {{.name = METHOD_LINFORMER, .e = TENSOR(2, 5), .f = TENSOR(2, 5), .rank = 2},
         "/method/rank",
         "together"},
        {{.name = METHOD_LINFORMER, .e = TENSOR(2, 5, 1), .f = TENSOR(2, 5)},
         "/method/e",
         "has rank 3"},
        {{.name = METHOD_LINFORMER, .e = TENSOR(2, 5), .f = TENSOR(10)},
         "/method/f",
         "has rank 1"},
        {{.name = METHOD_LINFORMER, .e = TENSOR(2, 5), .f = TENSOR(3, 5)},
         "/method/f",
         "has 3 rows, expected 2"},
        {{.name = METHOD_NYSTROM}, "/method/landmarks", "missing"},
        {{.name = METHOD_NYSTROM, .landmarks = 513},
         "/method/landmarks",
         "512 at most"},
        {{.name = METHOD_PERFORMER}, "/method/features", "missing"},
        {{.name = METHOD_PERFORMER, .features = 16385}, "/method/features", "16384"},
        {{.name = METHOD_TOP_K}, "/method/k", "missing"},
        {{.name = METHOD_BLOCK_SPARSE, .block = 1}, "/method/layout", "missing"},
        {{.name = METHOD_BLOCK_SPARSE, .layout_rows = rows},
         "/method/block",
         "missing"},
        {{.name = METHOD_BIGBIRD}, "/method/block", "missing"},
        {{.name = METHOD_LINEAR, .state = TENSOR(2, 2, 3, 2)},
         "/method/state",
         "does not go with the method linear (rule elu)"},
        {{.name = METHOD_LINEAR, .rule = RULE_LINEAR, .beta = TENSOR(2, 5, 2)},
         "/method/beta",
         "does not go"},
        {{.name = METHOD_LINEAR, .rule = RULE_DELTA, .decay = TENSOR(2, 5, 2)},
         "/method/decay",
         "does not go"},
        {{.name = METHOD_LINEAR, .rule = RULE_DELTA}, "/method/beta", "missing"},
        {{.name = METHOD_LINEAR, .rule = RULE_GATED}, "/method/decay", "missing"},
        {{.name = METHOD_LINEAR, .rule = RULE_GATED, .decay = TENSOR(5, 2)},
         "/method/decay",
         "has rank 2, expected 3"},
        {{.name = METHOD_LINEAR, .rule = RULE_GATED, .decay = TENSOR(1, 5, 2)},
         "/method/decay",
         "has 1 sequences, expected 2"},
        {{.name = METHOD_LINEAR, .rule = RULE_GATED, .decay = TENSOR(2, 4, 2)},
         "/method/decay",
         "has 4 tokens, expected 5"},
        {{.name = METHOD_LINEAR, .rule = RULE_GATED, .decay = TENSOR(2, 5, 3)},
         "/method/decay",
         "rows of 3 numbers, expected 6 or 2"},
        {{.name = METHOD_LINEAR, .rule = RULE_DELTA, .beta = TENSOR(2, 5, 4)},
         "/method/beta",
         "rows of 4 numbers, expected 2 or 1"},
        {{.name = METHOD_LINEAR, .rule = RULE_LINEAR, .state = TENSOR(2, 3, 2)},
         "/method/state",
         "has rank 3, expected 4"},
        {{.name = METHOD_LINEAR, .rule = RULE_LINEAR, .state = TENSOR(2, 2, 3, 3)},
         "/method/state",
         "has extent 3 on axis 3, expected 2"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        const struct attention_input in = {.maps = MAPS_NONE, .method = cases[n].m};
        struct error e = {0};
        ck_assert_msg(!approximations_check(&in, &shape, &e), "case %zu", n);
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(e.path, cases[n].path);
        ck_assert_msg(strstr(e.message, cases[n].message), "%s", e.message);
    }
}
END_TEST

START_TEST(a_single_sequence_may_leave_the_batch_axis_out)
{
    struct attention_shape single = shape;
    single.B = 1;
    single.single = true;
    struct attention_input in = request(METHOD_LINEAR, RULE_GATED_DELTA);
    struct error e = {0};
    in.method.decay = (struct tensor)TENSOR(5, 2);
    in.method.beta = (struct tensor)TENSOR(5, 1);
    in.method.state = (struct tensor)TENSOR(2, 3, 2);
    ck_assert_msg(approximations_check(&in, &single, &e), "%s", e.message);
    in.method.decay = (struct tensor)TENSOR(1, 5, 2);
    in.method.beta = (struct tensor)TENSOR(1, 5, 1);
    in.method.state = (struct tensor)TENSOR(1, 2, 3, 2);
    ck_assert_msg(approximations_check(&in, &single, &e), "%s", e.message);
}
END_TEST

/* Plans sequence `b` of `in` with so many tokens and keys. */
static const struct attention_kernel *plan(const struct attention_input *in,
                                           struct attention *a, size_t b,
                                           struct arena *arena, struct error *e)
{
    struct approximation common;
    a->H = shape.H;
    a->G = shape.G;
    a->dk = shape.dk;
    a->dv = shape.dv;
    a->key_length = a->S;
    if (!approximations_prepare(in, &shape, &common, arena, e))
        return NULL;
    return approximations_plan(&common, b, &attention_tiled, a, arena, e);
}

START_TEST(every_method_finds_its_kernel)
{
    static const struct {
        enum method_name name;
        enum linear_rule rule;
        const struct attention_kernel *kernel;
        size_t columns; /* of a map over 5 keys */
    } cases[] = {
        {METHOD_EXACT, RULE_ELU, &attention_tiled, 5},
        {METHOD_LINFORMER, RULE_ELU, &linformer, 3},
        {METHOD_NYSTROM, RULE_ELU, &nystrom, 0},
        {METHOD_PERFORMER, RULE_ELU, &feature_attention, 0},
        {METHOD_LINEAR, RULE_ELU, &feature_attention, 0},
        {METHOD_LINEAR, RULE_GATED_DELTA, &linear_attention, 0},
        {METHOD_TOP_K, RULE_ELU, &attention_tiled, 5},
        {METHOD_BLOCK_SPARSE, RULE_ELU, &attention_tiled, 5},
        {METHOD_LONGFORMER, RULE_ELU, &attention_tiled, 5},
        {METHOD_BIGBIRD, RULE_ELU, &attention_tiled, 5},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        const struct attention_input in = request(cases[n].name, cases[n].rule);
        struct attention a = {.T = 5, .S = 5};
        struct arena arena;
        struct error e = {0};
        arena_init(&arena, 1 << 20, NULL);
        ck_assert_msg(approximations_check(&in, &shape, &e), "%s", e.message);
        const struct attention_kernel *kernel = plan(&in, &a, 1, &arena, &e);
        ck_assert_msg(kernel == cases[n].kernel, "case %zu: %s", n, e.message);
        ck_assert_uint_eq(approximations_map_columns(&in.method, 5), cases[n].columns);
        bool own = kernel != &attention_tiled;
        ck_assert((a.method != NULL) == own);
        ck_assert(!own || a.method->name == cases[n].name);
        ck_assert_uint_eq(a.keep, cases[n].name == METHOD_TOP_K ? 3 : 0);
        ck_assert((a.pattern != NULL) == (cases[n].name >= METHOD_BLOCK_SPARSE));
        ck_assert(approximations_flops(&a) > 0);
        arena_free(&arena);
    }
}
END_TEST

START_TEST(parameters_of_a_batch_are_those_of_the_sequence)
{
    struct attention_input in = request(METHOD_LINEAR, RULE_GATED_DELTA);
    in.method.state = (struct tensor)TENSOR(2, 2, 3, 2);
    in.method.beta = (struct tensor)TENSOR(2, 5, 1);
    struct arena arena;
    struct error e = {0};
    arena_init(&arena, 1 << 20, NULL);
    for (size_t b = 0; b < 2; b++) {
        struct attention a = {.T = 4, .S = 4}; /* shorter than the longest */
        ck_assert(plan(&in, &a, b, &arena, &e));
        ck_assert_ptr_eq(a.method->decay, number + b * 30);
        ck_assert_ptr_eq(a.method->beta, number + b * 5);
        ck_assert_ptr_eq(a.method->before, number + b * 12);
        ck_assert_uint_eq(a.method->decay_width, 6);
        ck_assert_uint_eq(a.method->beta_width, 1);
        ck_assert(a.method->after);
    }
    arena_free(&arena);
}
END_TEST

START_TEST(parameters_that_do_not_fit_the_sequence_are_refused)
{
    static const struct {
        struct method_input m;
        size_t T, S;
        const char *path, *message;
    } cases[] = {
        {{.name = METHOD_TOP_K, .k = 6},
         9,
         5,
         "/method/k",
         "is 6, but there are 5 keys"},
        {{.name = METHOD_LINFORMER, .rank = 6},
         9,
         5,
         "/method/rank",
         "there are 5 keys"},
        {{.name = METHOD_LINFORMER, .e = TENSOR(2, 5), .f = TENSOR(2, 5)},
         5,
         4,
         "/method/e",
         "has rows of 5 numbers, expected 4"},
        {{.name = METHOD_LINFORMER, .e = TENSOR(2, 5), .f = TENSOR(2, 4)},
         5,
         5,
         "/method/f",
         "has rows of 4 numbers, expected 5"},
        {{.name = METHOD_LINFORMER, .e = TENSOR(6, 5), .f = TENSOR(6, 5)},
         9,
         5,
         "/method/e",
         "is 6, but there are 5 keys"},
        {{.name = METHOD_NYSTROM, .landmarks = 6},
         5,
         9,
         "/method/landmarks",
         "5 tokens"},
        {{.name = METHOD_NYSTROM, .landmarks = 6}, 9, 5, "/method/landmarks", "5 keys"},
        {{.name = METHOD_LINEAR, .rule = RULE_LINEAR},
         4,
         5,
         "/method/rule",
         "4 tokens and 5 keys"},
        {{.name = METHOD_BLOCK_SPARSE,
          .block = 1,
          .layout_rows = rows,
          .layout_row_count = 6,
          .layout_columns = columns,
          .layout_column_count = 5},
         4,
         5,
         "/method/layout/row_starts",
         "expected 5"},
        {{.name = METHOD_LONGFORMER, .global = columns, .global_count = 5},
         4,
         5,
         "/method/global/4",
         "is 4"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        const struct attention_input in = {.maps = MAPS_NONE, .method = cases[n].m};
        struct attention a = {.T = cases[n].T, .S = cases[n].S};
        struct arena arena;
        struct error e = {0};
        arena_init(&arena, 1 << 20, NULL);
        ck_assert(approximations_check(&in, &shape, &e));
        ck_assert_msg(!plan(&in, &a, 0, &arena, &e), "case %zu", n);
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(e.path, cases[n].path);
        ck_assert_msg(strstr(e.message, cases[n].message), "%s", e.message);
        arena_free(&arena);
    }
}
END_TEST

START_TEST(a_small_arena_is_out_of_memory_or_enough)
{
    size_t spent = 0;
    for (enum method_name name = METHOD_EXACT; name <= METHOD_BIGBIRD; name++)
        for (size_t limit = 0; limit < 2000; limit += 8) {
            const struct attention_input in = request(name, RULE_LINEAR);
            struct attention a = {.T = 5, .S = 5};
            struct arena arena;
            struct error e = {0};
            arena_init(&arena, limit, NULL);
            bool planned = plan(&in, &a, 0, &arena, &e) != NULL;
            ck_assert_int_eq(e.code, planned ? ERROR_NONE : ERROR_OUT_OF_MEMORY);
            spent += !planned;
            arena_free(&arena);
        }
    ck_assert_uint_gt(spent, 0);
}
END_TEST

START_TEST(flops_count_what_is_visible)
{
    static const uint32_t first[] = {0, 1, 3, 3};
    static const struct key_range ranges[] = {{0, 2}, {0, 1}, {3, 6}};
    static const struct key_pattern pattern = {first, ranges};
    const struct attention plain = {
        .H = 2, .T = 3, .S = 6, .dk = 4, .dv = 1, .key_length = 6};
    struct {
        struct attention a;
        double pairs;
    } cases[5];
    for (size_t n = 0; n < 5; n++)
        cases[n].a = plain;
    cases[0].pairs = 18;
    cases[1].a.causal = true; /* rows see 0, 0 and 1 of the keys */
    cases[1].a.offset = -2;
    cases[1].pairs = 1;
    cases[2].a.window = (struct window_view){true, true, 1, SIZE_MAX};
    cases[2].a.offset = 3;
    cases[2].pairs = 4 + 3 + 2;
    cases[3].a.pattern = &pattern;
    cases[3].pairs = 2 + 4 + 0;
    cases[4].a.pattern = &pattern;
    cases[4].a.key_length = 4;
    cases[4].pairs = 2 + 2 + 0;
    for (size_t n = 0; n < 5; n++) {
        ck_assert_double_eq(approximations_flops(&cases[n].a),
                            2 * 2 * 5 * cases[n].pairs);
        ck_assert_double_eq(approximations_visible(&cases[n].a), cases[n].pairs);
    }
    const size_t head = 0;
    cases[1].a.map_stage =
        MAP_STAGE_SCORES; /* which show hidden cells: keys once more */
    cases[1].a.map_heads = &head;
    cases[1].a.map_head_count = 1;
    ck_assert_double_eq(approximations_flops(&cases[1].a), 2 * 2 * (5 * 1 + 18 * 4));
}
END_TEST

/* A factor says what is measured to be that much slower; far apart from one another. */
START_TEST(cost_knows_what_takes_longer_than_its_products)
{
    const size_t heads[] = {0, 1, 2, 3};
    float *some = (float[]){0};
    const struct attention plain = {.H = 4,
                                    .G = 4,
                                    .T = 1024,
                                    .S = 1024,
                                    .dk = 64,
                                    .dv = 64,
                                    .key_length = 1024,
                                    .map_heads = heads};
    double exact = approximations_cost(&plain);
    ck_assert_double_ge(exact, approximations_flops(&plain));
    ck_assert_double_le(exact, 1.5 * approximations_flops(&plain));
    struct attention causal = plain, keep = plain, entropy = plain, scores = plain;
    causal.causal = true;
    ck_assert_double_lt(approximations_cost(&causal), 0.65 * exact);
    keep.keep = 8;
    ck_assert_double_gt(approximations_cost(&keep), 1.8 * exact);
    entropy.entropy = some;
    ck_assert_double_gt(approximations_cost(&entropy), 3 * exact);
    scores.causal = true;
    scores.map_stage = MAP_STAGE_SCORES;
    scores.map_head_count = 4;
    ck_assert_double_gt(approximations_cost(&scores), 1.1 * exact);
}
END_TEST

START_TEST(cost_counts_the_drawing_and_the_keys_one_by_one)
{
    const struct attention plain = {
        .H = 4, .G = 2, .T = 1024, .S = 1024, .dk = 64, .dv = 64, .key_length = 1024};
    const float e = 0;
    const struct attention_method drawn = {.name = METHOD_LINFORMER, .rank = 64},
                                  given = {.name = METHOD_LINFORMER,
                                           .rank = 64,
                                           .e = &e,
                                           .f = &e},
                                  few = {.name = METHOD_NYSTROM, .landmarks = 16},
                                  many = {.name = METHOD_NYSTROM, .landmarks = 256},
                                  random = {.name = METHOD_PERFORMER, .features = 64},
                                  elu = {.name = METHOD_LINEAR, .rule = RULE_ELU},
                                  sums = {.name = METHOD_LINEAR, .rule = RULE_LINEAR},
                                  delta = {.name = METHOD_LINEAR,
                                           .rule = RULE_DELTA,
                                           .beta = &e};
    const struct {
        const struct attention_method *less, *more;
        bool causal;    /* of `more` */
        double factor;  /* between the two, at least */
        double at_most; /* of `more` an operation of its own */
    } pairs[] = {
        {&given, &drawn, false, 1.5, 20}, {&few, &many, false, 100, 3},
        {&elu, &elu, true, 2, 60},        {&random, &random, true, 2, 60},
        {&sums, &delta, false, 1.2, 4},
    };
    for (size_t n = 0; n < sizeof pairs / sizeof *pairs; n++) {
        struct attention less = plain, more = plain;
        less.method = pairs[n].less;
        more.method = pairs[n].more;
        more.causal = pairs[n].causal;
        double cost = approximations_cost(&more), flops = approximations_flops(&more);
        ck_assert_msg(cost > pairs[n].factor * approximations_cost(&less) &&
                          cost > flops && cost < pairs[n].at_most * flops,
                      "%zu: %g beside %g, flops %g", n, cost,
                      approximations_cost(&less), flops);
    }
}
END_TEST

/* Rows that see one key each, apart from one another: a block computes them all. */
START_TEST(cost_knows_what_a_block_of_a_pattern_computes)
{
    enum { T = 36 };
    uint32_t first[T + 1];
    struct key_range together[T], apart[T];
    for (uint32_t i = 0; i <= T; i++)
        first[i] = i;
    for (uint32_t i = 0; i < T; i++) {
        together[i] = (struct key_range){64, 65};
        apart[i] = (struct key_range){100 * i, 100 * i + 1};
    }
    const struct key_pattern near = {first, together}, far = {first, apart};
    struct attention a = {.H = 1, .G = 1, .T = T, .S = 4096, .dk = 512, .dv = 512};
    a.key_length = a.S;
    a.pattern = &near;
    double one = approximations_cost(&a);
    a.pattern = &far;
    double many = approximations_cost(&a);
    double cells = 36.0 * 35 * VECTOR_PAD; /* more a block */
    ck_assert_double_ge(many - one, cells * 2 * 1024);
    ck_assert_double_le(many - one, cells * 2 * 1024 * 1.1);
    a.S = 20000;
    double packed = (20000.0 - 4096) * 1024 * 10; /* more keys */
    double wide = approximations_cost(&a) - many - packed;
    /* Units are wider then, and each of those cells is counted twice. */
    ck_assert_double_ge(wide, 36.0 * 36 * VECTOR_PAD * 2048);
    ck_assert_double_le(wide, 36.0 * 36 * VECTOR_PAD * 2048 * 1.1);
}
END_TEST

START_TEST(what_would_take_long_in_one_go_is_refused)
{
    const struct method_input m = {.name = METHOD_NYSTROM, .landmarks = 512};
    const struct approximation common = {.asked = &m};
    struct arena arena;
    struct error e = {0};
    arena_init(&arena, (size_t)1 << 20, NULL);
    struct attention a = {.H = 1, .G = 1, .T = 8192, .S = 8192, .dk = 64, .dv = 64};
    ck_assert(approximations_plan(&common, 0, &attention_tiled, &a, &arena, &e));
    a.dk = a.dv = 1024;
    ck_assert(!approximations_plan(&common, 0, &attention_tiled, &a, &arena, &e));
    ck_assert_int_eq(e.code, ERROR_TOO_LARGE);
    ck_assert_str_eq(e.path, "/method/landmarks");
    ck_assert_str_eq(
        e.message, "is 512, which makes 32.2 thousand million operations of a head in "
                   "one go, at most 20 are allowed");
    arena_free(&arena);
}
END_TEST

/* All keys through a pattern or `keep`: the exact kernels must not notice. */
START_TEST(sparse_methods_that_see_everything_are_exact)
{
    static const struct method_input methods[] = {
        {.name = METHOD_TOP_K},
        {.name = METHOD_LONGFORMER, .window = 1000},
        {.name = METHOD_BIGBIRD, .block = 3, .random = 1000}};
    struct test_random r = {1};
    struct error e = {0};
    ck_assert(blas_init(&e));
    for (size_t n = 0; n < 12; n++) {
        struct attention_case *c = method_case_random(&r, 2e5, false);
        struct method_input m = methods[n % 3];
        struct arena arena;
        arena_init(&arena, (size_t)1 << 24, NULL);
        m.k = m.name == METHOD_TOP_K ? c->a.S : 0;
        const struct approximation common = {.asked = &m};
        const struct attention_kernel *kernel =
            approximations_plan(&common, 0, &attention_tiled, &c->a, &arena, &e);
        ck_assert(kernel && attention_case_run(c, kernel, &r));
        c->a.pattern = NULL;
        c->a.keep = 0;
        attention_case_solve(c);
        attention_case_check(c, approximations_name(m.name));
        arena_free(&arena);
        attention_case_delete(c);
    }
}
END_TEST

TEST_PROGRAM("approximations", what_a_method_cannot_honour_is_refused_at_the_option,
             what_belongs_to_another_method_is_refused,
             parameters_that_are_wrong_for_any_sequence_are_refused,
             a_single_sequence_may_leave_the_batch_axis_out,
             every_method_finds_its_kernel,
             parameters_of_a_batch_are_those_of_the_sequence,
             parameters_that_do_not_fit_the_sequence_are_refused,
             a_small_arena_is_out_of_memory_or_enough, flops_count_what_is_visible,
             cost_knows_what_takes_longer_than_its_products,
             cost_counts_the_drawing_and_the_keys_one_by_one,
             cost_knows_what_a_block_of_a_pattern_computes,
             what_would_take_long_in_one_go_is_refused,
             sparse_methods_that_see_everything_are_exact)
