#include "codec/json_reader.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>

#include "support/test.h"

static bool check_text(const char *text, size_t length, struct error *e)
{
    struct arena arena;
    arena_init(&arena, 1 << 20, NULL);
    *e = (struct error){0};
    bool good = json_check(text, length, &arena, e);
    arena_free(&arena);
    return good;
}

START_TEST(json_is_accepted)
{
    const char *const texts[] = {
        "0",
        "-0",
        "-1.5e-7",
        "\"\"",
        "null",
        "true",
        " \t\r\n[ ] ",
        "{}",
        "{\"a\":{\"a\":1},\"b\":[1,[2],{}]}",
        "[1e400,-1E+400,1e-400]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uD834\\uDd1e\\uFFFF\"",
        "\"\x7F \xC2\x80 \xE0\xA0\x80 \xED\x9F\xBF \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF\"",
        "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
        "{\"\":0,\"\\u0061\":1,\"b\":2}",
        "\"a long string whose \\n escape is in the second group of eight bytes\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error e;
        ck_assert_msg(check_text(texts[i], strlen(texts[i]), &e), "%s: %s", texts[i],
                      e.message);
    }
}
END_TEST

/* Threats 51-59, 64. */
START_TEST(what_is_not_json_is_refused_with_its_place)
{
    const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 1, column 1 (byte 0): the text ends where a value should begin"},
        {" \n ", "line 2, column 2 (byte 3): the text ends where a value should begin"},
        {"[1,\n 2,\n\"\xC3\xA4\" 3]",
         "line 3, column 5 (byte 13): expected ',' or ']'"},
        {"[1,", "line 1, column 4 (byte 3): the text ends inside an array"},
        {"[{\"a\":[]", "line 1, column 9 (byte 8): the text ends inside an object"},
        {"[[{}", "line 1, column 5 (byte 4): the text ends inside an array"},
        {"{\"a\"", "line 1, column 5 (byte 4): the text ends inside an object"},
        {"\"abc", "line 1, column 5 (byte 4): the text ends inside a string"},
        {"\"\\u12", "line 1, column 6 (byte 5): the text ends inside a string"},
        {"\"\\uD800\\u", "line 1, column 10 (byte 9): the text ends inside a string"},
        {"\"\\", "line 1, column 3 (byte 2): the text ends inside a string"},
        {"\"\xE2\x82", "line 1, column 3 (byte 3): the text ends inside a string"},
        {"tru", "line 1, column 4 (byte 3): the text ends inside a word"},
        {"-", "line 1, column 2 (byte 1): the text ends inside a number"},
        {"1.", "line 1, column 3 (byte 2): the text ends inside a number"},
        {"1e+", "line 1, column 4 (byte 3): the text ends inside a number"},
        {"[1,]", "line 1, column 4 (byte 3): expected a value"},
        {"[,1]", "line 1, column 2 (byte 1): expected a value"},
        {"[1}", "line 1, column 3 (byte 2): expected ',' or ']'"},
        {"{\"a\":1]", "line 1, column 7 (byte 6): expected ',' or '}'"},
        {"{\"a\":1,}",
         "line 1, column 8 (byte 7): expected the name of a member in quotes"},
        {"{a:1}",
         "line 1, column 2 (byte 1): expected the name of a member in quotes, or '}'"},
        {"{\"a\" 1}", "line 1, column 6 (byte 5): expected ':'"},
        {"{\"a\":}", "line 1, column 6 (byte 5): expected a value"},
        {"1 2", "line 1, column 3 (byte 2): expected the end of the text"},
        {"01", "line 1, column 2 (byte 1): expected the end of the text"},
        {"[1.x]", "line 1, column 4 (byte 3): expected a digit"},
        {"-x", "line 1, column 2 (byte 1): expected a digit"},
        {"+1", "line 1, column 1 (byte 0): expected a value"},
        {".5", "line 1, column 1 (byte 0): expected a value"},
        {"[NaN]",
         "line 1, column 2 (byte 1): expected a value; JSON has no NaN or Infinity"},
        {"-Infinity", "line 1, column 2 (byte 1): expected a digit"},
        {"nul!", "line 1, column 4 (byte 3): expected true, false or null"},
        {"'a'", "line 1, column 1 (byte 0): expected a value"},
        {"\xEF\xBB\xBF{}",
         "line 1, column 1 (byte 0): a byte order mark is not allowed"},
        {"\"a\tb\"",
         "line 1, column 3 (byte 2): a control character in a string must be "
         "escaped"},
        {"\"\\x\"", "line 1, column 2 (byte 1): this is not an escape"},
        {"\"\\u12G4\"", "line 1, column 2 (byte 1): this is not an escape"},
        {"\"\\u12\"", "line 1, column 2 (byte 1): this is not an escape"},
        {"\"\\uDC00\"",
         "line 1, column 2 (byte 1): half of a surrogate pair stands alone"},
        {"\"\\uD800\"",
         "line 1, column 2 (byte 1): half of a surrogate pair stands alone"},
        {"\"\\uD800\\n\\n\\n\"",
         "line 1, column 2 (byte 1): half of a surrogate pair stands alone"},
        {"\"\\uD800\\uD800\"",
         "line 1, column 2 (byte 1): half of a surrogate pair stands alone"},
        {"\"\xC0\x80\"", "line 1, column 2 (byte 1): the text is not valid UTF-8"},
        {"\"\xE0\x9F\xBF\"", "line 1, column 2 (byte 1): the text is not valid UTF-8"},
        {"\"\xED\xA0\x80\"", "line 1, column 2 (byte 1): the text is not valid UTF-8"},
        {"\"\xF0\x8F\xBF\xBF\"",
         "line 1, column 2 (byte 1): the text is not valid UTF-8"},
        {"\"\xF4\x90\x80\x80\"",
         "line 1, column 2 (byte 1): the text is not valid UTF-8"},
        {"\"\xFF\"", "line 1, column 2 (byte 1): the text is not valid UTF-8"},
        {"\"\xE2\x28\xA1\"", "line 1, column 2 (byte 1): the text is not valid UTF-8"},
        {"[[[[[[[[[[[[[[[[[",
         "line 1, column 17 (byte 16): nested deeper than 16 levels (json_depth)"},
        {"[[[[[[[[[[[[[[[[{",
         "line 1, column 17 (byte 16): nested deeper than 16 levels (json_depth)"},
        {"{\"a\":1,\"b\":2,\"\\u0061\":3}",
         "line 1, column 14 (byte 13): the member \"a\" stands here twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e;
        ck_assert_msg(!check_text(cases[i].text, strlen(cases[i].text), &e),
                      "%s was accepted", cases[i].text);
        ck_assert_int_eq(e.code, ERROR_INVALID_JSON);
        ck_assert_str_eq(e.path, "");
        ck_assert_str_eq(e.message, cases[i].message);
    }
}
END_TEST

