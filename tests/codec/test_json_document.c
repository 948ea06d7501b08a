#include "codec/json_document.h"

#include "codec/info_document.h"
#include "codec/problem.h"
#include "codec/request_log_document.h"
#include "support/test.h"

static char *taken(struct buffer *out)
{
    size_t length = 0;
    char *text = buffer_take(out, &length);
    buffer_free(out);
    return text;
}

START_TEST(times_have_at_most_three_decimals)
{
    static const struct {
        double ms;
        const char *text;
    } cases[] = {
        {0, "[0.0]"},         {0.0004, "[0.0]"},    {0.0006, "[0.001]"},
        {0.3, "[0.3]"},       {1.23456, "[1.235]"}, {30000, "[30000.0]"},
        {0.1 + 0.2, "[0.3]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out;
        buffer_init(&out, 64);
        json_document_write(json_pack("[o]", json_document_ms(cases[i].ms)), &out);
        char *text = taken(&out);
        ck_assert_pstr_eq(text, cases[i].text);
        free(text);
    }
}
END_TEST

START_TEST(text_of_any_bytes_becomes_a_string)
{
    static const struct {
        const char *bytes, *string;
    } cases[] = {
        {"", ""},
        {"plain \xC3\xA4", "plain \xC3\xA4"},
        {"\xFF", "\xEF\xBF\xBD"},
        {"a\xC3", "a\xEF\xBF\xBD"},
        {"\xEF\xBF\xBD", "\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *string = json_document_text(cases[i].bytes);
        ck_assert_pstr_eq(json_string_value(string), cases[i].string);
        json_decref(string);
    }
}
END_TEST

START_TEST(what_could_not_be_built_is_a_failed_buffer)
{
    struct buffer out;
    buffer_init(&out, 64);
    json_document_write(NULL, &out);
    ck_assert(out.failed);
    buffer_free(&out);
}
END_TEST

/* The documents, each to be written while jansson is short of memory. */

static void write_problem(struct buffer *out)
{
    static const struct error e = {ERROR_INVALID_INPUT, "/heads", "must be 1 or more"};
    problem_write(&e, 422, "r1", out);
}

static void write_info(struct buffer *out)
{
    static const struct info info = {
        .version = "1", .blas = "b", .simd = "s", .cpus_quota = 1.5};
    info_document_write(&info, out);
}

static void write_log(struct buffer *out)
{
    static const struct request_record records[2] = {
        {.id = "a", .route = "/", .method = "GET", .status = 200},
        {.id = "b",
         .route = "/",
         .method = "GET",
         .status = 404,
         .error = "not-found"}};
    request_log_document_write(records, 2, out);
}

static size_t allocations_left, refused;
static bool only_one_fails;

static void *scarce_malloc(size_t size)
{
    if (allocations_left == 0) {
        allocations_left = only_one_fails ? SIZE_MAX : 0;
        refused++;
        return NULL;
    }
    allocations_left--;
    return malloc(size);
}

/* Threat 88. */
START_TEST(a_document_without_memory_is_whole_or_failed)
{
    void (*const write[])(struct buffer *) = {write_problem, write_info, write_log};
    enum { DOCUMENTS = sizeof write / sizeof *write };
    for (size_t i = 0; i < (size_t)2 * DOCUMENTS; i++) {
        size_t d = i % DOCUMENTS;
        only_one_fails = i >= DOCUMENTS;
        struct buffer out;
        buffer_init(&out, 1 << 16);
        write[d](&out);
        char *whole = taken(&out);
        ck_assert_ptr_nonnull(whole);

        json_set_alloc_funcs(scarce_malloc, free);
        size_t allocations = 0;
        for (refused = 1; refused > 0; allocations++) {
            allocations_left = allocations;
            refused = 0;
            buffer_init(&out, 1 << 16);
            write[d](&out);
            char *text = taken(&out);
            ck_assert(text || refused > 0);
            if (text) /* also where what had failed was tried in another way */
                ck_assert_str_eq(text, whole);
            free(text);
            ck_assert_uint_lt(allocations, 10000);
        }
        json_set_alloc_funcs(malloc, free);
        ck_assert_uint_gt(allocations, 10);
        free(whole);
    }
}
END_TEST

TEST_PROGRAM("json_document", times_have_at_most_three_decimals,
             text_of_any_bytes_becomes_a_string,
             what_could_not_be_built_is_a_failed_buffer,
             a_document_without_memory_is_whole_or_failed)
