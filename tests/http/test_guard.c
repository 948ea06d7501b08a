#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/guard_check.h"
#include "http/guard_state.h"
#include "support/test.h"

#define GET   "GET /livez HTTP/1.1\r\n"
#define HOST  "Host: a\r\n"
#define POST  "POST /v1/attention HTTP/1.1\r\n" HOST
#define CHUNK POST "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT  "GET /next HTTP/1.1\r\n" HOST "\r\n"
#define CODED "Transfer-Encoding: "

enum { LIMIT = 16 * 1024 };

struct text {
    const char *bytes;
    size_t length;
};
#define TEXT(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }

/* What may pass, and what comes out of it. */
static const struct {
    struct text in, out;
    uint64_t messages;
} sound[] = {
    {TEXT(GET HOST "\r\n"), TEXT(GET HOST "\r\n"), 1},
    {TEXT("GET / HTTP/1.0\r\n\r\n"), TEXT("GET / HTTP/1.0\r\n\r\n"), 1},
    {TEXT("GET / HTTP/1.2\r\n" HOST "\r\n"), TEXT("GET / HTTP/1.2\r\n" HOST "\r\n"), 1},
    {TEXT("\r\n\r\n" GET HOST "\r\n"), TEXT("\r\n\r\n" GET HOST "\r\n"), 1},
    {TEXT(GET "Host:\r\n\r\n"), TEXT(GET "Host:\r\n\r\n"), 1},
    {TEXT(GET "hOST: \t[::1]:8080\r\n\r\n"), TEXT(GET "hOST: \t[::1]:8080\r\n\r\n"), 1},
    {TEXT(GET HOST "X: \t a\"\t\xff \r\nY:\r\n\r\n"),
     TEXT(GET HOST "X: \t a\"\t\xff \r\nY:\r\n\r\n"), 1},
    {TEXT(GET HOST "X-\xef: 1\r\n\r\n"), TEXT(GET HOST "X-\xef: 1\r\n\r\n"), 1},
    {TEXT(GET HOST "Cookie: a=b\r\nCOOKIE2: c\r\nCook: d\r\nX-Cookie: e\r\n\r\n"),
     TEXT(GET HOST "Cooki_: a=b\r\nCOOKI_2: c\r\nCook: d\r\nX-Cookie: e\r\n\r\n"), 1},
    {TEXT(POST "Content-Length: 007\r\n\r\n{\"a\":1}" NEXT),
     TEXT(POST "Content-Length: 007\r\n\r\n{\"a\":1}" NEXT), 2},
    {TEXT(POST "Content-Length:\t7 \t\r\nX: y\r\n\r\n\0\n\r {}\xff" NEXT),
     TEXT(POST "Content-Length:\t7\r\nX: y\r\n\r\n\0\n\r {}\xff" NEXT), 2},
    {TEXT(POST "Content-Length: 0\r\n\r\n" NEXT),
     TEXT(POST "Content-Length: 0\r\n\r\n" NEXT), 2},
    {TEXT(CHUNK "7\r\n{\"a\":1}\r\n0\r\n\r\n" NEXT),
     TEXT(CHUNK "7\r\n{\"a\":1}\r\n0\r\n\r\n" NEXT), 2},
    {TEXT(POST CODED "CHUNKED\r\n\r\n0\r\n\r\n"),
     TEXT(POST CODED "CHUNKED\r\n\r\n0\r\n\r\n"), 1},
    {TEXT(CHUNK "0007;a=b;c=\"d\"\r\n{\"a\":1}\r\n1;\r\n \r\n00;x\r\n\r\n" NEXT),
     TEXT(CHUNK "7\r\n{\"a\":1}\r\n1\r\n \r\n0\r\n\r\n" NEXT), 2},
    {TEXT(CHUNK "1A\r\n12345678901234567890123456\r\n0\r\n"
                "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                "Authorization: Bearer x\r\nHost: b c\r\n\r\n" NEXT),
     TEXT(CHUNK "1a\r\n12345678901234567890123456\r\n0\r\n\r\n" NEXT), 2},
};

/* threats 22, 30 */
START_TEST(what_is_sound_passes_wherever_it_is_cut)
{
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        for (size_t cut = 0; cut <= sound[i].in.length; cut++)
            for (size_t room = 1; room < 2048; room = room * 2 + 3) {
                struct guard g;
                guard_init(&g, LIMIT);
                struct guard_source s = {sound[i].in.bytes, sound[i].in.length, 0, 0,
                                         cut};
                char out[1024];
                size_t came = guard_drink(&g, &s, room, out);
                ck_assert_msg(!guard_is_shut(&g), "%s", sound[i].in.bytes);
                ck_assert_uint_eq(g.messages, sound[i].messages);
                ck_assert_uint_eq(came, sound[i].out.length);
                ck_assert_mem_eq(out, sound[i].out.bytes, came);
            }
}
END_TEST

static const struct {
    struct text in;
    enum guard_reason why;
} unsound[] = {
    /* The request line. */
    {TEXT("\x16\x03\x01\x02\x01"), GUARD_LINE},
    {TEXT(" GET / HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("\nGET / HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("\rGET / HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"), GUARD_LINE},
    {TEXT("G(T / HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("GET\t/ HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("GET\r\n"), GUARD_LINE},
    {TEXT("GET  / HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("GET /\t HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("GET /\0 HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("GET /\x7f HTTP/1.1\r\n"), GUARD_LINE},
    {TEXT("GET /v\r\n\r\n"), GUARD_LINE},
    {TEXT("GET /v \r\n\r\n"), GUARD_LINE},
    {TEXT("GET / http/1.1\r\n"), GUARD_LINE},
    {TEXT("GET / HTTP/1.1 \r\n"), GUARD_LINE},
    {TEXT("GET / HTTP/1.1\n"), GUARD_LINE},
    {TEXT("GET / HTTP/1.1\r\r\n"), GUARD_LINE},
    {TEXT("GET / HTTP/1.\r\n"), GUARD_LINE},
    {TEXT("GET / HTTP/1.10\r\n"), GUARD_LINE},
    {TEXT("GET / HTTP/x\r\n"), GUARD_LINE},
    {TEXT("GET / HTTP/2.0\r\n"), GUARD_VERSION},
    {TEXT("GET / HTTP/0.9\r\n"), GUARD_VERSION},
    {TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), GUARD_VERSION},
    /* Fields. */
    {TEXT(GET " Host: a\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X: a\r\n b\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X: a\r\n\tb\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST ": a\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "A b: c\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "A : c\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "A\x01: c\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "A\0: c\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "Foo bar\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "Foo\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "Foo\xa0: 1\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X\xef: 1\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "Content-Length\xa0: 1\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X: a\rb\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X: a\nb\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X: a\0b\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X: a\x7f\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X: a\r\n\rY: b\r\n\r\n"), GUARD_FIELD},
    {TEXT(GET HOST "X: a\r\n\n"), GUARD_FIELD},
    /* Host. */
    {TEXT(GET "\r\n"), GUARD_HOST},
    {TEXT(GET "X: y\r\n\r\n"), GUARD_HOST},
    {TEXT(GET HOST "host: b\r\n\r\n"), GUARD_HOST},
    {TEXT(GET HOST HOST "\r\n"), GUARD_HOST},
    {TEXT(GET "Host: a b\r\n\r\n"), GUARD_HOST},
    {TEXT(GET "Host: a \r\n\r\n"), GUARD_HOST},
    {TEXT(GET "Host: a%00\r\n\r\n"), GUARD_HOST},
    {TEXT(GET "Host: a\0\r\n\r\n"), GUARD_HOST},
    {TEXT(GET "Host: a/b\r\n\r\n"), GUARD_HOST},
    {TEXT("GET / HTTP/1.0\r\n" HOST HOST "\r\n"), GUARD_HOST},
    /* Content-Length. */
    {TEXT(POST "Content-Length: 7\r\nContent-Length: 7\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 7\r\ncontent-length: 3\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 0\r\nContent-Length: 7\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 7, 7\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 7 7\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: +7\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: -1\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 0x7\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 7Z\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: \"7\"\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 7\0\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 7\v\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length:\r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: \r\n\r\n"), GUARD_LENGTH},
    {TEXT(POST "Content-Length: 9223372036854775808\r\n\r\n"), GUARD_LENGTH_RANGE},
    {TEXT(POST "Content-Length: 18446744073709551615\r\n\r\n"), GUARD_LENGTH_RANGE},
    {TEXT(POST "Content-Length: 18446744073709551616\r\n\r\n"), GUARD_LENGTH_RANGE},
    /* Transfer-Encoding. */
    {TEXT(POST "Content-Length: 7\r\n" CODED "chunked\r\n\r\n"), GUARD_CODING_LENGTH},
    {TEXT(POST CODED "chunked\r\nContent-Length: 7\r\n\r\n"), GUARD_CODING_LENGTH},
    {TEXT(POST CODED "chunked\r\n" CODED "chunked\r\n\r\n"), GUARD_CODING},
    {TEXT("POST / HTTP/1.0\r\n" CODED "chunked\r\n\r\n"), GUARD_CODING_1_0},
    {TEXT(POST CODED "identity\r\n\r\n"), GUARD_CODING_OTHER},
    {TEXT(POST CODED "gzip\r\n\r\n"), GUARD_CODING_OTHER},
    {TEXT(POST CODED "gzip, chunked\r\n\r\n"), GUARD_CODING_OTHER},
    {TEXT(POST CODED "gzip ,chunked \r\n\r\n"), GUARD_CODING_OTHER},
    {TEXT(POST CODED "xchunked\r\n\r\n"), GUARD_CODING_OTHER},
    {TEXT(POST CODED "chunkedx\r\n\r\n"), GUARD_CODING_OTHER},
    {TEXT(POST CODED "chun\r\n\r\n"), GUARD_CODING_OTHER},
    {TEXT(POST CODED "chunk, ed\r\n\r\n"), GUARD_CODING_OTHER},
    {TEXT(POST CODED "chunked, chunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "chunked,\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "chunked \r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "chunked\t\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "chunked;q=1\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED ",chunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "gzip,,chunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "gzip, \r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "gzip chunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "gzip\t\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "\tchunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "\vchunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "\fchunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "\0chunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "chunked\0\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "chun\0ked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "\240chunked\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "\"chunked\"\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "\r\n\r\n"), GUARD_CODING},
    {TEXT(POST CODED "chunked\r \r\n\r\n"), GUARD_FIELD},
    {TEXT(POST "Transfer-Encoding : chunked\r\n\r\n"), GUARD_FIELD},
    /* Chunks. */
    {TEXT(CHUNK "+7\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "0x7\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK " 7\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "7 \r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "\r\n\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK ";a\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "7\n{\"a\":1}\n0\n\n"), GUARD_CHUNK},
    {TEXT(CHUNK "7\r{\"a\":1}"), GUARD_CHUNK},
    {TEXT(CHUNK "7;a\rb\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "7;a\nb\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "7;a\0b\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "5\r\n{\"a\":1}\r\n0\r\n\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "7\r\n{\"a\":1}\n0\r\n\r\n"), GUARD_CHUNK},
    {TEXT(CHUNK "7\r\n{\"a\":1}\rx"), GUARD_CHUNK},
    {TEXT(CHUNK "8000000000000000\r\n"), GUARD_CHUNK_RANGE},
    {TEXT(CHUNK "ffffffffffffffff\r\n"), GUARD_CHUNK_RANGE},
    {TEXT(CHUNK "10000000000000000\r\n"), GUARD_CHUNK_RANGE},
    {TEXT(CHUNK "00000000000000007\r\n"), GUARD_CHUNK_RANGE},
    {TEXT(CHUNK "0\r\nX: a\0\r\n\r\n"), GUARD_FIELD},
    {TEXT(CHUNK "0\r\nX y\r\n\r\n"), GUARD_FIELD},
    {TEXT(CHUNK "0\r\nGET / HTTP/1.1\r\n\r\n"), GUARD_FIELD},
    {TEXT(CHUNK "0\r\n\rX"), GUARD_FIELD},
    /* What is left behind a body is the next message. */
    {TEXT(POST "Content-Length: 3\r\n\r\n{\"a\":1}"), GUARD_LINE},
};

/* threats 1-6, 8-12, 16-18, 26-29, 31-33, 50 */
START_TEST(what_is_unsound_is_refused_wherever_it_is_cut)
{
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
        char two[512];
        size_t length = unsound[i].in.length;
        memcpy(two, NEXT, sizeof NEXT - 1);
        memcpy(two + sizeof NEXT - 1, unsound[i].in.bytes, length);
        memcpy(two + sizeof NEXT - 1 + length, NEXT, sizeof NEXT - 1);
        length += 2 * sizeof NEXT - 2; /* a good one before it, and one behind */
        struct guard g;
        guard_init(&g, LIMIT);
        struct guard_source s = {two, length, 0, 0, 0};
        char out[1024];
        guard_drink(&g, &s, sizeof out, out);
        ck_assert_msg(g.reason == unsound[i].why, "%zu: %s: %d", i, two, g.reason);

        for (size_t cut = 0; cut <= length; cut++)
            guard_check(two, length, LIMIT, 0, cut, 4096);
        for (size_t room = 1; room < 64; room++)
            guard_check(two, length, LIMIT, 1 + room % 3, 0, room);
    }
}
END_TEST

static enum guard_reason reason_of(const char *text, size_t limit)
{
    for (size_t piece = 0; piece < 8; piece += 7)
        guard_check(text, strlen(text), limit, piece, 0, 512);
    struct guard g;
    guard_init(&g, limit);
    struct guard_source s = {text, strlen(text), 0, 0, 0};
    char *out = malloc(strlen(text) + 256);
    guard_drink(&g, &s, 4096, out);
    free(out);
    return g.reason;
}

static char long_text[64 * 1024];

static const char *long_target(size_t bytes)
{
    sprintf(long_text, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", (int)bytes - 1, 0);
    return long_text;
}

static const char *many_parameters(size_t count)
{
    strcpy(long_text, "GET /?");
    while (count-- > 0)
        strcat(long_text, count > 0 ? "a&" : "a");
    return strcat(long_text, " HTTP/1.1\r\n" HOST "\r\n");
}

static const char *long_head(size_t bytes)
{
    int rest = (int)(bytes - strlen(GET HOST "X: \r\n\r\n"));
    sprintf(long_text, GET HOST "X: %0*d\r\n\r\n", rest, 0);
    return long_text;
}

static const char *many_fields(const char *before, size_t count)
{
    strcpy(long_text, before);
    while (count-- > 0)
        strcat(long_text, "X:\r\n");
    return strcat(long_text, "\r\n");
}

static const char *long_trailer(size_t bytes)
{
    sprintf(long_text, CHUNK "0\r\nX:%0*d\r\n\r\n", (int)bytes - 6, 0);
    return long_text;
}

static const char *long_extensions(size_t bytes)
{
    sprintf(long_text, CHUNK "1;%0*d\r\na\r\n1;%0*d\r\na\r\n0\r\n\r\n", (int)bytes / 2,
            0, (int)(bytes - bytes / 2), 0);
    return long_text;
}

/* threats 20, 34, 35 */
START_TEST(limits_are_exact)
{
    ck_assert_int_eq(reason_of(long_target(8192), LIMIT), GUARD_NONE);
    ck_assert_int_eq(reason_of(long_target(8193), LIMIT), GUARD_TARGET);
    ck_assert_int_eq(reason_of(many_parameters(32), LIMIT), GUARD_NONE);
    ck_assert_int_eq(reason_of(many_parameters(33), LIMIT), GUARD_PARAMETERS);
    ck_assert_int_eq(reason_of(long_head(1024), 1024), GUARD_NONE);
    ck_assert_int_eq(reason_of(long_head(1025), 1024), GUARD_HEAD_BYTES);
    ck_assert_int_eq(reason_of(long_head(1026), 1024), GUARD_HEAD_BYTES);
    ck_assert_int_eq(reason_of(many_fields(GET HOST, 63), LIMIT), GUARD_NONE);
    ck_assert_int_eq(reason_of(many_fields(GET HOST, 64), LIMIT), GUARD_HEAD_FIELDS);
    ck_assert_int_eq(reason_of(many_fields(CHUNK "0\r\n", 64), LIMIT), GUARD_NONE);
    ck_assert_int_eq(reason_of(many_fields(CHUNK "0\r\n", 65), LIMIT),
                     GUARD_HEAD_FIELDS);
    ck_assert_int_eq(reason_of(long_trailer(1024), 1024), GUARD_NONE);
    ck_assert_int_eq(reason_of(long_trailer(1025), 1024), GUARD_HEAD_BYTES);
    ck_assert_int_eq(reason_of(long_extensions(4096), LIMIT), GUARD_NONE);
    ck_assert_int_eq(reason_of(long_extensions(4097), LIMIT), GUARD_EXTENSIONS);
    ck_assert_int_eq(reason_of(CHUNK "7ffffffffffffff\r\n", LIMIT), GUARD_NONE);
    ck_assert_int_eq(
        reason_of(POST "Content-Length: 9223372036854775807\r\n\r\n", LIMIT),
        GUARD_NONE);
}
END_TEST

/* threat 24 */
START_TEST(a_thousand_messages_are_counted)
{
    struct guard g;
    guard_init(&g, LIMIT);
    char out[256];
    for (size_t i = 0; i < 1000; i++) {
        struct guard_source s = {NEXT, sizeof NEXT - 1, 0, 0, 0};
        ck_assert_uint_eq(g.messages, i);
        ck_assert(!guard_has_seen(&g, i));
        ck_assert_uint_eq(guard_drink(&g, &s, sizeof out, out), sizeof NEXT - 1);
        ck_assert(guard_has_seen(&g, i));
    }
}
END_TEST

/* threat 25 */
START_TEST(a_refusal_is_of_one_message_and_says_why)
{
    static const struct {
        const char *text;
        unsigned status;
        enum error_code code;
        const char *says;
    } cases[] = {
        {NEXT "x", 0, ERROR_NONE, ""},
        {NEXT "\n", 0, ERROR_BAD_REQUEST, "the request line is malformed"},
        {NEXT "GET / HTTP/3", 505, ERROR_BAD_REQUEST, "HTTP/1.1"},
        {NEXT POST CODED "x\r\n", 0, ERROR_NOT_IMPLEMENTED, "chunked"},
        {NEXT POST "Content-Length: 99999999999999999999", 0, ERROR_TOO_LARGE,
         "63 bits"},
        {NEXT CHUNK "x", 0, ERROR_BAD_REQUEST, "chunked coding"},
        {NULL, 431, ERROR_TOO_LARGE,
         "the head is too long: at most 1024 bytes (header_limit) are allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g;
        guard_init(&g, 1024);
        const char *text = cases[i].text ? cases[i].text : long_head(2000);
        uint64_t n = cases[i].text ? 1 : 0;
        struct guard_source s = {text, strlen(text), 0, 0, 0};
        char out[4096];
        guard_drink(&g, &s, sizeof out, out);
        unsigned status = 1;
        struct error e = {0};
        error_set(&e, ERROR_NOT_FOUND, "", "found earlier, but later in line");
        ck_assert(!guard_refuses(&g, n + 1, &status, &e));
        ck_assert_uint_eq(status, 1);
        if (cases[i].code == ERROR_NONE) {
            ck_assert(!guard_refuses(&g, n, &status, &e));
            continue;
        }
        ck_assert(guard_refuses(&g, n, &status, &e));
        ck_assert_uint_eq(status, cases[i].status);
        ck_assert_int_eq(e.code, cases[i].code);
        ck_assert_msg(strstr(e.message, cases[i].says) != NULL, "%s", e.message);
    }
}
END_TEST

static ssize_t ends(void *context, void *buffer, size_t size)
{
    (void)context, (void)buffer, (void)size;
    return 0;
}

START_TEST(nothing_is_read_behind_a_refusal)
{
    struct guard g;
    guard_init(&g, LIMIT);
    struct guard_source s = {"\n" NEXT, sizeof NEXT, 0, 1, 0};
    char out[256];
    guard_drink(&g, &s, sizeof out, out);
    ck_assert_uint_eq(s.at, 1);
    ck_assert_int_eq(guarded_read(&g, guard_source_read, &s, out, sizeof out),
                     GUARDED_NOTHING);
    ck_assert_uint_eq(s.at, 1);

    guard_init(&g, LIMIT);
    ck_assert_int_eq(guarded_read(&g, ends, NULL, out, sizeof out), 0);
}
END_TEST

START_TEST(a_descriptor_has_a_guard_or_none)
{
    struct guard g;
    guard_init(&g, LIMIT);
    ck_assert_ptr_null(guarded_read_guard(-1));
    ck_assert_ptr_null(guarded_read_guard(1 << 20));
    ck_assert(!guarded_read_begin(1 << 20, &g));
    ck_assert(guarded_read_begin(7, &g));
    ck_assert_ptr_eq(guarded_read_guard(7), &g);
    guarded_read_end(7);
    ck_assert_ptr_null(guarded_read_guard(7));
}
END_TEST

START_TEST(what_is_received_goes_through_the_guard)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    struct guard g;
    guard_init(&g, LIMIT);
    ck_assert(guarded_read_begin(ends[0], &g));

    char seen[64];
    ck_assert_int_eq(send(ends[1], CHUNK, sizeof CHUNK - 1, 0), sizeof CHUNK - 1);
    ck_assert_int_eq(recv(ends[0], seen, 9, MSG_PEEK), 9);
    ck_assert_uint_eq(g.state, GUARD_START);
    ck_assert_int_eq(recv(ends[0], seen, 9, 0), 9);
    ck_assert_uint_eq(g.state, GUARD_IN_TARGET);
    while (recv(ends[0], seen, sizeof seen, 0) > 0) {
    }
    ck_assert_int_eq(errno, EAGAIN);

    ck_assert_int_eq(send(ends[1], "1", 1, 0), 1); /* held */
    errno = 0;
    ck_assert_int_eq(recv(ends[0], seen, sizeof seen, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_uint_eq(g.left, 1);

    guarded_read_end(ends[0]);
    ck_assert_int_eq(send(ends[1], "\n", 1, 0), 1);
    ck_assert_int_eq(recv(ends[0], seen, sizeof seen, 0), 1);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* Both ends of a TCP connection: only there are bytes dropped unread. */
static void connect_pair(int ends[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &length), 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(ends[1], (struct sockaddr *)&at, length), 0);
    ends[0] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[0], 0);
    close(listener);
}

/* Sends `message` and NEXT, of which the head is read first, and says that the rest of
 * the message is ignored; what came then is compared with `expected`, in which dots are
 * bytes that were not even copied. */
static void check_ignored(const char *message, size_t head, const char *expected)
{
    int pair[2];
    connect_pair(pair);
    struct guard g;
    guard_init(&g, LIMIT);
    ck_assert(guarded_read_begin(pair[0], &g));
    char seen[256];
    ck_assert_int_eq(send(pair[1], message, strlen(message), 0),
                     (ssize_t)strlen(message));
    ck_assert_int_eq(send(pair[1], NEXT, sizeof NEXT - 1, 0), sizeof NEXT - 1);
    ck_assert_int_eq(recv(pair[0], seen, head, MSG_WAITALL), (ssize_t)head);

    ck_assert_uint_eq(guard_ignored(&g), 0);
    guard_ignore_body(&g, 1); /* which has not begun */
    ck_assert_uint_eq(guard_ignored(&g), 0);
    guard_ignore_body(&g, 0);
    ck_assert_uint_gt(guard_ignored(&g), 0);
    memset(seen, '.', sizeof seen);
    ck_assert_int_eq(recv(pair[0], seen, sizeof seen, MSG_DONTWAIT),
                     (ssize_t)strlen(expected));
    ck_assert_mem_eq(seen, expected, strlen(expected));
    ck_assert_uint_eq(guard_ignored(&g), 0);
    ck_assert(guard_has_seen(&g, 1));
    ck_assert(!g.ignores_body);

    guarded_read_end(pair[0]);
    close(pair[0]);
    close(pair[1]);
}

START_TEST(a_body_that_is_ignored_is_not_copied_and_what_follows_is_read)
{
#define OF_LENGTH POST "Content-Length: 9\r\n\r\n"
#define OF_CHUNKS CHUNK "5\r\n"
    check_ignored(OF_LENGTH "unwelcome", sizeof OF_LENGTH - 1, "........." NEXT);
    check_ignored(OF_CHUNKS "unwel\r\n004;x\r\ncome\r\n0\r\n\r\n", sizeof OF_CHUNKS - 1,
                  ".....\r\n4\r\ncome\r\n0\r\n\r\n" NEXT);
}
END_TEST

START_TEST(only_a_body_can_be_ignored)
{
    struct guard g;
    guard_init(&g, LIMIT);
    guard_ignore_body(&g, 0);
    struct guard_source s = {CHUNK, sizeof CHUNK - 1, 0, 1, 0};
    char out[256];
    guard_drink(&g, &s, sizeof out, out);
    ck_assert_uint_eq(guard_ignored(&g), 0);
}
END_TEST

/* Like what is sent, with something changed. */
static size_t mutate(struct test_random *r, char *text, size_t length)
{
    static const char bytes[] = "\0\t\n\v\f\r \"+,-/09:;AaXx_\x7f\x80\xa0\xff";
    size_t at = test_random_size(r, 0, length - 1);
    char c = bytes[test_random_size(r, 0, sizeof bytes - 2)];
    size_t some = test_random_size(r, 1, length - at < 9 ? length - at : 9);
    switch (test_random_size(r, 0, 4)) {
    case 0: text[at] = c; return length;
    case 1:
        memmove(text + at + 1, text + at, length - at);
        text[at] = c;
        return length + 1;
    case 2:
        memmove(text + at, text + at + some, length - at - some);
        return length - some;
    case 3: memmove(text + at + some, text + at, length - at); return length + some;
    default: text[at] = (char)(text[at] ^ 0x20); return length;
    }
}

START_TEST(what_is_changed_at_random_is_judged_as_the_reference_does)
{
    struct test_random r = {20240607};
    const size_t sounds = sizeof sound / sizeof *sound;
    const size_t unsounds = sizeof unsound / sizeof *unsound;
    for (int i = 0; i < 50000; i++) {
        char text[2048];
        size_t length = 0;
        for (size_t n = test_random_size(&r, 1, 3); n > 0; n--) {
            size_t k = test_random_size(&r, 0, 3 * sounds + unsounds - 1);
            struct text t =
                k < 3 * sounds ? sound[k / 3].in : unsound[k - 3 * sounds].in;
            memcpy(text + length, t.bytes, t.length);
            length += t.length;
        }
        for (size_t n = test_random_size(&r, 0, 2); n > 0 && length > 1; n--)
            length = mutate(&r, text, length);
        if (length > 0)
            guard_check(text, length, test_random_size(&r, 0, 9) ? LIMIT : 80,
                        test_random_size(&r, 0, 40), 0, test_random_size(&r, 1, 300));
    }
}
END_TEST

TEST_PROGRAM("guard", what_is_sound_passes_wherever_it_is_cut,
             what_is_unsound_is_refused_wherever_it_is_cut, limits_are_exact,
             a_thousand_messages_are_counted, a_refusal_is_of_one_message_and_says_why,
             nothing_is_read_behind_a_refusal, a_descriptor_has_a_guard_or_none,
             what_is_received_goes_through_the_guard,
             a_body_that_is_ignored_is_not_copied_and_what_follows_is_read,
             only_a_body_can_be_ignored,
             what_is_changed_at_random_is_judged_as_the_reference_does)