/* Threat 53. */
START_TEST(a_zero_byte_is_refused_everywhere)
{
    const char text[] = "{\"ab\" : [ 1.5e3 , true ] }";
    for (size_t i = 0; i < sizeof text; i++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        copy[i] = '\0';
        struct error e;
        ck_assert_msg(!check_text(copy, sizeof text, &e), "a zero at %zu", i);
        ck_assert_int_eq(e.code, ERROR_INVALID_JSON);
    }
}
END_TEST

START_TEST(a_long_name_is_clipped_between_characters)
{
    char text[512] = "{\"";
    for (int i = 0; i < 2; i++) {
        strcat(text, "ab"); /* so that 60 bytes end inside a character */
        for (int j = 0; j < 30; j++)
            strcat(text, "\xF0\x9F\x98\x80");
        strcat(text, i == 0 ? "a\":1,\"b\":2,\"" : "a\":1}");
    }
    struct error e;
    ck_assert(!check_text(text, strlen(text), &e));
    ck_assert_ptr_nonnull(strstr(e.message, "\x9F\x98\x80\" stands here twice"));
}
END_TEST

/* Threats 60, 68. */
START_TEST(the_limits_are_refused_only_beyond_them)
{
    char text[4096], number[1200];
    for (size_t members = 128; members <= 129; members++) {
        size_t length = (size_t)sprintf(text, "{");
        for (size_t i = 0; i < members; i++)
            length += (size_t)sprintf(text + length, "%s\"%zu\":0", i ? "," : "", i);
        text[length++] = '}';
        struct error e;
        ck_assert_int_eq(check_text(text, length, &e), members == 128);
        ck_assert(members == 128 || strstr(e.message, "more than 128 members"));
    }
    for (size_t digits = 1024; digits <= 1025; digits++) {
        memset(number, '7', digits);
        struct error e;
        ck_assert_int_eq(check_text(number, digits, &e), digits == 1024);
        ck_assert(digits == 1024 || strstr(e.message, "(byte 0): a number is longer"));
    }
}
END_TEST

