#include "http/request_head.h"
#include <stdio.h>

#include "support/test.h"

#define HOST "Host: a\n"
#define POST HOST "Content-Length: 7\n"

/* Reads "Name: value" lines, which it changes: values are ended in place. */
static struct request_head head_of(char *lines)
{
    struct request_head head = {0};
    for (char *p = lines; *p;) {
        size_t length = strcspn(p, "\n"), name = strcspn(p, ":");
        size_t value = name + 1 + strspn(p + name + 1, " ");
        p[length] = '\0';
        request_head_add(&head, p, name, length > value ? p + value : NULL);
        p += length + 1;
    }
    return head;
}

START_TEST(a_body_ends_where_the_head_says)
{
    static const struct {
        const char *lines;
        enum body_kind kind;
        uint64_t length;
    } cases[] = {
        {HOST, BODY_NONE, 0},
        {POST, BODY_OF_LENGTH, 7},
        {HOST "content-length: 007\n", BODY_OF_LENGTH, 7},
        {HOST "Content-Length: 0\n", BODY_OF_LENGTH, 0},
        {HOST "Content-Length: 9223372036854775807\n", BODY_OF_LENGTH, INT64_MAX},
        {HOST "Transfer-Encoding: chunked\n", BODY_CHUNKED, 0},
        {HOST "TRANSFER-ENCODING: Chunked\n", BODY_CHUNKED, 0},
        {"", BODY_NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text - 1, "%s", cases[i].lines);
        text[strlen(text) + 1] = '\0';
        struct request_head head = head_of(text);
        uint64_t length;
        ck_assert_int_eq(request_head_framing(&head, &length), cases[i].kind);
        ck_assert_uint_eq(length, cases[i].length);
    }
}
END_TEST

START_TEST(fields_are_found_by_name_in_any_case)
{
    char lines[] = "accept: a\nACCEPT: b\nExpect: 100-continue\nX-REQUEST-ID: i\n"
                   "TraceParent: t\ncontent-type: c\nContent-Encoding: e\nX-Other: o\n"
                   "Accept:\n";
    struct request_head head = head_of(lines);
    ck_assert_uint_eq(head.accept_count, 3);
    ck_assert_str_eq(head.accepts[1], "b");
    ck_assert_str_eq(head.accepts[2], "");
    ck_assert_str_eq(head.expect, "100-continue");
    ck_assert_str_eq(head.request_id, "i");
    ck_assert_str_eq(head.traceparent, "t");
    ck_assert_str_eq(head.content_type, "c");
    ck_assert_str_eq(head.content_encoding, "e");
}
END_TEST

START_TEST(blanks_behind_a_value_are_no_part_of_it)
{
    ck_assert(request_head_is("identity", "identity"));
    ck_assert(request_head_is("Identity \t ", "identity"));
    ck_assert(!request_head_is("identity x", "identity"));
    ck_assert(!request_head_is("identit", "identity"));
    ck_assert(!request_head_is("identityx", "identity"));
    ck_assert(!request_head_is("", "identity"));
}
END_TEST

TEST_PROGRAM("request_head", a_body_ends_where_the_head_says,
             fields_are_found_by_name_in_any_case,
             blanks_behind_a_value_are_no_part_of_it)
