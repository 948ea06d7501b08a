/* vectors.json: a request for each option and its answer in float64, as texts. See
 * make_vectors.c for where they come from. */
#include <jansson.h>
#include <stdio.h>

#include "codec/attention_response.h"
#include "core/blas.h"
#include "support/test.h"

static const struct attention_limits limits = {.max_batch = 8,
                                               .max_tokens = 64,
                                               .max_width = 64,
                                               .max_heads = 8,
                                               .max_map_numbers = 4096,
                                               .answer_limit = 1 << 20};

/* Small numbers, of sums of a few products: float32 is right to some 1e-6. */
static void compare(json_t *got, json_t *want, const char *name, const char *member)
{
    if (json_is_number(want)) {
        double is = json_number_value(got), wanted = json_number_value(want);
        ck_assert_msg(json_is_number(got) &&
                          fabs(is - wanted) <= 2e-6 + 1e-5 * fabs(wanted),
                      "%s: %s: %.9g, want %.9g", name, member, is, wanted);
    } else if (json_is_array(want)) {
        ck_assert_msg(json_array_size(got) == json_array_size(want),
                      "%s: %s: %zu items", name, member, json_array_size(got));
        for (size_t i = 0; i < json_array_size(want); i++)
            compare(json_array_get(got, i), json_array_get(want, i), name, member);
    } else if (json_is_object(want)) {
        const char *key;
        json_t *item;
        ck_assert_msg(json_object_size(got) == json_object_size(want),
                      "%s: %s: %zu members", name, member, json_object_size(got));
        json_object_foreach(want, key, item)
            compare(json_object_get(got, key), item, name, key);
    } else {
        ck_assert_msg(json_equal(got, want), "%s: %s: another word", name, member);
    }
}

static json_t *answer(const char *body, const char *name, struct arena *arena)
{
    struct error e = {0};
    struct attention_request request;
    const struct attention_timing timing = {0};
    ck_assert_msg(
        attention_request_decode(body, strlen(body), &limits, arena, &request, &e),
        "%s: decode: %s: %s", name, e.path, e.message);
    struct multi_head *m = multi_head_plan(&request.input, &limits, arena, &e);
    ck_assert_msg(m != NULL, "%s: plan: %s: %s", name, e.path, e.message);
    struct attention_response *r = attention_response_plan(
        &request, multi_head_result(m), (struct json_text){"1", 1}, &limits, arena, &e);
    ck_assert_msg(r && multi_head_run_all(m, arena, &e), "%s: %s: %s", name, e.path,
                  e.message);
    ck_assert_uint_eq(attention_response_pieces(r), 1); /* small ones */
    char *text = malloc(attention_response_bound(r, 0));
    size_t length = attention_response_finish(r, &timing, text);
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(json != NULL, "%s: the answer is not JSON", name);
    free(text);
    return json;
}

START_TEST(each_option_gives_the_answer_that_was_written_down)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
    json_t *vectors = json_load_file("tests/conformance/vectors.json", 0, NULL),
           *vector;
    ck_assert_msg(vectors != NULL, "run from the top of the project");
    size_t n;
    json_array_foreach(vectors, n, vector)
    {
        struct arena arena;
        arena_init(&arena, (size_t)1 << 24, NULL);
        const char *name = json_string_value(json_object_get(vector, "name"));
        char *body = json_dumps(json_object_get(vector, "request"), JSON_COMPACT);
        json_t *got = answer(body, name, &arena);
        json_object_del(got, "id");
        json_object_del(got, "timing");
        json_object_del(got, "method");
        compare(got, json_object_get(vector, "answer"), name, "answer");
        json_decref(got);
        free(body);
        arena_free(&arena);
    }
    json_decref(vectors);
    ck_assert_uint_ge(n, 37);
}
END_TEST

TEST_PROGRAM("vectors", each_option_gives_the_answer_that_was_written_down)