/* Threat 60. */
START_TEST(a_name_is_refused_only_beyond_its_limit)
{
    const char *const parts[] = {"n", "\\n", "\\u00e9", "\xC3\xA9", "\\uD834\\uDD1E"};
    char text[1200];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t bytes = 1018; bytes < 1034; bytes++) {
            const size_t part = strlen(parts[i]), copies = bytes / part;
            size_t length = (size_t)sprintf(text, " {\"");
            for (size_t n = 0; n < bytes - copies * part; n++)
                text[length++] = '-';
            for (size_t n = 0; n < copies; n++, length += part)
                memcpy(text + length, parts[i], part);
            length += (size_t)sprintf(text + length, "\":1}");
            struct error e;
            bool fits = bytes <= JSON_MAX_NAME;
            ck_assert_msg(check_text(text, length, &e) == fits, "%zu: %s", bytes,
                          e.message);
            if (!fits)
                ck_assert_str_eq(e.message,
                                 "line 1, column 3 (byte 2): a name is longer "
                                 "than 1024 bytes");
        }
}
END_TEST

START_TEST(what_is_wrong_inside_a_name_is_found_before_its_length)
{
    const struct {
        const char *wrong, *message;
    } cases[] = {
        {"\\x", "(byte 4): this is not an escape"},
        {"\t", "(byte 4): a control character in a string must be escaped"},
        {"\xFF", "(byte 4): the text is not valid UTF-8"},
        {"\\uDC00", "(byte 4): half of a surrogate pair stands alone"},
    };
    char text[4096];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(text, 'n', sizeof text);
        memcpy(text, "{\"nn", 4);
        memcpy(text + 4, cases[i].wrong, strlen(cases[i].wrong));
        struct error e;
        ck_assert(!check_text(text, sizeof text, &e));
        ck_assert_msg(strstr(e.message, cases[i].message) != NULL, "%s", e.message);
    }
}
END_TEST

/* Threat 58. */
START_TEST(the_depth_is_what_the_caller_says)
{
    for (size_t depth = 1; depth <= JSON_MOST_DEPTH; depth++)
        for (size_t extra = 0; extra < 2; extra++) {
            char text[2 * JSON_MOST_DEPTH + 2];
            memset(text, '[', depth + extra);
            memset(text + depth + extra, ']', depth + extra);
            struct arena arena;
            struct json_reader r;
            struct error e = {0};
            arena_init(&arena, 1 << 16, NULL);
            json_reader_init(&r, text, 2 * (depth + extra), &arena);
            r.most_depth = depth;
            ck_assert_int_eq(json_reader_check(&r, &e), extra == 0);
            ck_assert(extra == 0 || strstr(e.message, " levels (json_depth)"));
            arena_free(&arena);
        }
}
END_TEST

/* Threat 52. */
START_TEST(every_truncation_is_refused)
{
    const char *const texts[] = {
        "{\"sequences\":[[1.5,-2e-3],[0,1]],\"causal\":true,\"id\":"
        "\"\\u00e4\xC3\xA4\"}",
        "[null,false,{\"a\":{\"b\":[[],{}]}},\"\\uD834\\uDD1E\"]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t length = 0; length < strlen(texts[i]); length++) {
            char *copy = malloc(length ? length : 1); /* so that ASan sees overreads */
            memcpy(copy, texts[i], length);
            struct error e;
            ck_assert_msg(!check_text(copy, length, &e), "cut at %zu", length);
            ck_assert_int_eq(e.code, ERROR_INVALID_JSON);
            ck_assert_msg(strstr(e.message, ": the text ends") != NULL, "%s",
                          e.message);
            free(copy);
        }
}
END_TEST

/* Threat 58. */
START_TEST(deep_nesting_does_not_recurse_deeply)
{
    const size_t length = 1000000;
    char *text = malloc(length);
    struct error e;
    memset(text, '[', length);
    ck_assert(!check_text(text, length, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "(byte 16): nested deeper"));
    free(text);
}
END_TEST

/* A reader over `text`, in an arena of `limit` bytes. */
static void open_reader(struct json_reader *r, struct arena *a, const char *text,
                        size_t limit)
{
    arena_init(a, limit, NULL);
    json_reader_init(r, text, strlen(text), a);
}

