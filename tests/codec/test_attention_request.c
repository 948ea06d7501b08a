#include "codec/attention_request.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "support/shared_data.h"
#include "support/test.h"

static const struct attention_limits limits = {
    .max_batch = 4,
    .max_tokens = 6,
    .max_width = 8,
    .max_heads = 5,
    .max_map_numbers = 1000,
    .answer_limit = 1 << 20,
};

static bool decoded(const char *body, size_t length, struct arena *arena,
                    struct attention_request *out, struct error *e)
{
    /* Exactly as many bytes as there are, for AddressSanitizer to watch the end. */
    char *copy = arena_alloc(arena, length, 1, e);
    if (!copy)
        return false;
    memcpy(copy, body, length);
    return attention_request_decode(copy, length, &limits, arena, out, e);
}

static struct attention_request decode_or_fail(const char *body, struct arena *arena)
{
    struct attention_request request;
    struct error e = {0};
    ck_assert_msg(decoded(body, strlen(body), arena, &request, &e), "%s: %s %s", body,
                  e.path, e.message);
    return request;
}

static void check_text(struct json_text text, const char *want)
{
    ck_assert_msg(json_text_is(text, want), "%.*s is not %s", (int)text.length,
                  text.bytes, want);
}

/* Every member, in an order that is not the table's. */
static const char everything[] =
    " {\"id\":\"a.B_9:-\", \"timeout_ms\": 12.5,\n"
    "\"labels\": [\"the\", \"c\\u0061t\", \"\"], \"return\": [\"lse\", "
    "\"projections\"],"
    "\"tensor_format\": \"base64\", \"precision\": 4, \"map_heads\": [2, 0],"
    "\"maps\": \"mean\", \"mask\": [[true, false, true]], \"align\": \"bottom_right\","
    "\"causal\": true, \"scale\": -0.5, \"kv_heads\": 1, \"heads\": 3.0,"
    "\"weights\": {\"bo\": [7], \"wq\": [[1],[2]], \"wk\": [[3],[4]],"
    "\"wv\": [[5],[6]], \"wo\": [[8]], \"bq\": [9], \"bk\": [10], \"bv\": [11]},"
    "\"context\": [[0.5, 0.25]], \"sequences\": [[1, 2], [3, 4], [5, 6]]} \r\n\t";

static const char every_option[] =
    "{\"window\":{\"left\":2,\"right\":0},\"key_lengths\":[4,6,0],\"softcap\":30.5,"
    "\"alibi\":[0.5,0.25],\"sinks\":[0,-1],\"past\":{\"key\":[[[[1,2]]]],"
    "\"value\":[[[3]]]},\"dropout\":{\"rate\":0.25,\"seed\":9007199254740992,"
    "\"on\":\"scores\"},\"maps\":\"top_k\",\"top_k\":3,\"map_stage\":\"biased\","
    "\"return\":[\"statistics\",\"present\",\"entropy\"],\"method\":{\"name\":\"top_"
    "k\","
    "\"k\":2,\"compare\":true},\"rope\":{\"base\":5e5,\"dims\":4,\"interleaved\":true,"
    "\"positions\":[[0,1,2],[3,4,16777215]]}}";

START_TEST(what_comes_as_base64_is_counted)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q = decode_or_fail(
        "{\"sequences\":{\"dtype\":\"f32\",\"shape\":[1,1],\"data\":\"AACAPw==\"},"
        "\"mask\":{\"data\":\"AQ==\",\"dtype\":\"bool\",\"shape\":[1]}}",
        &arena);
    ck_assert_uint_eq(q.base64_bytes, 12);
    q = decode_or_fail("{\"sequences\":[[1]]}", &arena);
    ck_assert_uint_eq(q.base64_bytes, 0);
    arena_free(&arena);
}
END_TEST

START_TEST(every_member_finds_its_place)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q = decode_or_fail(everything, &arena);
    const struct attention_input *in = &q.input;

    check_text(q.id, "a.B_9:-");
    ck_assert_double_eq(q.timeout_ms, 12.5);
    ck_assert(q.labels_given);
    ck_assert_uint_eq(q.label_count, 3);
    check_text(q.labels[0], "the");
    check_text(q.labels[1], "cat");
    check_text(q.labels[2], "");
    ck_assert(in->want_lse && in->want_projections);
    ck_assert_int_eq(q.tensor_format, TENSOR_BASE64);
    ck_assert_uint_eq(q.precision, 4);
    ck_assert(in->map_heads_given);
    ck_assert_uint_eq(in->map_head_count, 2);
    ck_assert_uint_eq(in->map_heads[0], 2);
    ck_assert_uint_eq(in->map_heads[1], 0);
    ck_assert_int_eq(in->maps, MAPS_MEAN);
    ck_assert_int_eq(in->mask.kind, MASK_BOOLEAN);
    ck_assert_int_eq(in->align, ALIGN_BOTTOM_RIGHT);
    ck_assert(in->causal && in->scale_given);
    ck_assert(in->scale == -0.5f);
    ck_assert_uint_eq(in->heads, 3);
    ck_assert_uint_eq(in->kv_heads, 1);
    ck_assert(in->sequences.single && in->context.single);
    ck_assert_uint_eq(in->sequences.count, 1);
    ck_assert_uint_eq(in->sequences.item[0].extent[0], 3);
    ck_assert(in->sequences.item[0].data[5] == 6);
    ck_assert(in->context.item[0].data[1] == 0.25f);
    arena_free(&arena);
}
END_TEST

