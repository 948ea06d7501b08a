#include <errno.h>

#include <jansson.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "http/probe.h"
#include "http/site_fixture.h"

static struct fixture f;
static const char *const no_flags[] = {NULL};

#define ASSERT_STARTS(text, start)                                               \
    ck_assert_msg(strncmp((text), (start), strlen(start)) == 0, "%s\nis not %s", \
                  (text), (start))
#define ASSERT_HAS(text, part) \
    ck_assert_msg(strstr((text), (part)), "%s\nhas no %s", (text), (part))
#define ASSERT_HAS_NOT(text, part) \
    ck_assert_msg(!strstr((text), (part)), "%s\nhas %s", (text), (part))

/* What was kept of the request that `answer` belongs to, by its X-Request-Id. */
static bool find_record(const char *answer, struct request_record *found)
{
    enum { MOST = 64 };
    static struct request_record records[MOST];
    const char *id = strstr(answer, "\r\nX-Request-Id: ") + 16;
    size_t length = strcspn(id, "\r"),
           count = request_log_read(f.site.request_log, records, MOST);
    for (size_t i = 0; i < count; i++) {
        *found = records[i];
        if (strlen(found->id) == length && strncmp(found->id, id, length) == 0)
            return true;
    }
    return false;
}

/* One record, and this in it. */
static void expect_record(const char *answer, unsigned status, const char *error,
                          const char *route)
{
    struct request_record record = {0};
    ASSERT_HAS(answer, "\r\nX-Request-Id: ");
    await(find_record(answer, &record));
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    ck_assert_uint_eq(record.status, status);
    ck_assert_str_eq(record.error, error);
    ck_assert_str_eq(record.route, route);
    ck_assert_uint_eq(record.response_bytes, strlen(body));
    ck_assert(record.total_ms >= 0 && record.unix_ms > 0);
}

START_TEST(a_request_is_answered_by_the_pool)
{
    fixture_start(&f, no_flags);
    const char *answer =
        ask(&f, POST_HEAD "X-Request-Id: me.1\r\nContent-Length: 7\r\n\r\n"
                          "{\"a\":1}");
    ASSERT_STARTS(answer, "HTTP/1.1 200 ");
    ASSERT_HAS(answer, "\r\nContent-Type: application/json\r\n");
    ASSERT_HAS(answer, "\r\nX-Request-Id: me.1\r\n");
    ASSERT_HAS(answer, "\r\nServer-Timing: parse;dur=0.000, queue;dur=0.000, ");
    ASSERT_HAS(answer, "\r\nCache-Control: no-store\r\n");
    ASSERT_HAS(answer, "\r\nVary: Accept\r\n");
    ASSERT_HAS(answer, "\r\n\r\n{\"bytes\": 7}");
    ASSERT_HAS_NOT(answer, "Connection:");
    fixture_end(&f, false);
}
END_TEST

#define JSON_7 POST_HEAD "Content-Length: 7\r\n"

