#include "codec/json_escape.h"

#include <jansson.h>

#include "support/test.h"

static const struct {
    const char *text, *string;
} cases[] = {
    {"", "\"\""},
    {"plain 1 / \xC3\xA4", "\"plain 1 / \xC3\xA4\""},
    {"a\"b\\c", "\"a\\\"b\\\\c\""},
    {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
    {"\x01\x1B[2J\x1F", "\"\\u0001\\u001b[2J\\u001f\""},
};

START_TEST(only_what_must_be_is_escaped)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json_text text = {cases[i].text, strlen(cases[i].text)};
        char out[64] = "";
        size_t length = (size_t)(json_escape_write(text, out) - out);
        out[length] = '\0';
        ck_assert_pstr_eq(out, cases[i].string);
        ck_assert_uint_eq(length, json_escape_length(text));
    }
}
END_TEST

START_TEST(every_byte_of_ascii_comes_back_from_jansson)
{
    char ascii[128], out[800];
    for (size_t i = 0; i < sizeof ascii; i++)
        ascii[i] = (char)i;
    const struct json_text text = {ascii, sizeof ascii};
    size_t length = (size_t)(json_escape_write(text, out) - out);
    ck_assert_uint_eq(length, json_escape_length(text));

    json_t *json = json_loadb(out, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert_uint_eq(json_string_length(json), sizeof ascii);
    ck_assert_mem_eq(json_string_value(json), ascii, sizeof ascii);
    json_decref(json);
}
END_TEST

TEST_PROGRAM("json_escape", only_what_must_be_is_escaped,
             every_byte_of_ascii_comes_back_from_jansson)