START_TEST(every_option_finds_its_place)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q = decode_or_fail(every_option, &arena);
    const struct attention_input *in = &q.input;

    ck_assert(in->window.left_given && in->window.right_given);
    ck_assert_uint_eq(in->window.left, 2);
    ck_assert_uint_eq(in->window.right, 0);
    ck_assert_uint_eq(in->key_length_count, 3);
    ck_assert_uint_eq(in->key_lengths[0], 4);
    ck_assert_uint_eq(in->key_lengths[2], 0);
    ck_assert(in->softcap == 30.5f);
    ck_assert(in->alibi);
    ck_assert_uint_eq(in->alibi_slopes.rank, 1);
    ck_assert(in->alibi_slopes.data[1] == 0.25f);
    ck_assert_uint_eq(in->sinks.extent[0], 2);
    ck_assert(in->sinks.data[1] == -1);
    ck_assert(in->past.given);
    ck_assert_uint_eq(in->past.key.rank, 4);
    ck_assert(in->past.key.data[1] == 2);
    ck_assert_uint_eq(in->past.value.rank, 3);
    ck_assert(in->past.value.data[0] == 3);
    ck_assert(in->dropout.rate == 0.25f && in->dropout.on_scores);
    ck_assert_uint_eq(in->dropout.seed, 9007199254740992);
    ck_assert_int_eq(in->maps, MAPS_TOP_K);
    ck_assert_uint_eq(in->top_k, 3);
    ck_assert_int_eq(in->map_stage, MAP_STAGE_BIASED);
    ck_assert(in->want_present && in->want_entropy && in->want_statistics);
    ck_assert(!in->want_lse && !in->want_projections);
    ck_assert_int_eq(in->method.name, METHOD_TOP_K);
    ck_assert_uint_eq(in->method.k, 2);
    ck_assert(in->method.compare);

    const struct rope_input *rope = &in->rope;
    ck_assert(rope->given && rope->interleaved && !rope->offset_given);
    ck_assert_double_eq(rope->base, 500000);
    ck_assert_uint_eq(rope->dims, 4);
    ck_assert_uint_eq(rope->position_rank, 2);
    ck_assert_uint_eq(rope->position_extent[0], 2);
    ck_assert_uint_eq(rope->position_extent[1], 3);
    ck_assert_int_eq(rope->positions[5], 16777215);
    arena_free(&arena);
}
END_TEST

START_TEST(options_that_are_given_otherwise)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q =
        decode_or_fail("{\"window\":{\"right\":3},\"key_lengths\":5,\"alibi\":true,"
                       "\"rope\":{\"positions\":7},\"dropout\":{\"rate\":0}}",
                       &arena);
    ck_assert(!q.input.window.left_given && q.input.window.right_given);
    ck_assert_uint_eq(q.input.key_length_count, 1);
    ck_assert_uint_eq(q.input.key_lengths[0], 5);
    ck_assert(q.input.alibi);
    ck_assert_uint_eq(q.input.alibi_slopes.rank, 0);
    ck_assert(q.input.rope.given && q.input.rope.offset_given);
    ck_assert_int_eq(q.input.rope.offset, 7);
    ck_assert_double_eq(q.input.rope.base, 10000);
    ck_assert(!q.input.dropout.on_scores && q.input.dropout.rate == 0);

    q = decode_or_fail(
        "{\"window\":{},\"alibi\":false,\"rope\":{\"cos\":[[1,0.5]],"
        "\"sin\":[[0,0.25]],\"positions\":{\"dtype\":\"i64\",\"shape\":[2],"
        "\"data\":\"BQAAAAAAAAAAAAAAAAAAAA==\"}},\"key_lengths\":{\"dtype\":\"i32\","
        "\"shape\":[2],\"data\":\"AwAAAAEAAAA=\"}}",
        &arena);
    ck_assert(!q.input.window.left_given && !q.input.window.right_given);
    ck_assert(!q.input.alibi);
    ck_assert(q.input.rope.cosines.data[1] == 0.5f);
    ck_assert(q.input.rope.sines.data[1] == 0.25f);
    ck_assert_uint_eq(q.input.rope.position_rank, 1);
    ck_assert_int_eq(q.input.rope.positions[0], 5);
    ck_assert_uint_eq(q.input.key_length_count, 2);
    ck_assert_uint_eq(q.input.key_lengths[0], 3);
    arena_free(&arena);
}
END_TEST

static const char *const method_requests[] = {
    "{\"method\":\"exact\"}",
    "{\"method\":{\"rank\":3,\"seed\":7,\"name\":\"linformer\"}}",
    "{\"method\":{\"name\":\"linformer\",\"e\":[[1,2]],\"f\":[[3,4]]}}",
    "{\"method\":{\"name\":\"nystrom\",\"landmarks\":4,\"compare\":true}}",
    "{\"method\":{\"name\":\"performer\",\"features\":64,\"seed\":1}}",
    "{\"method\":\"linear\"}",
    "{\"method\":{\"name\":\"linear\",\"rule\":\"gated_delta\",\"decay\":[[0.5]],"
    "\"beta\":[[[0.25]]],\"state\":[[[8]]]}}",
    "{\"method\":{\"name\":\"block_sparse\",\"block\":2,\"layout\":"
    "{\"row_starts\":[0,1,2],\"columns\":[0,1]}}}",
    "{\"method\":{\"name\":\"longformer\",\"window\":0,\"global\":[]}}",
    "{\"method\":{\"global\":[0,5],\"window\":2,\"name\":\"longformer\"}}",
    "{\"method\":{\"name\":\"bigbird\",\"block\":2,\"global\":1,\"random\":3,"
    "\"seed\":5}}",
};
enum { METHOD_REQUESTS = sizeof method_requests / sizeof *method_requests };

