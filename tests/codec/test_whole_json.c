#include "codec/whole_json.h"

#include "support/test.h"

static const struct tensor_limit four = {4, "max_heads"};

struct document {
    struct arena arena;
    struct json_reader reader;
    struct error e;
};

static void open_document(struct document *d, const char *text)
{
    *d = (struct document){0};
    arena_init(&d->arena, SIZE_MAX, NULL);
    json_reader_init(&d->reader, text, strlen(text), &d->arena);
}

static void open_with(struct document *d, const char *text, size_t limit)
{
    open_document(d, text);
    d->arena.limit = limit;
}

#define PACKED(dtype, shape, data) \
    "{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data\":\"" data "\"}"

START_TEST(whole_numbers_come_as_an_array_or_packed)
{
    static const struct {
        const char *text;
        size_t count, number[4];
    } cases[] = {
        {"[]", 0, {0}},
        {"[0]", 1, {0}},
        {" [ 3 , 1e3, 9007199254740992, 16777217 ]",
         4,
         {3, 1000, 9007199254740992, 16777217}},
        {PACKED("i32", "2", "AQAAAAIAAAA="), 2, {1, 2}},
        {PACKED("i64", "1", "////AAAAAAA="), 1, {16777215}},
        {PACKED("i64", "1", "////////HwA="), 1, {9007199254740991}},
        {PACKED("i32", "2", "AQAAAf///38="), 2, {16777217, 2147483647}},
        {PACKED("f64", "2", "AAAAEAAAcEH///////8/Qw=="),
         2,
         {16777217, 9007199254740991}},
        {PACKED("f16", "2", "AEIAAA=="), 2, {3, 0}},
        {PACKED("f32", "1", "AAAAgA=="), 1, {0}}, /* -0 */
        {PACKED("bool", "3", "AQAB"), 3, {1, 0, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        const size_t *number = NULL;
        size_t count = 9;
        open_document(&d, cases[i].text);
        ck_assert_msg(wholes_from_json(&d.reader, NULL, &four, &number, &count, &d.e),
                      "%s: %s", cases[i].text, d.e.message);
        ck_assert_uint_eq(count, cases[i].count);
        ck_assert_ptr_nonnull(number);
        for (size_t n = 0; n < count; n++)
            ck_assert_uint_eq(number[n], cases[i].number[n]);
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(what_is_no_list_of_whole_numbers_is_refused_where_it_is)
{
    static const struct {
        const char *text;
        enum error_code code;
        const char *path, *message;
    } cases[] = {
        {"3", ERROR_INVALID_INPUT, "", "must be an array"},
        {"[1,-1]", ERROR_INVALID_INPUT, "/1", "0 or more"},
        {"[[1]]", ERROR_INVALID_INPUT, "/0", "must be a number"},
        {"[1,2,3,4,5]", ERROR_TOO_LARGE, "",
         "has 5 numbers, at most 4 are allowed (max_heads)"},
        {PACKED("i32", "5", ""), ERROR_TOO_LARGE, "/shape/0", "max_heads"},
        {PACKED("i32", "1,1", "AQAAAA=="), ERROR_INVALID_INPUT, "/shape", "expected 1"},
        {PACKED("i32", "2", "AQAAAP////8="), ERROR_INVALID_INPUT, "/1",
         "must be a whole number from 0 to 2147483647"},
        {PACKED("i64", "1", "AQAAAAAAIAA="), ERROR_INVALID_INPUT, "/0",
         "must be a whole number from 0 to 9007199254740991"},
        {PACKED("f64", "2", "AAAAAAAA8D8AAAAAAAAEQA=="), ERROR_INVALID_INPUT, "/1",
         "must be a whole number from 0 to 9007199254740991"},
        {PACKED("f32", "1", "AACASw=="), ERROR_INVALID_INPUT, "/0",
         "must be a whole number from 0 to 16777215"},
        {PACKED("f32", "1", "AADAfw=="), ERROR_INVALID_INPUT, "/0", "whole number"},
        {PACKED("bool", "3", "AQAC"), ERROR_INVALID_INPUT, "/2",
         "must be a whole number from 0 to 1"},
        {PACKED("bool", "3", "AQ-C"), ERROR_INVALID_INPUT, "/data", "not base64"},
        {PACKED("f32", "1", "AAAAPw=="), ERROR_INVALID_INPUT, "/0", "whole number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        const size_t *number = NULL;
        size_t count = 0;
        open_document(&d, cases[i].text);
        ck_assert_msg(!wholes_from_json(&d.reader, NULL, &four, &number, &count, &d.e),
                      "%s", cases[i].text);
        ck_assert_msg(d.e.code == cases[i].code, "%s: %s", cases[i].text, d.e.message);
        ck_assert_str_eq(d.e.path, cases[i].path);
        ck_assert_msg(strstr(d.e.message, cases[i].message) != NULL, "%s: %s",
                      cases[i].text, d.e.message);
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(positions_have_one_axis_or_two)
{
    static const struct attention_limits limits = {.max_batch = 2, .max_tokens = 3};
    static const struct {
        const char *text;
        size_t rank, extent[2];
        int64_t last;
    } cases[] = {
        {"[5,0,7]", 1, {3, 0}, 7},
        {"[[1,2],[3,9007199254740991]]", 2, {2, 2}, 9007199254740991},
        {"[20000001,2e0]", 1, {2, 0}, 2},
        {"[ 1.0 , 16777217 ]", 1, {2, 0}, 16777217},
        {PACKED("i64", "1,2", "BQAAAAAAAAAAAAAAAAAAAA=="), 2, {1, 2}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct positions p;
        open_document(&d, cases[i].text);
        ck_assert_msg(positions_from_json(&d.reader, NULL, &limits, &p, &d.e), "%s: %s",
                      cases[i].text, d.e.message);
        ck_assert_uint_eq(p.rank, cases[i].rank);
        ck_assert_uint_eq(p.extent[0], cases[i].extent[0]);
        ck_assert_uint_eq(p.extent[1], cases[i].extent[1]);
        size_t count = p.rank == 2 ? p.extent[0] * p.extent[1] : p.extent[0];
        ck_assert_int_eq(p.position[count - 1], cases[i].last);
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(positions_that_are_wrong_are_refused_where_they_are)
{
    static const struct attention_limits limits = {.max_batch = 2, .max_tokens = 3};
    static const struct {
        const char *text;
        enum error_code code;
        const char *path, *message;
    } cases[] = {
        {"[0,1,2.00000001]", ERROR_INVALID_INPUT, "/2", "must be a whole number"},
        {"[0,1,1e-50]", ERROR_INVALID_INPUT, "/2", "must be a whole number"},
        {"[[0],[-1]]", ERROR_INVALID_INPUT, "/1/0", "must be a whole number"},
        {"[[0],[9007199254740993]]", ERROR_INVALID_INPUT, "/1/0",
         "must be at most 9007199254740992"},
        {"[[0],[true]]", ERROR_INVALID_INPUT, "/1/0", "must be a number"},
        {"[[0,1],[0,1,2]]", ERROR_INVALID_INPUT, "/1", "has 3 numbers, expected 2"},
        {"[[[0]]]", ERROR_INVALID_INPUT, "/0/0", "nested too deep"},
        {"[]", ERROR_INVALID_INPUT, "", "must not be empty"},
        {"[0,1,2,3]", ERROR_TOO_LARGE, "",
         "has 4 numbers, at most 3 are allowed (max_tokens)"},
        {"[[0],[0],[0]]", ERROR_TOO_LARGE, "",
         "has 3 rows, at most 2 are allowed (max_batch)"},
        {"[0,1", ERROR_INVALID_JSON, "", "the text ends"},
        {PACKED("i64", "2,1", "AAAAAAAAAAD//////////w=="), ERROR_INVALID_INPUT, "/1/0",
         "must be a whole number from 0 to 9007199254740991"},
        {PACKED("f32", "3,1", ""), ERROR_TOO_LARGE, "/shape/0", "max_batch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct positions p;
        open_document(&d, cases[i].text);
        ck_assert_msg(!positions_from_json(&d.reader, NULL, &limits, &p, &d.e), "%s",
                      cases[i].text);
        ck_assert_msg(d.e.code == cases[i].code, "%s: %s", cases[i].text, d.e.message);
        ck_assert_str_eq(d.e.path, cases[i].path);
        ck_assert_msg(strstr(d.e.message, cases[i].message) != NULL, "%s: %s",
                      cases[i].text, d.e.message);
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(with_little_memory_they_succeed_or_say_so)
{
    static const struct attention_limits limits = {.max_batch = 2, .max_tokens = 3};
    static const char *const texts[] = {"[1,2,3]", PACKED("bool", "3", "AQAB")};
    for (size_t n = 0; n < 4; n++) {
        size_t answered = 0;
        for (size_t limit = 0; limit < 2048; limit++) {
            struct document d;
            const size_t *number = NULL;
            size_t count = 0;
            struct positions p;
            open_with(&d, texts[n / 2], limit);
            bool good =
                n % 2 ? positions_from_json(&d.reader, NULL, &limits, &p, &d.e)
                      : wholes_from_json(&d.reader, NULL, &four, &number, &count, &d.e);
            ck_assert_int_eq(d.e.code, good ? ERROR_NONE : ERROR_OUT_OF_MEMORY);
            answered += good;
            arena_free(&d.arena);
        }
        ck_assert(answered > 0 && answered < 2048);
    }
}
END_TEST

TEST_PROGRAM("whole_json", with_little_memory_they_succeed_or_say_so,
             whole_numbers_come_as_an_array_or_packed,
             what_is_no_list_of_whole_numbers_is_refused_where_it_is,
             positions_have_one_axis_or_two,
             positions_that_are_wrong_are_refused_where_they_are)
