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
    {"{\"window\":{}}", ERROR_INVALID_INPUT, "/window", "unknown member"},
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
    {"{\"heads\":1e300}", ERROR_INVALID_INPUT, "/heads", "must be a whole number"},
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
    {"{\"maps\":\"top_k\"}", ERROR_INVALID_INPUT, "/maps",
     "must be \"heads\", \"mean\" or \"none\""},
    {"{\"maps\":\"\"}", ERROR_INVALID_INPUT, "/maps", "must be"},
    {"{\"tensor_format\":\"binary\"}", ERROR_INVALID_INPUT, "/tensor_format",
     "must be \"nested\" or \"base64\""},
    {"{\"return\":[\"lse\",\"entropy\"]}", ERROR_INVALID_INPUT, "/return/1",
     "must be \"projections\" or \"lse\""},
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

    /* nothing, and no object */
    {"", ERROR_EMPTY_BODY, "", ""},
    {" \r\n\t", ERROR_EMPTY_BODY, "", ""},
    {"null", ERROR_INVALID_JSON, "", "must be an object, not null"},
    {"[{}]", ERROR_INVALID_JSON, "", "must be an object, not an array"},
    {"[1,", ERROR_INVALID_JSON, "", "the text ends"},

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
    {"\xEF\xBB\xBF{}", ERROR_INVALID_JSON, "", "byte 0"},
};

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

START_TEST(every_truncation_of_a_request_is_called_not_json)
{
    struct arena arena;
    size_t length = strlen(everything);
    while (everything[length - 1] != '}')
        length--;
    for (size_t cut = 2; cut < length; cut++) {
        arena_init(&arena, SIZE_MAX, NULL);
        struct attention_request q;
        struct error e = {0};
        ck_assert(!decoded(everything, cut, &arena, &q, &e));
        ck_assert_msg(e.code == ERROR_INVALID_JSON, "cut at %zu: %s %s", cut, e.path,
                      e.message);
        arena_free(&arena);
    }
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

START_TEST(with_little_memory_decoding_succeeds_or_says_so)
{
    bool succeeded = false;
    for (size_t limit = 0; !succeeded; limit += 8) {
        struct arena arena;
        arena_init(&arena, limit, NULL);
        struct attention_request q;
        struct error e = {0};
        succeeded = attention_request_decode(everything, strlen(everything), &limits,
                                             &arena, &q, &e);
        if (!succeeded)
            ck_assert_msg(e.code == ERROR_OUT_OF_MEMORY, "%zu bytes: %s %s", limit,
                          e.path, e.message);
        arena_free(&arena);
        ck_assert_uint_lt(limit, 1 << 20);
    }
}
END_TEST

/* None of the suite's documents is a request, so each is refused: what is not JSON
 * as not JSON, and the objects among the rest for what they say. */
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
        bool object = length > 0 && body[0] == '{' && file->d_name[0] == 'y' &&
                      !strstr(file->d_name, "duplicated_key");
        ck_assert_msg(good == (object && length == 2), "%s", file->d_name);
        ck_assert_msg(good || (e.code == ERROR_INVALID_INPUT) == object, "%s: %s %s",
                      file->d_name, error_slug(e.code), e.message);
        arena_free(&arena);
        free(body);
    }
    closedir(files);
}
END_TEST

TEST_PROGRAM("attention_request", every_member_finds_its_place,
             every_weight_finds_its_place, projected_tensors_may_have_rank_2_to_4,
             what_is_not_given_has_its_default, a_refusal_says_what_and_where,
             every_truncation_of_a_request_is_called_not_json,
             a_refusal_carries_the_id_that_was_read_before_it,
             labels_and_heads_may_be_as_many_as_the_limits_say,
             with_little_memory_decoding_succeeds_or_says_so,
             the_json_test_suite_is_refused_for_the_right_reason)