START_TEST(every_parameter_of_a_method_finds_its_place)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct method_input m[METHOD_REQUESTS];
    for (size_t i = 0; i < METHOD_REQUESTS; i++)
        m[i] = decode_or_fail(method_requests[i], &arena).input.method;

    ck_assert_int_eq(m[0].name, METHOD_EXACT);
    ck_assert_int_eq(m[1].name, METHOD_LINFORMER);
    ck_assert_uint_eq(m[1].rank, 3);
    ck_assert_uint_eq(m[1].seed, 7);
    ck_assert(m[2].e.data[1] == 2 && m[2].f.data[1] == 4);
    ck_assert_int_eq(m[3].name, METHOD_NYSTROM);
    ck_assert_uint_eq(m[3].landmarks, 4);
    ck_assert(m[3].compare && !m[2].compare);
    ck_assert_int_eq(m[4].name, METHOD_PERFORMER);
    ck_assert_uint_eq(m[4].features, 64);
    ck_assert_int_eq(m[5].name, METHOD_LINEAR);
    ck_assert_int_eq(m[5].rule, RULE_ELU);
    ck_assert_int_eq(m[6].rule, RULE_GATED_DELTA);
    ck_assert(m[6].decay.rank == 2 && m[6].decay.data[0] == 0.5f);
    ck_assert(m[6].beta.rank == 3 && m[6].beta.data[0] == 0.25f);
    ck_assert(m[6].state.rank == 3 && m[6].state.data[0] == 8);
    ck_assert_int_eq(m[7].name, METHOD_BLOCK_SPARSE);
    ck_assert_uint_eq(m[7].block, 2);
    ck_assert_uint_eq(m[7].layout_row_count, 3);
    ck_assert_uint_eq(m[7].layout_rows[2], 2);
    ck_assert_uint_eq(m[7].layout_column_count, 2);
    ck_assert_uint_eq(m[7].layout_columns[1], 1);
    ck_assert_int_eq(m[8].name, METHOD_LONGFORMER);
    ck_assert_uint_eq(m[8].global_count, 0);
    ck_assert_uint_eq(m[9].window, 2);
    ck_assert_uint_eq(m[9].global_count, 2);
    ck_assert_uint_eq(m[9].global[1], 5);
    ck_assert_int_eq(m[10].name, METHOD_BIGBIRD);
    ck_assert_uint_eq(m[10].global_count, 1);
    ck_assert_uint_eq(m[10].random, 3);
    ck_assert_uint_eq(m[10].seed, 5);
    arena_free(&arena);
}
END_TEST

START_TEST(a_method_without_maps_has_none_by_default)
{
    static const struct {
        const char *body;
        enum map_form maps;
    } cases[] = {
        {"{\"method\":\"linear\"}", MAPS_NONE},
        {"{\"method\":{\"name\":\"nystrom\",\"landmarks\":2}}", MAPS_NONE},
        {"{\"method\":\"linear\",\"maps\":\"heads\"}", MAPS_HEADS}, /* to be refused */
        {"{\"maps\":\"mean\",\"method\":\"linear\"}", MAPS_MEAN},
        {"{\"method\":{\"name\":\"linformer\",\"rank\":2}}", MAPS_HEADS},
        {"{\"method\":{\"name\":\"top_k\",\"k\":2}}", MAPS_HEADS},
    };
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct attention_request q = decode_or_fail(cases[i].body, &arena);
        ck_assert_msg(q.input.maps == cases[i].maps, "%s", cases[i].body);
    }
    arena_free(&arena);
}
END_TEST

START_TEST(every_weight_finds_its_place)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q = decode_or_fail(everything, &arena);
    const struct attention_weights *w = &q.input.weights;
    const struct {
        const struct tensor *tensor;
        size_t rank;
        float first;
    } cases[] = {{&w->wq, 2, 1}, {&w->wk, 2, 3},  {&w->wv, 2, 5},  {&w->wo, 2, 8},
                 {&w->bq, 1, 9}, {&w->bk, 1, 10}, {&w->bv, 1, 11}, {&w->bo, 1, 7}};
    ck_assert(w->given);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_uint_eq(cases[i].tensor->rank, cases[i].rank);
        ck_assert(cases[i].tensor->data[0] == cases[i].first);
    }
    arena_free(&arena);
}
END_TEST

START_TEST(projected_tensors_may_have_rank_2_to_4)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q = decode_or_fail(
        "{\"query\":[[1,2]],\"key\":[[[3,4]]],\"value\":[[[[5,6]],[[7,8]]]]}", &arena);
    ck_assert_uint_eq(q.input.query.rank, 2);
    ck_assert_uint_eq(q.input.key.rank, 3);
    ck_assert_uint_eq(q.input.value.rank, 4);
    ck_assert(q.input.value.data[3] == 8);
    arena_free(&arena);
}
END_TEST

START_TEST(what_is_not_given_has_its_default)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q = decode_or_fail("{}", &arena);
    static const struct attention_request nothing;
    ck_assert_int_eq(q.input.maps, MAPS_HEADS);
    ck_assert_int_eq(q.input.align, ALIGN_TOP_LEFT);
    ck_assert_int_eq(q.tensor_format, TENSOR_NESTED);
    ck_assert_uint_eq(q.precision, nothing.precision);
    ck_assert(!q.input.weights.given && !q.input.scale_given && !q.labels_given);
    ck_assert_uint_eq(q.id.length, 0);
    ck_assert_double_eq(q.timeout_ms, 0);

    q = decode_or_fail("{\"labels\":[],\"return\":[],\"maps\":\"none\"}", &arena);
    ck_assert(q.labels_given);
    ck_assert_uint_eq(q.label_count, 0);
    ck_assert_int_eq(q.input.maps, MAPS_NONE);
    arena_free(&arena);
}
END_TEST

#define LONG_129                                                       \
    "0123456789012345678901234567890123456789012345678901234567890123" \
    "01234567890123456789012345678901234567890123456789012345678901234"
#define LONG_257 LONG_129 LONG_129 /* 258 */