START_TEST(a_document_is_read_as_it_is_asked_for)
{
    const char *text =
        " { \"numbers\" : [1, -2.5e0,3e2] , \"t\\u0065xt\":\"a\\u20AC\\n\","
        "\"yes\":true,\"no\":false,\"none\":null,\"n\":4.0,\"d\":1e300} ";
    struct arena arena;
    struct json_reader r;
    struct json_members members;
    struct json_text name, value;
    struct error e = {0};
    bool found, flag;
    float x[4];
    size_t count = 0, n;
    double d;

    open_reader(&r, &arena, text, 1 << 16);
    ck_assert_int_eq(json_reader_peek(&r), JSON_KIND_OBJECT);
    ck_assert(json_reader_object(&r, NULL, &members, &e));
    ck_assert(json_reader_member(&r, &members, &name, &found, &e) && found);
    ck_assert(json_text_is(name, "numbers") && !json_text_is(name, "number"));
    ck_assert(json_reader_array(&r, NULL, &e));
    while (json_reader_element(&r, &count, &found, &e) && found)
        ck_assert(json_reader_float(&r, NULL, &x[count - 1], &e));
    ck_assert_uint_eq(count, 3);
    ck_assert(x[0] == 1 && x[1] == -2.5f && x[2] == 300);

    ck_assert(json_reader_member(&r, &members, &name, &found, &e) && found);
    ck_assert(json_text_is(name, "text"));
    ck_assert(json_reader_string(&r, NULL, &value, &e));
    ck_assert(json_text_is(value, "a\xE2\x82\xAC\n"));
    ck_assert(json_reader_member(&r, &members, &name, &found, &e) && found);
    ck_assert(json_reader_boolean(&r, NULL, &flag, &e) && flag);
    ck_assert(json_reader_member(&r, &members, &name, &found, &e) && found);
    ck_assert(json_reader_boolean(&r, NULL, &flag, &e) && !flag);
    ck_assert(json_reader_member(&r, &members, &name, &found, &e) && found);
    ck_assert(json_reader_null(&r, NULL, &e));
    ck_assert(json_reader_member(&r, &members, &name, &found, &e) && found);
    ck_assert(json_reader_size(&r, NULL, &n, &e) && n == 4);
    ck_assert(json_reader_member(&r, &members, &name, &found, &e) && found);
    ck_assert(json_reader_double(&r, NULL, &d, &e) && d == 1e300);
    ck_assert(json_reader_member(&r, &members, &name, &found, &e) && !found);
    ck_assert(json_reader_finish(&r, &e));
    ck_assert_int_eq(json_reader_peek(&r), JSON_KIND_END);
    arena_free(&arena);
}
END_TEST

