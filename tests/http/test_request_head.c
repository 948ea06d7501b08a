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
        request_head_add(&head, p, name, p + value, length - value);
        p += length + 1;
    }
    return head;
}

/* `framed` with what `lines` say. */
static bool frame(const char *lines, bool http_1_0, enum body_kind *kind,
                  uint64_t *length, struct error *e)
{
    char text[256];
    snprintf(text, sizeof text - 1, "%s", lines);
    text[strlen(text) + 1] = '\0';
    struct request_head head = head_of(text);
    return request_head_framing(&head, http_1_0, kind, length, e);
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
        {HOST "Content-Length: 18446744073709551615\n", BODY_OF_LENGTH, UINT64_MAX},
        {HOST "Transfer-Encoding: chunked\n", BODY_CHUNKED, 0},
        {HOST "TRANSFER-ENCODING: Chunked\n", BODY_CHUNKED, 0},
        {"Host: [::1]:8080\n", BODY_NONE, 0},
        {"Host:\n", BODY_NONE, 0},
        {"", BODY_NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum body_kind kind;
        uint64_t length;
        struct error e = {0};
        ck_assert_msg(frame(cases[i].lines, false, &kind, &length, &e), "%s: %s",
                      cases[i].lines, e.message);
        ck_assert_int_eq(kind, cases[i].kind);
        ck_assert_uint_eq(length, cases[i].length);
    }
}
END_TEST

START_TEST(what_can_be_read_in_two_ways_is_refused)
{
    static const struct {
        const char *lines;
        enum error_code code;
    } cases[] = {
        {POST "Transfer-Encoding: chunked\n", ERROR_BAD_REQUEST},
        {POST "Content-Length: 7\n", ERROR_BAD_REQUEST},
        {POST "Content-Length: 3\n", ERROR_BAD_REQUEST},
        {HOST "Content-Length: 7, 7\n", ERROR_BAD_REQUEST},
        {HOST "Content-Length: +7\n", ERROR_BAD_REQUEST},
        {HOST "Content-Length: -1\n", ERROR_BAD_REQUEST},
        {HOST "Content-Length: 0x7\n", ERROR_BAD_REQUEST},
        {HOST "Content-Length:\n", ERROR_BAD_REQUEST},
        {HOST "Content-Length: 18446744073709551616\n", ERROR_TOO_LARGE},
        {HOST "Transfer-Encoding: identity\n", ERROR_NOT_IMPLEMENTED},
        {HOST "Transfer-Encoding: gzip\n", ERROR_NOT_IMPLEMENTED},
        {HOST "Transfer-Encoding: xchunked\n", ERROR_NOT_IMPLEMENTED},
        {HOST "Transfer-Encoding: gzip, chunked\n", ERROR_NOT_IMPLEMENTED},
        {HOST "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
         ERROR_BAD_REQUEST},
        {HOST "Transfer-Encoding: \tchunked\n", ERROR_BAD_REQUEST},
        {HOST "Transfer-Encoding: \vchunked\n", ERROR_BAD_REQUEST},
        {HOST "Transfer-Encoding: \fchunked\n", ERROR_BAD_REQUEST},
        {HOST "Transfer-Encoding: \240chunked\n", ERROR_BAD_REQUEST},
        {HOST "Transfer-Encoding: \"chunked\"\n", ERROR_BAD_REQUEST},
        {HOST "Transfer-Encoding: chunked,\n", ERROR_BAD_REQUEST},
        {HOST "Transfer-Encoding: ,chunked\n", ERROR_BAD_REQUEST},
        {HOST "Transfer-Encoding:\n", ERROR_BAD_REQUEST},
        {HOST HOST, ERROR_BAD_REQUEST},
        {"Host: a b\n", ERROR_BAD_REQUEST},
        {"Host: a%00\n", ERROR_BAD_REQUEST},
        {HOST "Content Length: 7\n", ERROR_BAD_REQUEST},
        {HOST "X\001: 7\n", ERROR_BAD_REQUEST},
        {HOST ": 7\n", ERROR_BAD_REQUEST},
        {HOST "X: a\rb\n", ERROR_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum body_kind kind;
        uint64_t length;
        struct error e = {0};
        ck_assert_msg(!frame(cases[i].lines, false, &kind, &length, &e), "%s",
                      cases[i].lines);
        ck_assert_msg(e.code == cases[i].code, "%s: %s", cases[i].lines, e.message);
    }
}
END_TEST

START_TEST(http_1_0_knows_no_chunks)
{
    enum body_kind kind;
    uint64_t length;
    struct error e = {0};
    ck_assert(!frame(HOST "Transfer-Encoding: chunked\n", true, &kind, &length, &e));
    ck_assert_int_eq(e.code, ERROR_BAD_REQUEST);
}
END_TEST

START_TEST(fields_are_found_by_name_in_any_case)
{
    char lines[] = "accept: a\nACCEPT: b\nExpect: 100-continue\nX-REQUEST-ID: i\n"
                   "TraceParent: t\ncontent-type: c\nContent-Encoding: e\nX-Other: o\n";
    struct request_head head = head_of(lines);
    ck_assert_uint_eq(head.fields, 8);
    ck_assert_uint_eq(head.accept_count, 2);
    ck_assert_str_eq(head.accepts[1], "b");
    ck_assert_str_eq(head.expect, "100-continue");
    ck_assert_str_eq(head.request_id, "i");
    ck_assert_str_eq(head.traceparent, "t");
    ck_assert_str_eq(head.content_type, "c");
    ck_assert_str_eq(head.content_encoding, "e");
    ck_assert(!head.malformed);
}
END_TEST

TEST_PROGRAM("request_head", a_body_ends_where_the_head_says,
             what_can_be_read_in_two_ways_is_refused, http_1_0_knows_no_chunks,
             fields_are_found_by_name_in_any_case)