static const struct {
    const char *body;
    enum error_code code;
    const char *path, *message; /* the message contains this */
} refusals[] = {
    /* unknown members */
    {"{\"head\":1}", ERROR_INVALID_INPUT, "/head",
     "unknown member; did you mean \"heads\"?"},
    {"{\"model\":\"x\"}", ERROR_INVALID_INPUT, "/model", "unknown member"},
    {"{\"\":1}", ERROR_INVALID_INPUT, "/", "unknown member"},
    {"{\"a/b~\":1}", ERROR_INVALID_INPUT, "/a~1b~0", "unknown member"},
    {"{\"weights\":{\"wx\":[[1]]}}", ERROR_INVALID_INPUT, "/weights/wx",
     "unknown member; did you mean \"wq\"?"},
    {"{\"" LONG_129 "\":1}", ERROR_INVALID_INPUT,
     "/012345678901234567890123456789012345678901234567890123456789", "unknown member"},
    {"{\"Heads\":1}", ERROR_INVALID_INPUT, "/Heads", "did you mean \"heads\"?"},

    /* types; null is none of them */
    {"{\"heads\":\"2\"}", ERROR_INVALID_INPUT, "/heads",
     "must be a number, not a string"},
    {"{\"heads\":true}", ERROR_INVALID_INPUT, "/heads",
     "must be a number, not a boolean"},
    {"{\"heads\":null}", ERROR_INVALID_INPUT, "/heads", "must be a number, not null"},
    {"{\"causal\":1}", ERROR_INVALID_INPUT, "/causal",
     "must be a boolean, not a number"},
    {"{\"causal\":null}", ERROR_INVALID_INPUT, "/causal", "not null"},
    {"{\"weights\":[]}", ERROR_INVALID_INPUT, "/weights", "must be an object"},
    {"{\"weights\":null}", ERROR_INVALID_INPUT, "/weights",
     "must be an object, not null"},
    {"{\"map_stage\":null}", ERROR_INVALID_INPUT, "/map_stage",
     "must be a string, not null"},
    {"{\"align\":null}", ERROR_INVALID_INPUT, "/align", "must be a string, not null"},
    {"{\"maps\":false}", ERROR_INVALID_INPUT, "/maps", "must be a string"},
    {"{\"return\":\"lse\"}", ERROR_INVALID_INPUT, "/return", "must be an array"},
    {"{\"labels\":{}}", ERROR_INVALID_INPUT, "/labels", "must be an array"},
    {"{\"labels\":[\"a\",1]}", ERROR_INVALID_INPUT, "/labels/1", "must be a string"},
    {"{\"map_heads\":3}", ERROR_INVALID_INPUT, "/map_heads", "must be an array"},
    {"{\"id\":7}", ERROR_INVALID_INPUT, "/id", "must be a string"},
    {"{\"timeout_ms\":\"1s\"}", ERROR_INVALID_INPUT, "/timeout_ms", "must be a number"},

    /* ranges */
    {"{\"heads\":0}", ERROR_INVALID_INPUT, "/heads",
     "must be a whole number, 1 or more"},
    {"{\"heads\":-1}", ERROR_INVALID_INPUT, "/heads",
     "must be a whole number, 1 or more"},
    {"{\"heads\":1.5}", ERROR_INVALID_INPUT, "/heads", "must be a whole number"},
    {"{\"heads\":18014398509481984}", ERROR_TOO_LARGE, "/heads",
     "is more than 9007199254740992, the setting max_heads allows 5"},
    {"{\"heads\":1e300}", ERROR_TOO_LARGE, "/heads", "max_heads"},
    {"{\"heads\":-1e300}", ERROR_INVALID_INPUT, "/heads", "must be a whole number"},
    {"{\"kv_heads\":18014398509481984}", ERROR_INVALID_INPUT, "/kv_heads",
     "must be at most 9007199254740992"},
    {"{\"window\":{\"left\":9007199254740994}}", ERROR_INVALID_INPUT, "/window/left",
     "must be at most 9007199254740992; leave out"},
    {"{\"key_lengths\":[1,9007199254740993]}", ERROR_INVALID_INPUT, "/key_lengths/1",
     "must be at most 9007199254740992"},
    {"{\"sequences\":{\"shape\":[1,18014398509481984]}}", ERROR_INVALID_INPUT,
     "/sequences/shape/1", "must be at most 9007199254740992"},
    {"{\"kv_heads\":0}", ERROR_INVALID_INPUT, "/kv_heads", "1 or more"},
    {"{\"scale\":0}", ERROR_INVALID_INPUT, "/scale", "must not be 0"},
    {"{\"scale\":-0.0}", ERROR_INVALID_INPUT, "/scale", "must not be 0"},
    {"{\"scale\":1e39}", ERROR_INVALID_INPUT, "/scale", "float32"},
    {"{\"precision\":0}", ERROR_INVALID_INPUT, "/precision",
     "must be a whole number from 1 to 9"},
    {"{\"precision\":10}", ERROR_INVALID_INPUT, "/precision", "from 1 to 9"},
    {"{\"timeout_ms\":0}", ERROR_INVALID_INPUT, "/timeout_ms", "must be more than 0"},
    {"{\"timeout_ms\":-5}", ERROR_INVALID_INPUT, "/timeout_ms", "must be more than 0"},
    {"{\"timeout_ms\":1e999}", ERROR_INVALID_INPUT, "/timeout_ms", "float64"},
    {"{\"map_heads\":[]}", ERROR_INVALID_INPUT, "/map_heads", "at least one head"},
    {"{\"map_heads\":[0,-1]}", ERROR_INVALID_INPUT, "/map_heads/1",
     "must be a whole number, 0 or more"},
    {"{\"map_heads\":[0,1,2,3,4,0]}", ERROR_TOO_LARGE, "/map_heads", "max_heads"},

    /* words */
    {"{\"align\":\"left\"}", ERROR_INVALID_INPUT, "/align",
     "must be \"top_left\" or \"bottom_right\""},
    {"{\"maps\":\"top\"}", ERROR_INVALID_INPUT, "/maps",
     "must be \"heads\", \"mean\", \"top_k\" or \"none\""},
    {"{\"maps\":\"\"}", ERROR_INVALID_INPUT, "/maps", "must be"},
    {"{\"tensor_format\":\"binary\"}", ERROR_INVALID_INPUT, "/tensor_format",
     "must be \"nested\" or \"base64\""},
    {"{\"return\":[\"lse\",\"rollout\"]}", ERROR_INVALID_INPUT, "/return/1",
     "must be \"projections\", \"lse\", \"present\", \"entropy\" or \"statistics\""},
    {"{\"map_stage\":\"score\"}", ERROR_INVALID_INPUT, "/map_stage",
     "must be \"scores\", \"capped\", \"biased\" or \"weights\""},
    {"{\"top_k\":0}", ERROR_INVALID_INPUT, "/top_k", "1 or more"},
    {"{\"return\":[\"lse\",\"lse\"]}", ERROR_INVALID_INPUT, "/return/1",
     "\"lse\" stands here twice"},

    /* texts */
    {"{\"id\":\"\"}", ERROR_INVALID_INPUT, "/id", "must be 1 to 128"},
    {"{\"id\":\"a b\"}", ERROR_INVALID_INPUT, "/id", "must be 1 to 128"},
    {"{\"id\":\"a\\u000a\"}", ERROR_INVALID_INPUT, "/id", "must be 1 to 128"},
    {"{\"id\":\"" LONG_129 "\"}", ERROR_INVALID_INPUT, "/id", "must be 1 to 128"},
    {"{\"labels\":[\"" LONG_257 "\"]}", ERROR_INVALID_INPUT, "/labels/0",
     "has 258 bytes, at most 256 are allowed"},
    {"{\"labels\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}", ERROR_TOO_LARGE, "/labels",
     "max_tokens"},

    /* tensors */
    {"{\"sequences\":[[1,2],[3]]}", ERROR_INVALID_INPUT, "/sequences/1",
     ", expected 2"},
    {"{\"sequences\":[[1],[null]]}", ERROR_INVALID_INPUT, "/sequences/1/0", "not null"},
    {"{\"weights\":{\"wq\":[1]}}", ERROR_INVALID_INPUT, "/weights/wq", ""},
    {"{\"weights\":{\"bq\":[[1]]}}", ERROR_INVALID_INPUT, "/weights/bq/0", ""},
    {"{\"query\":[1]}", ERROR_INVALID_INPUT, "/query", ""},
    {"{\"query\":[[1e39]]}", ERROR_INVALID_INPUT, "/query/0/0", "float32"},
    {"{\"sequences\":[[1,1,1,1,1,1,1,1,1]]}", ERROR_TOO_LARGE, "/sequences/0",
     "max_width"},
    {"{\"weights\":{\"wq\":[[1,1,1,1,1,1,1,1,1]]}}", ERROR_TOO_LARGE, "/weights/wq/0",
     "max_width"},
    {"{\"query\":[[1,1,1,1,1,1,1,1,1]]}", ERROR_TOO_LARGE, "/query/0", "max_width"},

    /* options that are objects */
    {"{\"window\":null}", ERROR_INVALID_INPUT, "/window",
     "must be an object, not null"},
    {"{\"window\":3}", ERROR_INVALID_INPUT, "/window", "must be an object"},
    {"{\"window\":{\"left\":-1}}", ERROR_INVALID_INPUT, "/window/left",
     "0 or more; leave out a side that has no end"},
    {"{\"window\":{\"right\":0.5}}", ERROR_INVALID_INPUT, "/window/right", "whole"},
    {"{\"window\":{\"right\":null}}", ERROR_INVALID_INPUT, "/window/right", "not null"},
    {"{\"window\":{\"rigth\":1}}", ERROR_INVALID_INPUT, "/window/rigth",
     "did you mean \"right\"?"},
    {"{\"past\":[]}", ERROR_INVALID_INPUT, "/past", "must be an object"},
    {"{\"past\":{}}", ERROR_INVALID_INPUT, "/past", "has no \"key\""},
    {"{\"past\":{\"key\":[[[1]]]}}", ERROR_INVALID_INPUT, "/past", "has no \"value\""},
    {"{\"past\":{\"key\":[[1]]}}", ERROR_INVALID_INPUT, "/past/key", "expected 3 to 4"},
    {"{\"past\":{\"value\":null}}", ERROR_INVALID_INPUT, "/past/value", "not null"},
    {"{\"past\":{\"values\":1}}", ERROR_INVALID_INPUT, "/past/values",
     "unknown member"},
    {"{\"past\":{\"key\":[[[1],[1],[1],[1],[1],[1],[1]]]}}", ERROR_TOO_LARGE,
     "/past/key/0", "max_tokens"},
    {"{\"past\":{\"key\":[[[1]],[[1]],[[1]],[[1]],[[1]],[[1]]]}}", ERROR_TOO_LARGE,
     "/past/key", "max_heads"},
    {"{\"dropout\":0.5}", ERROR_INVALID_INPUT, "/dropout", "must be an object"},
    {"{\"dropout\":{}}", ERROR_INVALID_INPUT, "/dropout", "has no \"rate\""},
    {"{\"dropout\":{\"rate\":1}}", ERROR_INVALID_INPUT, "/dropout/rate",
     "must be at least 0 and below 1"},
    {"{\"dropout\":{\"rate\":0.99999999}}", ERROR_INVALID_INPUT, "/dropout/rate",
     "below 1"},
    {"{\"dropout\":{\"rate\":-0.1}}", ERROR_INVALID_INPUT, "/dropout/rate",
     "at least 0"},
    {"{\"dropout\":{\"rate\":0.1,\"seed\":-1}}", ERROR_INVALID_INPUT, "/dropout/seed",
     "from 0 to 9007199254740992"},
    {"{\"dropout\":{\"rate\":0.5,\"seed\":9007199254740993}}", ERROR_INVALID_INPUT,
     "/dropout/seed", "from 0 to 9007199254740992"},
    {"{\"method\":{\"name\":\"performer\",\"seed\":9007199254740993}}",
     ERROR_INVALID_INPUT, "/method/seed", "from 0 to 9007199254740992"},
    {"{\"dropout\":{\"rate\":0.1,\"on\":\"maps\"}}", ERROR_INVALID_INPUT, "/dropout/on",
     "must be \"weights\" or \"scores\""},
    {"{\"dropout\":{\"rates\":0}}", ERROR_INVALID_INPUT, "/dropout/rates",
     "did you mean \"rate\"?"},

    /* rope */
    {"{\"rope\":true}", ERROR_INVALID_INPUT, "/rope", "must be an object"},
    {"{\"rope\":null}", ERROR_INVALID_INPUT, "/rope", "must be an object, not null"},
    {"{\"rope\":{\"theta\":1}}", ERROR_INVALID_INPUT, "/rope/theta", "unknown member"},
    {"{\"rope\":{\"base\":0}}", ERROR_INVALID_INPUT, "/rope/base", "more than 0"},
    {"{\"rope\":{\"base\":1e999}}", ERROR_INVALID_INPUT, "/rope/base", "float64"},
    {"{\"rope\":{\"dims\":0}}", ERROR_INVALID_INPUT, "/rope/dims", "1 or more"},
    {"{\"rope\":{\"dims\":3}}", ERROR_INVALID_INPUT, "/rope/dims", "must be even"},
    {"{\"rope\":{\"interleaved\":1}}", ERROR_INVALID_INPUT, "/rope/interleaved",
     "must be a boolean"},
    {"{\"rope\":{\"positions\":-1}}", ERROR_INVALID_INPUT, "/rope/positions",
     "0 or more"},
    {"{\"rope\":{\"positions\":null}}", ERROR_INVALID_INPUT, "/rope/positions",
     "not null"},
    {"{\"rope\":{\"positions\":[0,1.5]}}", ERROR_INVALID_INPUT, "/rope/positions/1",
     "must be a whole number, 0 or more"},
    {"{\"rope\":{\"positions\":[0,9007199254740993]}}", ERROR_INVALID_INPUT,
     "/rope/positions/1", "must be at most 9007199254740992"},
    {"{\"rope\":{\"positions\":[[0,1],[2,-3]]}}", ERROR_INVALID_INPUT,
     "/rope/positions/1/1", "must be a whole number"},
    {"{\"rope\":{\"positions\":[0,1,2,3,4,5,6]}}", ERROR_TOO_LARGE, "/rope/positions",
     "max_tokens"},
    {"{\"rope\":{\"positions\":[[[0]]]}}", ERROR_INVALID_INPUT, "/rope/positions/0/0",
     "nested too deep"},
    {"{\"rope\":{\"cos\":[[1]]}}", ERROR_INVALID_INPUT, "/rope", "has cos without sin"},
    {"{\"rope\":{\"sin\":[[0]]}}", ERROR_INVALID_INPUT, "/rope", "has sin without cos"},
    {"{\"rope\":{\"sin\":[0]}}", ERROR_INVALID_INPUT, "/rope/sin", "expected 2"},
    {"{\"rope\":{\"base\":9,\"cos\":[[1]],\"sin\":[[0]]}}", ERROR_INVALID_INPUT,
     "/rope/base", "cannot be given together with cos and sin"},

    /* options that are lists or numbers */
    {"{\"softcap\":0}", ERROR_INVALID_INPUT, "/softcap", "must be more than 0"},
    {"{\"softcap\":-1}", ERROR_INVALID_INPUT, "/softcap", "must be more than 0"},
    {"{\"softcap\":null}", ERROR_INVALID_INPUT, "/softcap", "not null"},
    {"{\"softcap\":1e39}", ERROR_INVALID_INPUT, "/softcap", "float32"},
    {"{\"alibi\":null}", ERROR_INVALID_INPUT, "/alibi",
     "must be true, or an array of slopes, not null"},
    {"{\"alibi\":1}", ERROR_INVALID_INPUT, "/alibi", "not a number"},
    {"{\"alibi\":[[1]]}", ERROR_INVALID_INPUT, "/alibi/0", ""},
    {"{\"alibi\":[1,1,1,1,1,1]}", ERROR_TOO_LARGE, "/alibi", "max_heads"},
    {"{\"sinks\":1}", ERROR_INVALID_INPUT, "/sinks", "must be an array"},
    {"{\"sinks\":[null]}", ERROR_INVALID_INPUT, "/sinks/0", "not null"},
    {"{\"sinks\":[1,1,1,1,1,1]}", ERROR_TOO_LARGE, "/sinks", "max_heads"},
    {"{\"key_lengths\":\"3\"}", ERROR_INVALID_INPUT, "/key_lengths",
     "must be an array"},
    {"{\"key_lengths\":-1}", ERROR_INVALID_INPUT, "/key_lengths", "0 or more"},
    {"{\"key_lengths\":[]}", ERROR_INVALID_INPUT, "/key_lengths", "must not be empty"},
    {"{\"key_lengths\":[1,2.5]}", ERROR_INVALID_INPUT, "/key_lengths/1",
     "whole number"},
    {"{\"key_lengths\":[1,1,1,1,1]}", ERROR_TOO_LARGE, "/key_lengths", "max_batch"},
    {"{\"key_lengths\":{\"dtype\":\"f32\",\"shape\":[1],\"data\":\"AADAPw==\"}}",
     ERROR_INVALID_INPUT, "/key_lengths/0",
     "must be a whole number from 0 to 16777215"},

    /* method */
    {"{\"method\":null}", ERROR_INVALID_INPUT, "/method",
     "must be a name, or an object with one, not null"},
    {"{\"method\":[]}", ERROR_INVALID_INPUT, "/method", "not an array"},
    {"{\"method\":\"linear_attention\"}", ERROR_INVALID_INPUT, "/method",
     "\"longformer\" or \"bigbird\""},
    {"{\"method\":{}}", ERROR_INVALID_INPUT, "/method", "has no \"name\""},
    {"{\"method\":{\"name\":\"bert\"}}", ERROR_INVALID_INPUT, "/method/name",
     "must be \"exact\", \"linformer\""},
    {"{\"method\":{\"nam\":\"exact\"}}", ERROR_INVALID_INPUT, "/method/nam",
     "did you mean \"name\"?"},
    {"{\"method\":{\"compare\":true,\"name\":\"exact\"}}", ERROR_INVALID_INPUT,
     "/method/compare", "is not a parameter of the method exact"},
    {"{\"method\":{\"landmarks\":2,\"name\":\"top_k\"}}", ERROR_INVALID_INPUT,
     "/method/landmarks", "is not a parameter of the method top_k"},
    {"{\"method\":{\"name\":\"nystrom\",\"seed\":0}}", ERROR_INVALID_INPUT,
     "/method/seed", "is not a parameter of the method nystrom"},
    {"{\"method\":{\"name\":\"linformer\",\"seed\":0,\"e\":[[1]],\"f\":[[1]]}}",
     ERROR_INVALID_INPUT, "/method/seed", "cannot be given together with e and f"},
    {"{\"method\":{\"name\":\"top_k\",\"k\":0}}", ERROR_INVALID_INPUT, "/method/k",
     "1 or more"},
    {"{\"method\":{\"name\":\"linear\",\"rule\":\"relu\"}}", ERROR_INVALID_INPUT,
     "/method/rule", "must be \"elu\", \"linear\", \"gated\", \"delta\" or"},
    {"{\"method\":{\"name\":\"linear\",\"decay\":[1]}}", ERROR_INVALID_INPUT,
     "/method/decay", "expected 2 to 3"},
    {"{\"method\":{\"name\":\"linear\",\"state\":[[1]]}}", ERROR_INVALID_INPUT,
     "/method/state", "expected 3 to 4"},
    {"{\"method\":{\"name\":\"linformer\",\"e\":[1]}}", ERROR_INVALID_INPUT,
     "/method/e", "expected 2"},
    {"{\"method\":{\"name\":\"block_sparse\",\"layout\":{\"columns\":[0]}}}",
     ERROR_INVALID_INPUT, "/method/layout", "has no \"row_starts\""},
    {"{\"method\":{\"name\":\"block_sparse\",\"layout\":{\"row_starts\":[-1]}}}",
     ERROR_INVALID_INPUT, "/method/layout/row_starts/0", "0 or more"},
    {"{\"method\":{\"name\":\"block_sparse\",\"layout\":{\"rows\":[]}}}",
     ERROR_INVALID_INPUT, "/method/layout/rows", "unknown member"},
    {"{\"method\":{\"layout\":{\"row_starts\":[0,0,0,0,0,0,0,0]}}}", ERROR_TOO_LARGE,
     "/method/layout/row_starts", "max_tokens"},
    {"{\"method\":{\"name\":\"longformer\",\"global\":2}}", ERROR_INVALID_INPUT,
     "/method/global", "must be an array of tokens"},
    {"{\"method\":{\"global\":[0],\"name\":\"bigbird\"}}", ERROR_INVALID_INPUT,
     "/method/global", "must be a number of blocks"},
    {"{\"method\":{\"name\":\"longformer\",\"window\":-1}}", ERROR_INVALID_INPUT,
     "/method/window", "0 or more"},
    {"{\"method\":{\"name\":\"bigbird\",\"random\":null}}", ERROR_INVALID_INPUT,
     "/method/random", "not null"},

    /* nothing, and no object */
    {"", ERROR_EMPTY_BODY, "", ""},
    {" \r\n\t", ERROR_EMPTY_BODY, "", ""},
    {"null", ERROR_INVALID_INPUT, "", "must be an object, not null"},
    {" [{}]", ERROR_INVALID_INPUT, "", "must be an object, not an array"},
    {"\"x\"\n", ERROR_INVALID_INPUT, "", "must be an object, not a string"},
    {"-1e999", ERROR_INVALID_INPUT, "", "must be an object, not a number"},
    {"true", ERROR_INVALID_INPUT, "", "must be an object, not a boolean"},
    {"[1,", ERROR_INVALID_JSON, "", "the text ends"},
    {"[] x", ERROR_INVALID_JSON, "", "byte 3"},
    {"nul", ERROR_INVALID_JSON, "", "the text ends inside a word"},
    {"\"x", ERROR_INVALID_JSON, "", "the text ends inside a string"},
    {"1.", ERROR_INVALID_JSON, "", "the text ends inside a number"},
    {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", ERROR_INVALID_JSON, "", "deeper"},
    {"[{\"a\":1,\"a\":1}]", ERROR_INVALID_JSON, "", "twice"},

    /* not JSON, even when something before is wrong, too */
    {"{\"heads\":1} x", ERROR_INVALID_JSON, "", "byte 12"},
    {"{\"heads\":\"a\",}", ERROR_INVALID_JSON, "", "byte 13"},
    {"{\"head\":1,\"x\":01}", ERROR_INVALID_JSON, "", "byte 15"},
    {"{\"sequences\":[[1],[2,3]],\"x\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}",
     ERROR_INVALID_JSON, "", "deeper"},
    {"{\"labels\":[1],\"a\":1,\"\\u0061\":2}", ERROR_INVALID_JSON, "", "twice"},
    {"{\"heads\":1,\"heads\":1}", ERROR_INVALID_JSON, "", "twice"},
    {"{\"weights\":{\"bq\":[1],\"bq\":[1]}}", ERROR_INVALID_JSON, "", "twice"},
    {"{\"map_heads\":[0,1,2,3,4,0", ERROR_INVALID_JSON, "", "the text ends"},
    {"{\"labels\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\"", ERROR_INVALID_JSON, "",
     "the text ends"},
    {"{\"sequences\":{\"dtype\":\"f32\",x", ERROR_INVALID_JSON, "", "the name of a"},
    {"\xEF\xBB\xBF{}", ERROR_INVALID_JSON, "", "byte 0"},
};

/* Threats 51, 61, 62, 72, 73. */
START_TEST(a_refusal_says_what_and_where)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX, NULL);
        struct attention_request q;
        struct error e = {0};
        const char *body = refusals[i].body;
        ck_assert_msg(!decoded(body, strlen(body), &arena, &q, &e), "%s", body);
        ck_assert_msg(e.code == refusals[i].code, "%s: %s %s", body, error_slug(e.code),
                      e.message);
        ck_assert_msg(strcmp(e.path, refusals[i].path) == 0, "%s: %s", body, e.path);
        ck_assert_msg(strstr(e.message, refusals[i].message) != NULL, "%s: %s", body,
                      e.message);
        arena_free(&arena);
    }
}
END_TEST