/* threats 1, 2, 6-9, 13, 31, 32, 36-44 */
START_TEST(a_refusal_says_why)
{
    static const struct {
        const char *request, *status, *type, *more;
        bool closed;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404", "not-found", "", false},
        {"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "404", "not-found", "", false},
        {"GET //livez HTTP/1.1\r\nHost: a\r\n\r\n", "404", "not-found", "", false},
        {"GET /../livez HTTP/1.1\r\nHost: a\r\n\r\n", "404", "not-found", "", false},
        {"GET http://b/livez HTTP/1.1\r\nHost: a\r\n\r\n", "404", "not-found",
         "this is not a proxy", false},
        {"GET http://b/livez HTTP/1.0\r\n\r\n", "404", "not-found",
         "this is not a proxy", true},
        {"GET https://a/livez HTTP/1.1\r\nHost: a\r\n\r\n", "404", "not-found",
         "this is not a proxy", false},
        {"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "404", "not-found", "at this path",
         false},
        {"GET http://a@b/livez HTTP/1.1\r\nHost: b\r\n\r\n", "400", "bad-request", "",
         true},
        {"CONNECT http://a/livez HTTP/1.1\r\nHost: a\r\n\r\n", "501", "not-implemented",
         "", true},
        {"GET /livez%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400", "bad-request", "", true},
        {"GET /%6civez HTTP/1.1\r\nHost: a\r\n\r\n", "400", "bad-request", "", true},
        {"GET /%2e%2e%2flivez HTTP/1.1\r\nHost: a\r\n\r\n", "400", "bad-request", "",
         true},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400", "bad-request", "", false},
        {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "501", "not-implemented", "",
         true},
        {"DELETE /livez HTTP/1.1\r\nHost: a\r\n\r\n", "405", "method-not-allowed",
         "Allow: GET, HEAD, OPTIONS\r\n", false},
        {"GET /v1/attention HTTP/1.1\r\nHost: a\r\n\r\n", "405", "method-not-allowed",
         "Allow: POST, OPTIONS\r\n", false},
        {"BREW /livez HTTP/1.1\r\nHost: a\r\n\r\n", "501", "not-implemented", "",
         false},
        {"get /livez HTTP/1.1\r\nHost: a\r\n\r\n", "501", "not-implemented", "", false},
        {"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", "bad-request", "",
         true},
        {"GET /livez HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n", "400", "bad-request", "",
         true},
        {"GET /livez HTTP/1.1\r\nHost: a\r\nAccept: image/png\r\n\r\n", "406",
         "not-acceptable", "the answer can be application/json", false},
        {"GET /metrics/requests?limit=0 HTTP/1.1\r\nHost: a\r\n\r\n", "400",
         "bad-request", "", false},
        {"GET /metrics/requests?limit=65537 HTTP/1.1\r\nHost: a\r\n\r\n", "400",
         "bad-request", "", false},
        {"GET /metrics/requests?limit=1&x=2 HTTP/1.1\r\nHost: a\r\n\r\n", "400",
         "bad-request", "", false},
        {"POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: "
         "application/json\r\n\r\n",
         "411", "length-required", "", true},
        {"G(T /livez HTTP/1.1\r\nHost: a\r\n\r\n", "400", "bad-request", "", true},
        {"POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
         "415", "unsupported-media-type", "`curl --json`", true},
        {"POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\n"
         "Content-Length: 7\r\n\r\n{\"a\":1}",
         "415", "unsupported-media-type", "", true},
        {"POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n"
         "Content-Type: application/json; charset=latin1\r\n\r\n{\"a\":1}",
         "415", "unsupported-media-type", "", true},
        {JSON_7 "Content-Encoding: gzip\r\n\r\n{\"a\":1}", "415",
         "unsupported-media-type", "Accept-Encoding: identity\r\n", true},
        {JSON_7 "Accept: image/png\r\n\r\n{\"a\":1}", "406", "not-acceptable",
         "application/json or text/plain", true},
        {JSON_7 "Expect: tea\r\n\r\n{\"a\":1}", "417", "expectation-failed", "", true},
        {JSON_7 "Content-Length: 7\r\n\r\n{\"a\":1}", "400", "bad-request", "", true},
        {JSON_7 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", "bad-request", "",
         true},
        {"POST * HTTP/1.1\r\nHost: a\r\n\r\n", "400", "bad-request", "for OPTIONS",
         false},
        {"GET / HTTP/3.0\r\n", "505", "bad-request", "HTTP/1.1", true},
        {"\x16\x03\x01", "400", "bad-request", "the request line is malformed", true},
        {POST_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nx", "400",
         "bad-request", "the chunked coding is malformed", true},
        {POST_HEAD "Transfer-Encoding: gzip\r\n\r\nabc", "501", "not-implemented", "",
         true},
        {POST_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\nabc", "501",
         "not-implemented", "", true},
        {POST_HEAD "Content-Length: 2049\r\n\r\n", "413", "too-large",
         "the body has 2049 bytes, at most 2048 are allowed (body_limit)", true},
        {POST_HEAD "Content-Length: 18446744073709551615\r\n\r\n", "413", "too-large",
         "", true},
        {POST_HEAD "Content-Length: 9223372036854775808\r\n\r\n", "413", "too-large",
         "", true},
    };
    static const char *const flags[] = {"--body-limit", "2KiB", NULL};
    fixture_start(&f, flags);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = client_open(&f);
        client_send(fd, cases[i].request);
        const char *answer = client_hear(fd);
        char line[32], type[64], status[16];
        snprintf(line, sizeof line, "HTTP/1.1 %s ", cases[i].status);
        snprintf(type, sizeof type, "{\"type\":\"urn:attentiond:problem:%s\"",
                 cases[i].type);
        snprintf(status, sizeof status, "\"status\":%s,", cases[i].status);
        ck_assert_msg(strncmp(answer, line, strlen(line)) == 0, "%s\n-> %s",
                      cases[i].request, answer);
        ASSERT_HAS(answer, "\r\nContent-Type: application/problem+json\r\n");
        ASSERT_HAS(answer, "\r\nX-Request-Id: ");
        ASSERT_HAS(answer, type);
        ASSERT_HAS(answer, status);
        ASSERT_HAS(answer, cases[i].more);
        ck_assert_msg(!strstr(answer, "Connection: close") == !cases[i].closed,
                      "%s\n-> %s", cases[i].request, answer);
        if (cases[i].closed)
            ck_assert(client_is_closed(fd));
        close(fd);
    }
    ck_assert_uint_eq(atomic_load(&f.site.service->taken), 0);
    fixture_end(&f, false);
}
END_TEST