START_TEST(another_kind_is_refused_where_it_stands)
{
    const struct {
        const char *text, *message;
        enum json_kind wanted;
    } cases[] = {
        {"\"1\"", "must be a number, not a string", JSON_KIND_NUMBER},
        {"[]", "must be an object, not an array", JSON_KIND_OBJECT},
        {"{}", "must be an array, not an object", JSON_KIND_ARRAY},
        {"null", "must be a string, not null", JSON_KIND_STRING},
        {"1", "must be a boolean, not a number", JSON_KIND_BOOLEAN},
        {"true", "must be null, not a boolean", JSON_KIND_NULL},
        {"1e39", "is outside the range of float32", JSON_KIND_NUMBER},
        {"-3.4028236e38", "is outside the range of float32", JSON_KIND_NUMBER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct json_reader r;
        struct json_members members;
        struct json_text text;
        struct error e = {0};
        bool flag, good = true;
        float x;
        const struct field *at = FIELD_AT(FIELD_NAME(NULL, "a"), 7);
        open_reader(&r, &arena, cases[i].text, 1 << 16);
        switch (cases[i].wanted) {
        case JSON_KIND_OBJECT: good = json_reader_object(&r, at, &members, &e); break;
        case JSON_KIND_ARRAY: good = json_reader_array(&r, at, &e); break;
        case JSON_KIND_STRING: good = json_reader_string(&r, at, &text, &e); break;
        case JSON_KIND_NUMBER: good = json_reader_float(&r, at, &x, &e); break;
        case JSON_KIND_BOOLEAN: good = json_reader_boolean(&r, at, &flag, &e); break;
        case JSON_KIND_NULL: good = json_reader_null(&r, at, &e); break;
        case JSON_KIND_END:
        case JSON_KIND_OTHER: break;
        }
        ck_assert(!good);
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(e.path, "/a/7");
        ck_assert_str_eq(e.message, cases[i].message);
        arena_free(&arena);
    }
}
END_TEST

START_TEST(every_kind_has_a_name)
{
    const struct {
        const char *text, *name;
    } cases[] = {
        {"", "nothing"},    {"{", "an object"}, {"[", "an array"}, {"\"", "a string"},
        {"-", "a number"},  {"0", "a number"},  {"9", "a number"}, {"t", "a boolean"},
        {"f", "a boolean"}, {"n", "null"},      {":", "no value"}, {"/", "no value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct json_reader r;
        open_reader(&r, &arena, cases[i].text, 0);
        ck_assert_str_eq(json_kind_name(json_reader_peek(&r)), cases[i].name);
    }
}
END_TEST

START_TEST(every_escape_is_what_it_means)
{
    const char *text =
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e4\\u20AC\\uD834\\uDD1E\\u0000\"";
    const char want[] = "\"\\/\b\f\n\r\tA\xC3\xA4\xE2\x82\xAC\xF0\x9D\x84\x9E";
    struct arena arena;
    struct json_reader r;
    struct json_text got;
    struct error e = {0};
    open_reader(&r, &arena, text, 1 << 16);
    ck_assert(json_reader_string(&r, NULL, &got, &e));
    ck_assert_uint_eq(got.length, sizeof want);
    ck_assert_mem_eq(got.bytes, want, sizeof want);
    ck_assert(json_reader_finish(&r, &e));
    arena_free(&arena);
}
END_TEST

/* Wherever in a long string it stands: what ends it, and what is wrong in it. Threats
 * 56, 57. */
START_TEST(a_long_string_is_looked_at_everywhere)
{
    static const struct {
        char c;
        const char *says; /* NULL: it is an ordinary character */
    } cases[] = {
        {'k', NULL},
        {0x7F, NULL},
        {0x20, NULL},
        {'\\', "this is not an escape"},
        {0x1F, "a control character in a string must be escaped"},
        {0x00, "a control character in a string must be escaped"},
        {(char)0x80, "the text is not valid UTF-8"},
        {(char)0xFF, "the text is not valid UTF-8"},
        {'"', "expected the end of the text"},
    };
    enum { LENGTH = 202 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t at = 1; at < LENGTH - 2; at++) {
            char text[LENGTH + 1], want[128] = "";
            memset(text, 'k', LENGTH);
            text[0] = text[LENGTH - 1] = '"';
            text[LENGTH] = '\0';
            text[at] = cases[i].c;
            if (cases[i].says) {
                const size_t wrong = at + (cases[i].c == '"');
                snprintf(want, sizeof want, "line 1, column %zu (byte %zu): %s",
                         wrong + 1, wrong, cases[i].says);
            }
            struct error e = {0};
            ck_assert_int_eq(check_text(text, LENGTH, &e), cases[i].says == NULL);
            ck_assert_str_eq(e.message, want);
        }
}
END_TEST

/* Threat 60. */
START_TEST(names_with_the_same_hash_are_still_different)
{
    const char *text =
        "{\"costarring\":1,\"liquid\":2,\"declinate\":3,\"macallums\":4}";
    struct error e;
    ck_assert_msg(check_text(text, strlen(text), &e), "%s", e.message);
}
END_TEST

START_TEST(a_size_is_a_whole_number_from_zero)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"17", 17},
        {"1e3", 1000},
        {"2.50e1", 25},
        {"9007199254740991", 9007199254740991},
        {"9007199254740992", JSON_SIZE_MOST},
        {"9007199254740993", JSON_SIZE_BEYOND},
        {"9223372036854775808", JSON_SIZE_BEYOND},
        {"18446744073709551616", JSON_SIZE_BEYOND},
        {"1e300", JSON_SIZE_BEYOND},
        {"1e400", JSON_SIZE_BEYOND},
        {"-1", JSON_NO_SIZE},
        {"1.5", JSON_NO_SIZE},
        {"2.00000000000000000001", JSON_NO_SIZE},
        {"1e-400", JSON_NO_SIZE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct json_reader r;
        struct error e = {0};
        size_t size = 0;
        open_reader(&r, &arena, cases[i].text, 0);
        ck_assert_msg(json_reader_size(&r, NULL, &size, &e), "%s", cases[i].text);
        ck_assert_msg(size == cases[i].size, "%s: %zu", cases[i].text, size);
        ck_assert(json_reader_finish(&r, &e));
    }
}
END_TEST

