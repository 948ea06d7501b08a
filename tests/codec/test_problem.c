#include "codec/problem.h"

#include <jansson.h>

#include "support/test.h"

#define TYPE "{\"type\":\"urn:attentiond:problem:"

static const struct {
    struct error error;
    unsigned status;
    const char *text;
} cases[] = {
    {{ERROR_INVALID_INPUT, "/weights/wq/3", "has 63 numbers, expected 64"},
     422,
     TYPE "invalid-input\",\"title\":\"The request is not valid\",\"status\":422,"
          "\"detail\":\"/weights/wq/3: has 63 numbers, expected 64\","
          "\"instance\":\"r1\",\"errors\":[{\"pointer\":\"/weights/wq/3\","
          "\"detail\":\"has 63 numbers, expected 64\"}],"
          "\"error\":\"/weights/wq/3: has 63 numbers, expected 64\"}"},
    {{ERROR_INVALID_INPUT, "", "needs sequences or query"},
     422,
     TYPE "invalid-input\",\"title\":\"The request is not valid\",\"status\":422,"
          "\"detail\":\"needs sequences or query\",\"instance\":\"r1\","
          "\"errors\":[{\"pointer\":\"\",\"detail\":\"needs sequences or query\"}],"
          "\"error\":\"needs sequences or query\"}"},
    {{ERROR_TOO_LARGE, "", "9 bytes (body_limit)"},
     413,
     TYPE "too-large\",\"title\":\"The request is over a limit\",\"status\":413,"
          "\"detail\":\"9 bytes (body_limit)\",\"instance\":\"r1\","
          "\"error\":\"9 bytes (body_limit)\"}"},
    {{ERROR_TOO_LARGE, "/heads", "max_heads"},
     413,
     TYPE "too-large\",\"title\":\"The request is over a limit\",\"status\":413,"
          "\"detail\":\"/heads: max_heads\",\"instance\":\"r1\","
          "\"errors\":[{\"pointer\":\"/heads\",\"detail\":\"max_heads\"}],"
          "\"error\":\"/heads: max_heads\"}"},
    {{ERROR_INVALID_JSON, "", "line 1"},
     400,
     TYPE "invalid-json\",\"title\":\"The body is not valid JSON\",\"status\":400,"
          "\"detail\":\"line 1\",\"instance\":\"r1\",\"error\":\"line 1\"}"},
    {{ERROR_NOT_FOUND, "", ""},
     404,
     TYPE "not-found\",\"title\":\"There is nothing here\",\"status\":404,"
          "\"detail\":\"There is nothing here\",\"instance\":\"r1\","
          "\"error\":\"There is nothing here\"}"},
};

/* The document's text; the caller frees it. */
static char *written(const struct error *e, unsigned status, const char *instance)
{
    struct buffer out;
    buffer_init(&out, 4096);
    problem_write(e, status, instance, &out);
    size_t length = 0;
    return buffer_take(&out, &length);
}

START_TEST(a_problem_has_the_members_of_the_contract_in_order)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = written(&cases[i].error, cases[i].status, "r1");
        ck_assert_pstr_eq(text, cases[i].text);
        free(text);
    }
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_repaired)
{
    const struct error e = {ERROR_INVALID_INPUT, "/a\xFF",
                            "\xC3 \"\n\xED\xA0\x80 \xC3\xA4"};
    char *text = written(&e, 422, "\x80");
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    const json_t *first = json_array_get(json_object_get(json, "errors"), 0);
    ck_assert_pstr_eq(json_string_value(json_object_get(first, "pointer")),
                      "/a\xEF\xBF\xBD");
    ck_assert_pstr_eq(json_string_value(json_object_get(first, "detail")),
                      "\xEF\xBF\xBD \"\n\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD \xC3\xA4");
    ck_assert_pstr_eq(json_string_value(json_object_get(json, "instance")),
                      "\xEF\xBF\xBD");
    json_decref(json);
    free(text);
}
END_TEST

START_TEST(our_own_mistakes_are_not_described)
{
    const struct error e = {ERROR_INTERNAL, "/secret", "core/tile.c fell over"};
    char *text = written(&e, 500, "r1");
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_null(strstr(text, "tile"));
    ck_assert_ptr_null(strstr(text, "secret"));
    ck_assert_ptr_nonnull(strstr(text, "\"instance\":\"r1\""));
    free(text);
}
END_TEST

START_TEST(a_buffer_that_is_too_small_is_failed)
{
    struct buffer out;
    buffer_init(&out, 64);
    problem_write(&cases[0].error, 422, "r1", &out);
    ck_assert(out.failed);
    buffer_free(&out);
}
END_TEST

TEST_PROGRAM("problem", a_problem_has_the_members_of_the_contract_in_order,
             bytes_that_are_not_utf8_are_repaired, our_own_mistakes_are_not_described,
             a_buffer_that_is_too_small_is_failed)