/* RFC 9112, 3.2.2 */
START_TEST(a_target_may_be_absolute)
{
    static const char *const requests[] = {
        "GET http://a/livez HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET HTTP://A.b:8080/livez?c=%20d HTTP/1.1\r\nHost: a.B:8080\r\n\r\n",
        "GET http://[::1]/livez HTTP/1.0\r\nHost: [::1]\r\n\r\n",
        ("POST http://a/v1/attention HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n"
         "Content-Type: application/json\r\n\r\n{\"a\":1}"),
        "GET http://a/metrics/requests?limit=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    fixture_start(&f, no_flags);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        ASSERT_STARTS(ask(&f, requests[i]), "HTTP/1.1 200 ");
    fixture_end(&f, false);
}
END_TEST

/* threat 34 */
START_TEST(a_head_has_a_limit)
{
    static const char *const flags[] = {"--header-limit", "1KiB", NULL};
    fixture_start(&f, flags);
    char head[4096];
    snprintf(head, sizeof head, "GET /livez HTTP/1.1\r\nHost: a\r\nX: %01000d\r\n\r\n",
             0);
    const char *answer = ask(&f, head);
    ASSERT_STARTS(answer, "HTTP/1.1 431 ");
    ASSERT_HAS(answer, "(header_limit)");

    strcpy(head, "GET /livez HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 64; i++)
        strcat(head, "X: \r\n");
    strcat(head, "\r\n");
    ASSERT_STARTS(ask(&f, head), "HTTP/1.1 431 ");
    fixture_end(&f, false);
}
END_TEST

/* threats 23, 24 */
START_TEST(requests_on_one_connection_are_answered_in_order)
{
    fixture_start(&f, no_flags);
    int fd = client_open(&f);
    client_send(fd,
                "GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\n\r\n"
                "GET /nothing HTTP/1.1\r\nHost: a\r\nX-Request-Id: 2\r\n\r\n" POST_HEAD
                "X-Request-Id: 3\r\nContent-Length: 2\r\n\r\n{}"
                "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                "X-Request-Id: 4\r\n\r\nabc"
                "HEAD /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: 5\r\n\r\n");
    static const char *const answers[][2] = {{"HTTP/1.1 200 ", "X-Request-Id: 1\r\n"},
                                             {"HTTP/1.1 404 ", "X-Request-Id: 2\r\n"},
                                             {"HTTP/1.1 200 ", "X-Request-Id: 3\r\n"},
                                             {"HTTP/1.1 200 ", "X-Request-Id: 4\r\n"}};
    for (size_t i = 0; i < 4; i++) {
        const char *answer = client_hear(fd);
        ASSERT_STARTS(answer, answers[i][0]);
        ASSERT_HAS(answer, answers[i][1]);
    }
    ASSERT_HAS(client_hear_head_only(fd), "X-Request-Id: 5\r\n");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* threat 30 */
START_TEST(a_request_may_come_byte_by_byte)
{
    fixture_start(&f, no_flags);
    int fd = client_open(&f);
    for (const char *p = POST_HEAD "Content-Length: 7\r\n\r\n{\"a\":1}"; *p; p++)
        client_send_bytes(fd, p, 1);
    ASSERT_HAS(client_hear(fd), "{\"bytes\": 7}");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

START_TEST(head_is_get_without_the_body)
{
    fixture_start(&f, no_flags);
    int fd = client_open(&f);
    client_send(fd, "HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n"
                    "HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
                    "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *answer = client_hear_head_only(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 200 ");
    ASSERT_HAS(answer, "Content-Length: 18\r\n");
    ASSERT_STARTS(client_hear_head_only(fd), "HTTP/1.1 404 ");
    ASSERT_HAS(client_hear(fd), "{\"status\":\"live\"}");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

START_TEST(options_tells_what_is_allowed)
{
    fixture_start(&f, no_flags);
    const char *answer = ask(&f, "OPTIONS /v1/attention HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_STARTS(answer, "HTTP/1.1 204 ");
    ASSERT_HAS(answer, "\r\nAllow: POST, OPTIONS\r\n");
    ASSERT_HAS(answer, "\r\nX-Request-Id: ");
    ASSERT_HAS(ask(&f, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
               "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
    ASSERT_STARTS(ask(&f, "OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
                  "HTTP/1.1 404 ");
    fixture_end(&f, false);
}
END_TEST

/* threat 7 */
START_TEST(a_refusal_is_sent_instead_of_100_continue)
{
    static const char *const flags[] = {"--body-limit", "2KiB", NULL};
    fixture_start(&f, flags);
    int fd = client_open(&f);
    client_send(fd, POST_HEAD "Expect: 100-continue\r\nContent-Length: 2049\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 413 ");
    ck_assert(client_is_closed(fd));
    close(fd);

    fd = client_open(&f);
    client_send(fd, POST_HEAD "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 100 ");
    client_send(fd, "{\"a\":1}");
    ASSERT_HAS(client_hear(fd), "{\"bytes\": 7}");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* Sends `count` chunks of 1000 bytes and the end. */
static void send_chunks(int fd, int count)
{
    char chunk[1100];
    client_send(fd, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    snprintf(chunk, sizeof chunk, "3e8;a=b\r\n%01000d\r\n", 0);
    for (int i = 0; i < count; i++)
        client_send(fd, chunk);
    client_send(fd, "0\r\nContent-Length: 3\r\n\r\n");
}

static void client_send_zeros(int fd)
{
    char chunk[80100];
    snprintf(chunk, sizeof chunk, "13880\r\n%080000d\r\n", 0);
    client_send(fd, chunk);
}

/* threat 21 */
START_TEST(a_chunked_body_may_be_as_long_as_any)
{
    static const char *const flags[] = {"--body-limit", "100000", NULL};
    static const struct {
        int chunks;
        const char *status, *body;
    } cases[] = {
        {0, "HTTP/1.1 200 ", "{\"bytes\": 0}"},
        {1, "HTTP/1.1 200 ", "{\"bytes\": 1000}"},
        {100, "HTTP/1.1 200 ", "{\"bytes\": 100000}"},
        {101, "HTTP/1.1 413 ", "too-large"},
        {201, "HTTP/1.1 413 ", "too-large"}, /* before its end */
    };
    fixture_start(&f, flags);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = client_open(&f);
        send_chunks(fd, cases[i].chunks);
        const char *answer = client_hear(fd);
        ASSERT_STARTS(answer, cases[i].status);
        ASSERT_HAS(answer, cases[i].body);
        close(fd);
    }
    int fd = client_open(&f);
    client_send(fd,
                "GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; i++) /* which nobody asked for */
        client_send_zeros(fd);
    const char *answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 413 ");
    expect_record(answer, 413, "too-large", "/livez");
    ck_assert(client_is_closed(fd));
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* The head was taken, and some of the body, before the rest shows what it is.
 * threats 17, 18 */
START_TEST(a_body_may_be_refused_in_its_middle)
{
    fixture_start(&f, no_flags);
    int fd = client_open(&f);
    client_send(fd, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
    await(atomic_load(&f.site.in_flight) == 1);
    nanosleep(&(struct timespec){0, 50000000}, NULL); /* read, in all likelihood */
    client_send(fd, "+1\r\n");
    const char *answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 400 ");
    ASSERT_HAS(answer, "the chunked coding is malformed");
    ASSERT_HAS(answer, "\r\nConnection: close\r\n");
    ck_assert(client_is_closed(fd));
    close(fd);
    ck_assert_uint_eq(atomic_load(&f.site.service->taken), 0);
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_refusal_is_not_lost_while_the_client_still_sends)
{
    fixture_start(&f, no_flags);
    enum { BODY = 8 << 20 };
    char *body = calloc(1, BODY);
    int fd = client_open(&f);
    client_send(fd,
                "POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\n"
                "Content-Length: 8388608\r\n\r\n");
    client_send_bytes(fd, body, BODY);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 415 ");
    close(fd);
    free(body);
    fixture_end(&f, false);
}
END_TEST

START_TEST(the_answer_has_the_form_that_is_accepted)
{
    fixture_start(&f, no_flags);
    ASSERT_HAS(ask(&f, JSON_7 "Accept: text/plain\r\n\r\n{\"a\":1}"),
               "Content-Type: text/plain; charset=utf-8\r\n");
    ASSERT_HAS(
        ask(&f, JSON_7 "Accept: text/plain;q=0.1\r\nAccept: */*\r\n\r\n{\"a\":1}"),
        "Content-Type: application/json\r\n");
    ASSERT_HAS(ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
               "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    const char *modern = ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n"
                                 "Accept: application/openmetrics-text\r\n\r\n");
    ASSERT_HAS(modern, "Content-Type: application/openmetrics-text; version=1.0.0");
    ASSERT_HAS(modern, "\n# EOF\n");
    ASSERT_HAS(ask(&f, "GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"), "\"openapi\"");
    ASSERT_HAS(ask(&f, "GET /openapi.yaml HTTP/1.1\r\nHost: a\r\n\r\n"), "\nopenapi: ");
    ASSERT_HAS(ask(&f, "GET /v1/info HTTP/1.1\r\nHost: a\r\n\r\n"), "\"attentiond\"");
    fixture_end(&f, false);
}
END_TEST

/* threat 48 */
START_TEST(an_id_that_is_not_clean_is_replaced)
{
    fixture_start(&f, no_flags);
    const char *answer =
        ask(&f, "GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\"b\r\n\r\n");
    ASSERT_HAS(answer, "X-Request-Id: ");
    ASSERT_HAS_NOT(answer, "a\"b");
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_full_pool_is_said_at_once)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->full, true);
    int fd = client_open(&f);
    for (int i = 0; i < 2; i++) { /* the connection stays open */
        client_send(fd, JSON_7 "\r\n{\"a\":1}");
        const char *answer = client_hear(fd);
        ASSERT_STARTS(answer, "HTTP/1.1 503 ");
        ASSERT_HAS(answer, "\r\nRetry-After: 7\r\n");
        ASSERT_HAS(answer, "problem:overloaded");
    }
    close(fd);
    fixture_end(&f, false);
}
END_TEST

START_TEST(spent_memory_is_said_before_the_body)
{
    static const char *const flags[] = {"--memory-limit", "1MiB", NULL};
    fixture_start(&f, flags);
    const char *answer =
        ask(&f, POST_HEAD "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n");
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:out-of-memory");
    fixture_end(&f, false);
}
END_TEST

static void *no_malloc(size_t size)
{
    (void)size;
    return NULL;
}

/* Threat 88: a document cannot be made, and neither can the one that says so. */
START_TEST(without_memory_an_answer_is_kept_ready)
{
    static const char *const requests[] = {
        "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v1/info HTTP/1.1\r\nHost: a\r\n\r\n",
        POST_HEAD "Content-Length: 99999999\r\n\r\n",
    };
    fixture_start(&f, no_flags);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        json_set_alloc_funcs(no_malloc, free);
        const char *answer = ask(&f, requests[i]);
        json_set_alloc_funcs(malloc, free);
        ASSERT_STARTS(answer, "HTTP/1.1 503 ");
        ASSERT_HAS(answer, "\r\nContent-Type: application/problem+json\r\n");
        ASSERT_HAS(answer, "\r\nRetry-After: 1\r\n");
        ASSERT_HAS(answer, "\r\nConnection: close\r\n");
        ASSERT_HAS(answer, "problem:out-of-memory\"");
    }
    ASSERT_STARTS(ask(&f, JSON_7 "\r\n{\"a\":1}"), "HTTP/1.1 200 ");
    ASSERT_HAS(ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
               "\nattentiond_rejected_total{reason=\"out-of-memory\"} 3\n");
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_machine_of_unknown_size_is_no_start)
{
    struct settings settings = {.workers = 1};
    const struct machine machine = {.cpus = 1};
    struct site site;
    struct error e = {0};
    ck_assert(!site_open(&site, &settings, &machine, &e));
    ASSERT_HAS(e.message, "set memory_limit");
    site_close(&site);
}
END_TEST

START_TEST(a_server_without_memory_is_not_begun)
{
    fixture_start(&f, no_flags);
    struct error e = {0};
    json_set_alloc_funcs(no_malloc, free);
    ck_assert_ptr_null(server_new(&f.site, &e));
    json_set_alloc_funcs(malloc, free);
    ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
    fixture_end(&f, false);
}
END_TEST

/* threat 95 */
START_TEST(the_work_of_a_client_that_left_is_cancelled)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->hold, true);
    int polite = client_open(&f), reset = client_open(&f), stays = client_open(&f);
    client_send(polite, JSON_7 "\r\n{\"a\":1}");
    client_send(reset, JSON_7 "\r\n{\"a\":1}");
    client_send(stays, JSON_7 "\r\n{\"a\":1}");
    await(atomic_load(&f.site.service->taken) == 3);

    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(reset, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(reset);
    close(polite);
    await(atomic_load(&f.site.service->cancelled) == 2);
    await(atomic_load(&f.site.in_flight) == 1);

    atomic_store(&f.site.service->hold, false);
    ASSERT_STARTS(client_hear(stays), "HTTP/1.1 200 ");
    ck_assert_uint_eq(atomic_load(&f.site.service->cancelled), 2);
    ASSERT_HAS(ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
               "attentiond_requests_total{route=\"/v1/attention\",code=\"499\"} 2\n");
    close(stays);
    fixture_end(&f, false);
}
END_TEST

#define WINDOW "C\r\n{\"bytes\": 7}\r\n"

START_TEST(an_answer_may_come_in_windows)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->windows, 4);
    int fd = client_open(&f);
    for (size_t round = 0; round < 2; round++) { /* the connection is kept */
        client_send(fd, JSON_7 "\r\n{\"a\":1}");
        char text[1024] = "";
        size_t length = 0;
        while (!strstr(text, "\r\n0\r\n\r\n")) {
            ssize_t n = recv(fd, text + length, sizeof text - 1 - length, 0);
            ck_assert_int_gt(n, 0);
            length += (size_t)n;
            text[length] = '\0';
        }
        ASSERT_STARTS(text, "HTTP/1.1 200 ");
        ASSERT_HAS(text, "\r\nTransfer-Encoding: chunked\r\n");
        ASSERT_HAS(text, "\r\n\r\n" WINDOW WINDOW WINDOW WINDOW "0\r\n\r\n");
        ck_assert_uint_eq(atomic_load(&f.site.service->again), 3 * (round + 1));
    }
    close(fd);
    fixture_end(&f, false);
}
END_TEST

START_TEST(who_leaves_while_the_next_window_is_written_is_given_up)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->windows, 4);
    int fd = client_open(&f);
    client_send(fd, JSON_7 "\r\n{\"a\":1}");
    await(atomic_load(&f.site.service->again) == 1 ||
          atomic_load(&f.site.service->again) == 3);
    close(fd);

    /* Held: the pool has the call when its client leaves, and the connection is
     * suspended or about to write. */
    for (size_t i = 0; i < 20; i++) {
        atomic_store(&f.site.service->hold, false);
        size_t again = atomic_load(&f.site.service->again);
        fd = client_open(&f);
        client_send(fd, JSON_7 "\r\n{\"a\":1}");
        await(atomic_load(&f.site.service->again) > again);
        atomic_store(&f.site.service->hold, true);
        struct linger reset = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    atomic_store(&f.site.service->hold, false);
    await(atomic_load(&f.site.in_flight) == 0);
    await(atomic_load(&f.site.connections) == 0);
    await(atomic_load(&f.site.memory.spent) == 0);
    fixture_end(&f, false);
}
END_TEST

START_TEST(what_goes_wrong_in_the_middle_of_an_answer_cuts_it)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->windows, 1000000);
    int fd = client_open(&f);
    client_send(fd, JSON_7 "\r\n{\"a\":1}");
    await(atomic_load(&f.site.service->again) > 0);
    atomic_store(&f.site.service->hold, true);
    atomic_store(&f.site.service->closed, true);
    char byte, last[5] = "";
    for (size_t n = 0; recv(fd, &byte, 1, 0) == 1; n++) {
        memmove(last, last + 1, sizeof last - 1);
        last[sizeof last - 1] = byte;
    }
    ck_assert(memcmp(last, "0\r\n\r\n", sizeof last) != 0);
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* threat 96 */
START_TEST(a_client_that_only_stopped_sending_is_answered)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->hold, true);
    int fd = client_open(&f);
    client_send(fd, JSON_7 "\r\n{\"a\":1}");
    shutdown(fd, SHUT_WR);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 100 "); /* are you there? */
    atomic_store(&f.site.service->hold, false);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    ck_assert(client_is_closed(fd));
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* threats 14, 92 */
START_TEST(who_sends_too_slowly_is_cut)
{
    static const char *const flags[] = {"--header-timeout",
                                        "150ms",
                                        "--body-timeout",
                                        "150ms",
                                        "--idle-timeout",
                                        "150ms",
                                        NULL};
    static const struct {
        const char *request, *route; /* NULL: nothing is said */
    } cases[] = {
        {"", NULL},
        {"GET /live", "other"},
        {"GET /livez HTTP/1.1\r\nHost: a\r\nX: ", "other"},
        {POST_HEAD "Content-Length: 7\r\n\r\n{\"a\"", "/v1/attention"},
        {POST_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc", "/v1/attention"},
        {POST_HEAD "X-Request-Id: mine\r\nContent-Length: 1\r\n\r\n", "/v1/attention"},
    };
    fixture_start(&f, flags);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = client_open(&f);
        client_send(fd, cases[i].request);
        const char *answer = client_hear(fd);
        if (cases[i].route) {
            ASSERT_STARTS(answer, "HTTP/1.1 408 ");
            ASSERT_HAS(answer, "problem:request-timeout");
            ck_assert(client_is_closed(fd));
            close(fd);
            expect_record(answer, 408, "request-timeout", cases[i].route);
        } else {
            ck_assert_str_eq(answer, "");
            close(fd);
        }
    }
    ASSERT_HAS(heard, "\r\nX-Request-Id: mine\r\n");
    const char *metrics = ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_HAS(metrics, "{route=\"other\",code=\"408\"} 2\n");
    ASSERT_HAS(metrics, "{route=\"/v1/attention\",code=\"408\"} 3\n");
    ASSERT_HAS(metrics, "rejected_total{reason=\"request-timeout\"} 5\n");
    /* A byte now and then does not help. */
    int fd = client_open(&f);
    client_send(fd, "GET /livez HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 10; i++) {
        client_send(fd, "X: y\r\n");
        nanosleep(&(struct timespec){0, 30000000}, NULL);
    }
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 408 ");
    close(fd);

    fd = client_open(&f); /* nor does one that rests between requests stay for ever */
    client_send(fd, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    ck_assert(client_is_closed(fd));
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* A reset would take the answer from it. */
START_TEST(who_goes_on_sending_after_the_deadline_can_read_the_answer)
{
    static const char *const flags[] = {"--header-timeout", "150ms", "--body-timeout",
                                        "150ms", NULL};
    static const struct {
        const char *request, *more;
    } cases[] = {
        {"GET /li", "vez HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"GET /livez HTTP/1.1\r\nHost: a\r\nX: ", "y\r\n\r\n"},
        {POST_HEAD "Content-Length: 7\r\n\r\n{\"a\"", ":1}"},
        {POST_HEAD "Content-Length: 99\r\n\r\n{\"a\"", ":1"},
    };
    fixture_start(&f, flags);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = client_open(&f);
        client_send(fd, cases[i].request);
        struct pollfd told = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&told, 1, 3000), 1);
        int64_t told_ns = clock_now_ns();
        client_send(fd, cases[i].more);
        client_send_zeros(fd);
        const char *answer = client_hear(fd);
        ASSERT_STARTS(answer, "HTTP/1.1 408 ");
        bool reset = client_is_reset(fd);
        ck_assert(!reset || clock_now_ns() - told_ns > NS_PER_S / 2); /* its time */
        ck_assert(client_is_closed(fd));
        close(fd);
        expect_record(answer, 408, "request-timeout",
                      i > 1 ? "/v1/attention" : "other");
    }
    await(atomic_load(&f.site.connections) == 0);
    ASSERT_HAS(ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
               "rejected_total{reason=\"request-timeout\"} 4\n");
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_request_that_waits_in_the_pool_is_not_cut)
{
    static const char *const flags[] = {"--header-timeout",
                                        "100ms",
                                        "--body-timeout",
                                        "100ms",
                                        "--idle-timeout",
                                        "100ms",
                                        NULL};
    fixture_start(&f, flags);
    atomic_store(&f.site.service->hold, true);
    int fd = client_open(&f);
    client_send(fd, JSON_7 "\r\n{\"a\":1}");
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    atomic_store(&f.site.service->hold, false);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

START_TEST(too_many_connections_are_told_so)
{
    static const char *const flags[] = {"--connection-limit", "4", NULL};
    fixture_start(&f, flags);
    int fds[4];
    for (size_t i = 0; i < 4; i++) {
        fds[i] = client_open(&f);
        client_send(fds[i], "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
        ASSERT_STARTS(client_hear(fds[i]), "HTTP/1.1 200 ");
    }
    const char *answer = ask(&f, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "\r\nRetry-After: 7\r\n");
    ASSERT_HAS(answer, "\r\nX-Request-Id: ");
    ASSERT_HAS(answer, "problem:overloaded");
    ASSERT_HAS(answer, "(connection_limit)");
    expect_record(answer, 503, "overloaded", "other");
    close(fds[0]);
    await(atomic_load(&f.site.connections) == 3);
    ASSERT_STARTS(ask(&f, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 ");
    for (size_t i = 1; i < 4; i++)
        close(fds[i]);
    fixture_end(&f, false);
}
END_TEST

START_TEST(what_happened_is_counted_and_kept)
{
    fixture_start(&f, no_flags);
    int fd = client_open(&f);
    client_send(fd,
                JSON_7 "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
                       "b7ad6b7169203331-01\r\nX-Request-Id: kept\r\n\r\n{\"a\":1}");
    client_hear(fd);
    client_send(fd, "GET /a/b/c HTTP/1.1\r\nHost: a\r\n\r\n");
    client_hear(fd);
    client_send(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *metrics = client_hear(fd);
    ASSERT_HAS(metrics,
               "\nattentiond_requests_total{route=\"/v1/attention\",code=\"200\"} 1\n");
    ASSERT_HAS(metrics,
               "\nattentiond_requests_total{route=\"other\",code=\"404\"} 1\n");
    ASSERT_HAS(metrics, "\nattentiond_rejected_total{reason=\"not-found\"} 1\n");
    ASSERT_HAS(metrics, "\nattentiond_in_flight_requests 1\n");
    ASSERT_HAS(metrics, "\nattentiond_request_memory_bytes 0\n");
    ASSERT_HAS(metrics, "\nattentiond_request_memory_limit_bytes 268435456\n");

    client_send(fd, "GET /metrics/requests?limit=3 HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *records = client_hear(fd);
    const char *newest = strstr(records, "\"route\":\"/metrics\"");
    const char *oldest = strstr(records, "\"id\":\"kept\"");
    ck_assert_ptr_nonnull(newest);
    ck_assert_ptr_nonnull(oldest);
    ck_assert(newest < oldest);
    ASSERT_HAS(records, "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"");
    ASSERT_HAS(records, "\"request_bytes\":7");
    client_send(fd, "GET /metrics/requests?limit=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_HAS_NOT(client_hear(fd), "\"id\":\"kept\"");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* threat 115 */
START_TEST(metrics_may_have_a_listener_of_their_own)
{
    static const char *const flags[] = {"--metrics-bind", "127.0.0.1", "--metrics-port",
                                        "0", NULL};
    fixture_start(&f, flags);
    ASSERT_STARTS(ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 404 ");
    ASSERT_STARTS(ask(&f, "GET /metrics/requests HTTP/1.1\r\nHost: a\r\n\r\n"),
                  "HTTP/1.1 404 ");
    int fd = client_open_address(server_metrics_address(f.server));
    client_send(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    client_send(fd, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 404 ");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_socket_file_works_and_is_removed)
{
    char bind[64];
    snprintf(bind, sizeof bind, "unix:/tmp/attentiond-test-%d.sock", (int)getpid());
    const char *const flags[] = {"--bind", bind, NULL};
    char line[256];
    for (int i = 0; i < 2; i++) {
        fixture_start(&f, flags);
        ck_assert_str_eq(server_address(f.server), bind);
        ASSERT_HAS(ask(&f, JSON_7 "\r\n{\"a\":1}"), "{\"bytes\": 7}");
        ck_assert_msg(probe(&f.settings, line, sizeof line), "%s", line);
        atomic_store(&f.site.service->hold, true);
        int fd = client_open(&f);
        client_send(fd, JSON_7 "\r\n{\"a\":1}");
        await(atomic_load(&f.site.service->taken) == 2);
        close(fd);
        await(atomic_load(&f.site.service->cancelled) == 1);
        fixture_end(&f, false);
        ck_assert_int_ne(access(bind + 5, F_OK), 0);
    }
    ck_assert(!probe(&f.settings, line, sizeof line));
    ASSERT_HAS(line, "not ready: ");
}
END_TEST

START_TEST(an_address_in_use_is_an_error)
{
    fixture_start(&f, no_flags);
    struct settings taken = f.settings;
    taken.port = (uint64_t)atoi(strchr(server_address(f.server), ':') + 1);
    struct site other = {.settings = &taken, .metrics = f.site.metrics};
    struct error e = {0};
    ck_assert_ptr_null(server_new(&other, &e));
    ASSERT_HAS(e.message, "cannot listen on 127.0.0.1");
    fixture_end(&f, false);
}
END_TEST

static void *drain_it(void *unused)
{
    (void)unused;
    ck_assert(drain(f.server, &f.site, f.wake[0]));
    return NULL;
}

static pthread_t start_drain(void)
{
    pthread_t thread;
    fixture_stop_accepting(&f);
    ck_assert_int_eq(pthread_create(&thread, NULL, drain_it, NULL), 0);
    return thread;
}

/* threats 99, 100 */
START_TEST(a_drain_answers_what_was_accepted)
{
    fixture_start(&f, no_flags);
    char address[64];
    snprintf(address, sizeof address, "%s", server_address(f.server));
    atomic_store(&f.site.service->hold, true);
    int working = client_open(&f), sending = client_open(&f), idle = client_open(&f);
    client_send(idle, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_STARTS(client_hear(idle), "HTTP/1.1 200 ");
    client_send(working, JSON_7 "\r\n{\"a\":1}");
    client_send(sending, POST_HEAD "Content-Length: 7\r\n\r\n{\"a\"");
    await(atomic_load(&f.site.in_flight) == 2);

    pthread_t drainer = start_drain();
    await(atomic_load(&f.site.closing));
    ck_assert_int_lt(client_open_address(address), 0);
    client_send(idle, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *answer = client_hear(idle);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:shutting-down");
    ASSERT_HAS(answer, "\r\nConnection: close\r\n");
    ck_assert(client_is_closed(idle));

    client_send(sending, ":1}");
    atomic_store(&f.site.service->hold, false);
    answer = client_hear(sending);
    ASSERT_STARTS(answer, "HTTP/1.1 200 ");
    ASSERT_HAS(answer, "\r\nConnection: close\r\n");
    ASSERT_STARTS(client_hear(working), "HTTP/1.1 200 ");
    pthread_join(drainer, NULL);
    close(working);
    close(sending);
    close(idle);
    fixture_end(&f, true);
}
END_TEST

/* What a client has asked for behind it would make of the close a reset, which takes
 * the answers from it. threat 24 */
START_TEST(the_last_answer_reaches_who_has_asked_for_more)
{
    static const char *const flags[] = {"--connection-requests", "3", NULL};
    static const char request[] = "GET /openapi.yaml HTTP/1.1\r\nHost: a\r\n\r\n";
    enum { REQUESTS = 4000 };
    char *all = calloc(REQUESTS, sizeof request);
    for (char *end = all; end < all + REQUESTS * (sizeof request - 1);)
        end = stpcpy(end, request);
    fixture_start(&f, flags);
    for (int closing = 0; closing < 2; closing++) {
        atomic_store(&f.site.closing, closing);
        int fd = client_open(&f);
        client_send(fd, all);
        for (int left = closing ? 1 : 3; left > 0; left--) {
            const char *answer = client_hear(fd);
            ASSERT_STARTS(answer, "HTTP/1.1 200 ");
            ck_assert((left == 1) ==
                      (strstr(answer, "\r\nConnection: close\r\n") != 0));
        }
        ck_assert(client_is_closed(fd));
        client_send(fd, "x"); /* which one that reads no more answers with a reset */
        ck_assert_int_eq(poll(&(struct pollfd){.fd = fd}, 1, 20), 0);
        close(fd);
    }
    free(all);
    fixture_end(&f, false);
}
END_TEST

/* threat 99 */
START_TEST(while_it_is_announced_a_drain_goes_on_serving)
{
    static const char *const flags[] = {"--drain-delay", "400ms", NULL};
    fixture_start(&f, flags);
    pthread_t drainer = start_drain();
    await(atomic_load(&f.site.draining));
    const char *answer = ask(&f, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "\r\nRetry-After: 1\r\n");
    ASSERT_STARTS(ask(&f, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 ");
    ASSERT_STARTS(ask(&f, JSON_7 "\r\n{\"a\":1}"), "HTTP/1.1 200 ");
    ASSERT_HAS(ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
               "\nattentiond_draining 1\n");
    pthread_join(drainer, NULL);
    fixture_end(&f, true);
}
END_TEST

/* threat 100 */
START_TEST(what_a_drain_cannot_finish_is_refused)
{
    static const char *const flags[] = {"--drain-timeout", "200ms", NULL};
    fixture_start(&f, flags);
    atomic_store(&f.site.service->hold, true);
    int fd = client_open(&f), late = client_open(&f);
    client_send(fd, JSON_7 "\r\n{\"a\":1}");
    client_send(late, POST_HEAD "Content-Length: 7\r\n\r\n{\"a\"");
    await(atomic_load(&f.site.in_flight) == 2);
    pthread_t drainer = start_drain();
    const char *answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:shutting-down");
    client_send(late, ":1}");
    ASSERT_STARTS(client_hear(late), "HTTP/1.1 503 ");
    close(fd);
    close(late);
    pthread_join(drainer, NULL);
    fixture_end(&f, true);
}
END_TEST

/* And goes on sending, as one who uploads does, before it looks. threat 100 */
START_TEST(what_has_come_in_part_when_a_drain_ends_is_refused)
{
    static const char *const flags[] = {"--drain-timeout", "100ms", NULL};
    static const struct {
        const char *request, *route;
    } cases[] = {
        {"GET /live", "other"},
        {"POST /v1/attention HTTP/1.1\r\nHost: a\r\nX: ", "other"},
        {POST_HEAD "Content-Length: 9000000\r\n\r\n{\"a\"", "/v1/attention"},
        {POST_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "/v1/attention"},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    int fds[2 * CASES];
    fixture_start(&f, flags);
    for (size_t i = 0; i < 2 * CASES; i++) {
        fds[i] = client_open(&f);
        if (i % 2) { /* on a connection that has had an answer */
            client_send(fds[i], "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
            ASSERT_STARTS(client_hear(fds[i]), "HTTP/1.1 200 ");
        }
        client_send(fds[i], cases[i / 2].request);
    }
    int silent = client_open(&f);
    await(atomic_load(&f.site.in_flight) == 6); /* whose first line has come */
    pthread_t drainer = start_drain();
    for (size_t i = 0; i < 2 * CASES; i++) {
        struct pollfd told = {.fd = fds[i], .events = POLLIN};
        ck_assert_int_eq(poll(&told, 1, 3000), 1);
        client_send_zeros(fds[i]);
    }
    for (size_t i = 0; i < 2 * CASES; i++) {
        const char *answer = client_hear(fds[i]);
        ASSERT_STARTS(answer, "HTTP/1.1 503 ");
        ASSERT_HAS(answer, "problem:shutting-down");
        ASSERT_HAS(answer, "\r\nConnection: close\r\n");
        ASSERT_HAS(answer, "\r\nRetry-After: 1\r\n");
        ck_assert(client_is_closed(fds[i]));
        close(fds[i]);
        expect_record(answer, 503, "shutting-down", cases[i / 2].route);
    }
    ck_assert(client_is_closed(silent)); /* it asked for nothing */
    close(silent);
    pthread_join(drainer, NULL);
    fixture_end(&f, true);
}
END_TEST

/* Closed at once, its answer would be lost. */
START_TEST(a_drain_waits_for_who_still_sends_what_was_refused)
{
    static const char *const flags[] = {"--body-limit", "2KiB", NULL};
    fixture_start(&f, flags);
    int fd = client_open(&f);
    client_send(fd, POST_HEAD "Content-Length: 100000\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 413 ");
    pthread_t drainer = start_drain();
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    ck_assert_int_eq(pthread_tryjoin_np(drainer, NULL), EBUSY);
    close(fd);
    pthread_join(drainer, NULL);
    fixture_end(&f, true);
}
END_TEST

START_TEST(a_second_signal_ends_a_drain)
{
    static const char *const flags[] = {"--drain-delay", "1min", "--drain-timeout",
                                        "1min", NULL};
    fixture_start(&f, flags);
    atomic_store(&f.site.service->hold, true);
    int fd = client_open(&f);
    client_send(fd, JSON_7 "\r\n{\"a\":1}");
    await(atomic_load(&f.site.in_flight) == 1);
    pthread_t drainer = start_drain();
    await(atomic_load(&f.site.draining));
    ck_assert_int_eq(write(f.wake[1], "x", 1), 1);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 503 ");
    pthread_join(drainer, NULL);
    close(fd);
    fixture_end(&f, true);
}
END_TEST

static void send_signal(int number)
{
    const struct signalfd_siginfo info = {.ssi_signo = (uint32_t)number};
    ck_assert_int_eq(write(f.wake[1], &info, sizeof info), sizeof info);
}

START_TEST(a_signal_to_reload_does_not_hurry_a_drain)
{
    static const char *const flags[] = {"--drain-timeout", "1min", NULL};
    fixture_start(&f, flags);
    atomic_store(&f.site.service->hold, true);
    int fd = client_open(&f);
    client_send(fd, JSON_7 "\r\n{\"a\":1}");
    await(atomic_load(&f.site.in_flight) == 1);
    pthread_t drainer = start_drain();
    await(atomic_load(&f.site.draining));
    send_signal(SIGHUP);
    await(atomic_load(&f.site.closing));
    send_signal(SIGHUP);
    nanosleep(&(struct timespec){0, 30 * NS_PER_MS}, NULL);
    ck_assert_uint_eq(atomic_load(&f.site.in_flight), 1);
    send_signal(SIGTERM);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 503 ");
    pthread_join(drainer, NULL);
    close(fd);
    fixture_end(&f, true);
}
END_TEST

/* The worker hangs: its client is told, and all that remains is to leave. */
START_TEST(a_drain_ends_though_a_worker_hangs)
{
    static const char *const flags[] = {"--drain-timeout", "20ms", NULL};
    fixture_start(&f, flags);
    atomic_store(&f.site.service->stuck, true);
    int fd = client_open(&f);
    client_send(fd, JSON_7 "\r\n{\"a\":1}");
    await(atomic_load(&f.site.in_flight) == 1);
    fixture_stop_accepting(&f);
    ck_assert(!drain(f.server, &f.site, f.wake[0]));
    const char *answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:shutting-down");
    ASSERT_HAS(answer, "\r\nConnection: close\r\n");
    ck_assert(client_is_closed(fd));
    close(fd);
    expect_record(answer, 503, "shutting-down", "/v1/attention");

    atomic_store(&f.site.service->stuck, false);
    await(attention_service_idle(f.site.service));
    await(atomic_load(&f.site.in_flight) == 0);
    struct request_record records[2];
    ck_assert_uint_eq(request_log_read(f.site.request_log, records, 2), 1);
    fixture_end(&f, true);
}
END_TEST

START_TEST(who_has_no_worker_left_is_not_ready)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.hung, true);
    const char *answer = ask(&f, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "every worker is stuck");
    atomic_store(&f.site.hung, false);
    atomic_store(&f.site.ready, false);
    ASSERT_HAS(ask(&f, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"), "problem:not-ready");
    atomic_store(&f.site.ready, true);
    ASSERT_STARTS(ask(&f, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 ");
    fixture_end(&f, false);
}
END_TEST

TEST_PROGRAM(
    "server", a_request_is_answered_by_the_pool, a_refusal_says_why,
    a_target_may_be_absolute, a_head_has_a_limit,
    requests_on_one_connection_are_answered_in_order, a_request_may_come_byte_by_byte,
    head_is_get_without_the_body, options_tells_what_is_allowed,
    a_refusal_is_sent_instead_of_100_continue, a_chunked_body_may_be_as_long_as_any,
    a_body_may_be_refused_in_its_middle,
    a_refusal_is_not_lost_while_the_client_still_sends,
    the_answer_has_the_form_that_is_accepted, an_id_that_is_not_clean_is_replaced,
    a_full_pool_is_said_at_once, spent_memory_is_said_before_the_body,
    without_memory_an_answer_is_kept_ready, a_machine_of_unknown_size_is_no_start,
    a_server_without_memory_is_not_begun, the_work_of_a_client_that_left_is_cancelled,
    an_answer_may_come_in_windows,
    who_leaves_while_the_next_window_is_written_is_given_up,
    what_goes_wrong_in_the_middle_of_an_answer_cuts_it,
    a_client_that_only_stopped_sending_is_answered, who_sends_too_slowly_is_cut,
    who_goes_on_sending_after_the_deadline_can_read_the_answer,
    a_request_that_waits_in_the_pool_is_not_cut, too_many_connections_are_told_so,
    what_happened_is_counted_and_kept, metrics_may_have_a_listener_of_their_own,
    a_socket_file_works_and_is_removed, an_address_in_use_is_an_error,
    a_drain_answers_what_was_accepted, the_last_answer_reaches_who_has_asked_for_more,
    while_it_is_announced_a_drain_goes_on_serving,
    what_a_drain_cannot_finish_is_refused,
    what_has_come_in_part_when_a_drain_ends_is_refused,
    a_drain_waits_for_who_still_sends_what_was_refused, a_second_signal_ends_a_drain,
    a_signal_to_reload_does_not_hurry_a_drain, a_drain_ends_though_a_worker_hangs,
    who_has_no_worker_left_is_not_ready)