static void cut_everywhere(const char *body)
{
    size_t length = strlen(body);
    while (body[length - 1] != '}')
        length--;
    for (size_t cut = 2; cut < length; cut++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX, NULL);
        struct attention_request q;
        struct error e = {0};
        ck_assert(!decoded(body, cut, &arena, &q, &e));
        ck_assert_msg(e.code == ERROR_INVALID_JSON, "cut at %zu: %s %s", cut, e.path,
                      e.message);
        arena_free(&arena);
    }
}

/* Threat 52. */
START_TEST(every_truncation_of_a_request_is_called_not_json)
{
    const char *const bodies[] = {everything, every_option, method_requests[6],
                                  method_requests[7], method_requests[9]};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        cut_everywhere(bodies[i]);
}
END_TEST

START_TEST(a_refusal_carries_the_id_that_was_read_before_it)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q;
    struct error e = {0};
    const char *body = "{\"id\":\"r7\",\"heads\":0}";
    ck_assert(!decoded(body, strlen(body), &arena, &q, &e));
    check_text(q.id, "r7");
    arena_free(&arena);
}
END_TEST

/* Threat 58. */
START_TEST(the_depth_is_a_limit_of_its_own)
{
    static const struct {
        size_t depth;
        const char *body, *message;
    } cases[] = {
        {0, "{\"x\":[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]}", "unknown member"},
        {0, "{\"x\":[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]}",
         "deeper than 16 levels (json_depth)"},
        {2, "{\"sequences\":[{}]}", "deeper than 2 levels (json_depth)"},
        {6, "{\"x\":[[[[[0]]]]]}", "unknown member"},
        {6, "{\"x\":[[[[[[0]]]]]]}", "deeper than 6 levels (json_depth)"},
        {17, "{\"x\":[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]}", "unknown member"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct attention_limits deep = limits;
        struct arena arena;
        struct attention_request q;
        struct error e = {0};
        deep.json_depth = cases[i].depth;
        arena_init(&arena, SIZE_MAX, NULL);
        ck_assert(!attention_request_decode(cases[i].body, strlen(cases[i].body), &deep,
                                            &arena, &q, &e));
        ck_assert_msg(strstr(e.message, cases[i].message) != NULL, "%s", e.message);
        arena_free(&arena);
    }
}
END_TEST

START_TEST(labels_and_heads_may_be_as_many_as_the_limits_say)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct attention_request q =
        decode_or_fail("{\"labels\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"],"
                       "\"map_heads\":[4,3,2,1,0]}",
                       &arena);
    ck_assert_uint_eq(q.label_count, 6);
    check_text(q.labels[5], "f");
    ck_assert_uint_eq(q.input.map_head_count, 5);
    ck_assert_uint_eq(q.input.map_heads[4], 0);
    arena_free(&arena);
}
END_TEST