START_TEST(what_is_no_number_is_no_size)
{
    static const struct {
        const char *text;
        enum error_code code;
        const char *path;
    } cases[] = {
        {"true", ERROR_INVALID_INPUT, "/heads"},
        {"1.", ERROR_INVALID_JSON, ""},
        {"-", ERROR_INVALID_JSON, ""},
        {"", ERROR_INVALID_JSON, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct json_reader r;
        struct error e = {0};
        size_t size;
        open_reader(&r, &arena, cases[i].text, 0);
        ck_assert(!json_reader_size(&r, FIELD_NAME(NULL, "heads"), &size, &e));
        ck_assert_int_eq(e.code, cases[i].code);
        ck_assert_str_eq(e.path, cases[i].path);
    }
}
END_TEST

START_TEST(many_floats_stop_at_the_first_that_is_none)
{
    const char *text = "[1 , 2,3\n, 4,5,\"6\",7]";
    struct arena arena;
    struct json_reader r;
    struct error e = {0};
    bool found;
    size_t count = 0;
    float x[8];
    struct json_text six;
    open_reader(&r, &arena, text, 0);
    ck_assert(json_reader_array(&r, NULL, &e));
    ck_assert(json_reader_element(&r, &count, &found, &e) && found);
    ck_assert(json_reader_float(&r, NULL, x, &e));
    ck_assert_uint_eq(json_reader_more_floats(&r, x + 1, 2), 2);
    ck_assert_uint_eq(json_reader_more_floats(&r, x + 3, 5), 2);
    ck_assert_uint_eq(json_reader_more_floats(&r, x + 5, 3), 0);
    for (int i = 0; i < 5; i++)
        ck_assert(x[i] == (float)(i + 1));
    ck_assert(json_reader_element(&r, &count, &found, &e) && found);
    ck_assert(json_reader_string(&r, NULL, &six, &e) && json_text_is(six, "6"));
    ck_assert_uint_eq(json_reader_more_floats(&r, x, 8), 1);
    ck_assert(json_reader_element(&r, &count, &found, &e) && !found);
    ck_assert(json_reader_finish(&r, &e));
}
END_TEST

START_TEST(the_first_number_of_an_array_is_read_or_left)
{
    static const struct {
        const char *text;
        bool read;
    } cases[] = {{"[ 7 ,8]", true}, {"[-0.5]", true}, {"[ ]", false}, {"[[1]]", false},
                 {"[1e99]", false}, {"[01]", true},   {"[1", true},   {"[", false},
                 {"[true]", false}, {"[,1]", false},  {"[-]", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct json_reader r;
        struct error e = {0};
        float x;
        open_reader(&r, &arena, cases[i].text, 0);
        ck_assert(json_reader_array(&r, NULL, &e));
        ck_assert_msg(json_reader_first_float(&r, &x) == cases[i].read, "%s",
                      cases[i].text);
        if (!cases[i].read)
            ck_assert_ptr_eq(r.at, cases[i].text + 1);
    }
}
END_TEST

START_TEST(with_little_memory_it_succeeds_or_says_so)
{
    const char *text = "{\"\\u0061\":\"\\n\",\"\\u0062\":{\"\\u0063\":1}}";
    for (size_t limit = 0; limit < 64; limit++) {
        struct arena arena;
        struct error e = {0};
        arena_init(&arena, limit, NULL);
        if (!json_check(text, strlen(text), &arena, &e))
            ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
        else
            ck_assert_uint_ge(limit, 3); /* a byte for each of the three names */
        arena_free(&arena);
    }
}
END_TEST

static char *read_file(const char *folder, const char *name, size_t *length)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    char *text = malloc(1 << 20);
    *length = fread(text, 1, 1 << 20, file);
    fclose(file);
    return text;
}

/* Threats 51-59, 64. */
START_TEST(the_json_test_suite_is_judged_as_it_says)
{
    char folder[512];
    const char *shared = getenv("ATTENTIOND_SHARED");
    snprintf(folder, sizeof folder, "%s/corpora/json_test_suite",
             shared ? shared : "../shared");
    DIR *files = opendir(folder);
    if (!files) {
        printf("skipped: no %s\n", folder);
        return;
    }

    size_t seen = 0;
    for (struct dirent *file; (file = readdir(files));) {
        const char *name = file->d_name;
        if (!strstr(name, ".json"))
            continue;
        size_t length;
        char *text = read_file(folder, name, &length);
        struct error e;
        bool good = check_text(text, length, &e);
        bool twice = strstr(name, "object_duplicated_key") != NULL;
        ck_assert_msg(name[0] == 'i' || good == (name[0] == 'y' && !twice), "%s: %s",
                      name, good ? "accepted" : e.message);
        ck_assert(good || e.code == ERROR_INVALID_JSON);
        free(text);
        seen++;
    }
    closedir(files);
    ck_assert_uint_ge(seen, 300);
}
END_TEST

/* What jansson alone refuses: a zero character in a string, and numbers that no
 * double holds. */
static bool is_its_own_limit(const json_error_t *theirs)
{
    enum json_error_code code = json_error_code(theirs);
    return code == json_error_null_character || code == json_error_null_byte_in_key ||
           code == json_error_numeric_overflow;
}

/* Threats 53, 54, 56, 57. */
START_TEST(mutated_documents_are_judged_as_by_jansson)
{
    const char *const seeds[] = {
        "{\"sequences\":[[1.5,-2e-3],[0,1]],\"causal\":true,\"id\":"
        "\"\\u00e4\xC3\xA4\"}",
        "[null,false,{\"a\":{\"b\":[[],{}]}},\"\\uD834\\uDD1E \xF0\x9D\x84\x9E\"]",
        "{\"aa\":1,\"ab\":2,\"\\u0061c\":[1E5,0.25,-0,12345678901],\"b\\n\":\"\\/"
        "\\\\\"}",
    };
    const char alphabet[] = "{}[]\",:\\u0e1.-+tn \x80\xC3\xED\x01";
    struct test_random random = {2026};
    size_t accepted = 0;
    for (size_t round = 0; round < 20000; round++) {
        const char *seed = seeds[round % 3];
        size_t length = strlen(seed), flips = test_random_size(&random, 1, 3);
        char text[128];
        memcpy(text, seed, length);
        for (size_t i = 0; i < flips; i++) {
            size_t where = test_random_size(&random, 0, length - 1);
            unsigned bit = 1U << test_random_size(&random, 0, 7);
            if (round % 2)
                text[where] = (char)((unsigned char)text[where] ^ bit);
            else
                text[where] =
                    alphabet[test_random_size(&random, 0, sizeof alphabet - 2)];
        }

        struct error e;
        json_error_t theirs;
        json_t *tree =
            json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &theirs);
        bool good = check_text(text, length, &e);
        accepted += good;
        if (good != (tree != NULL))
            ck_assert_msg(good && is_its_own_limit(&theirs),
                          "%.*s: ours %s, jansson %s", (int)length, text,
                          good ? "accepts" : e.message, tree ? "accepts" : theirs.text);
        json_decref(tree);
    }
    ck_assert_uint_gt(accepted, 1000);
}
END_TEST

TEST_PROGRAM(
    "json_reader", json_is_accepted, what_is_not_json_is_refused_with_its_place,
    a_zero_byte_is_refused_everywhere, a_long_name_is_clipped_between_characters,
    the_limits_are_refused_only_beyond_them, a_name_is_refused_only_beyond_its_limit,
    what_is_wrong_inside_a_name_is_found_before_its_length,
    the_depth_is_what_the_caller_says, every_truncation_is_refused,
    deep_nesting_does_not_recurse_deeply, a_document_is_read_as_it_is_asked_for,
    another_kind_is_refused_where_it_stands, every_kind_has_a_name,
    every_escape_is_what_it_means, a_long_string_is_looked_at_everywhere,
    names_with_the_same_hash_are_still_different, a_size_is_a_whole_number_from_zero,
    what_is_no_number_is_no_size, many_floats_stop_at_the_first_that_is_none,
    the_first_number_of_an_array_is_read_or_left,
    with_little_memory_it_succeeds_or_says_so, the_json_test_suite_is_judged_as_it_says,
    mutated_documents_are_judged_as_by_jansson)