static void decode_with_little_memory(const char *body)
{
    bool succeeded = false;
    for (size_t limit = 0; !succeeded; limit += 8) {
        struct arena arena;
        arena_init(&arena, limit, NULL);
        struct attention_request q;
        struct error e = {0};
        succeeded =
            attention_request_decode(body, strlen(body), &limits, &arena, &q, &e);
        if (!succeeded)
            ck_assert_msg(e.code == ERROR_OUT_OF_MEMORY, "%zu bytes: %s %s", limit,
                          e.path, e.message);
        arena_free(&arena);
        ck_assert_uint_lt(limit, 1 << 20);
    }
}

/* Threat 88. */
START_TEST(with_little_memory_decoding_succeeds_or_says_so)
{
    decode_with_little_memory(everything);
    decode_with_little_memory(every_option);
    for (size_t i = 0; i < METHOD_REQUESTS; i++)
        decode_with_little_memory(method_requests[i]);
}
END_TEST

/* None of the suite's documents is a request but {}, so each is refused: what is not
 * JSON as not JSON, all else for what it is or says. Members may not stand twice. */
START_TEST(the_json_test_suite_is_refused_for_the_right_reason)
{
    const char *shared = getenv("ATTENTIOND_SHARED");
    char folder[512], name[512];
    snprintf(folder, sizeof folder, "%s/corpora/json_test_suite",
             shared ? shared : "../shared");
    DIR *files = opendir(folder);
    if (!files) {
        printf("skipped: there is no %s\n", folder);
        return;
    }
    for (struct dirent *file; (file = readdir(files));) {
        if (!strstr(file->d_name, ".json") || file->d_name[0] == 'i')
            continue;
        snprintf(name, sizeof name, "corpora/json_test_suite/%s", file->d_name);
        size_t length = 0;
        char *body = shared_file(name, &length);
        struct arena arena;
        arena_init(&arena, SIZE_MAX, NULL);
        struct attention_request q;
        struct error e = {0};
        bool good = decoded(body, length, &arena, &q, &e);
        bool json = file->d_name[0] == 'y' && !strstr(file->d_name, "duplicated_key");
        ck_assert_msg(good == (json && length == 2 && body[0] == '{'), "%s",
                      file->d_name);
        ck_assert_msg(good || (e.code == ERROR_INVALID_INPUT) == json, "%s: %s %s",
                      file->d_name, error_slug(e.code), e.message);
        arena_free(&arena);
        free(body);
    }
    closedir(files);
}
END_TEST

TEST_PROGRAM("attention_request", every_member_finds_its_place,
             what_comes_as_base64_is_counted, every_option_finds_its_place,
             options_that_are_given_otherwise,
             every_parameter_of_a_method_finds_its_place,
             a_method_without_maps_has_none_by_default, every_weight_finds_its_place,
             projected_tensors_may_have_rank_2_to_4, what_is_not_given_has_its_default,
             a_refusal_says_what_and_where,
             every_truncation_of_a_request_is_called_not_json,
             a_refusal_carries_the_id_that_was_read_before_it,
             the_depth_is_a_limit_of_its_own,
             labels_and_heads_may_be_as_many_as_the_limits_say,
             with_little_memory_decoding_succeeds_or_says_so,
             the_json_test_suite_is_refused_for_the_right_reason)
