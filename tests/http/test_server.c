#include <jansson.h>

#include "http/probe.h"
#include "http/site_fixture.h"

static struct fixture f;
static const char *const no_flags[] = {NULL};

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
        {"GET /metrics/requests?limit=1001 HTTP/1.1\r\nHost: a\r\n\r\n", "400",
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
        client_send(fd, JSON_REQUEST);
        const char *answer = client_hear(fd);
        ASSERT_STARTS(answer, "HTTP/1.1 503 ");
        ASSERT_HAS(answer, "\r\nRetry-After: 7\r\n");
        ASSERT_HAS(answer, "problem:overloaded");
    }
    close(fd);
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
    ASSERT_STARTS(ask(&f, JSON_REQUEST), "HTTP/1.1 200 ");
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
        ASSERT_HAS(ask(&f, JSON_REQUEST), "{\"bytes\": 7}");
        ck_assert_msg(probe(&f.settings, line, sizeof line), "%s", line);
        atomic_store(&f.site.service->hold, true);
        int fd = client_open(&f);
        client_send(fd, JSON_REQUEST);
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

TEST_PROGRAM("server", a_request_is_answered_by_the_pool, a_refusal_says_why,
             a_target_may_be_absolute, a_head_has_a_limit,
             requests_on_one_connection_are_answered_in_order,
             a_request_may_come_byte_by_byte, head_is_get_without_the_body,
             options_tells_what_is_allowed, the_answer_has_the_form_that_is_accepted,
             an_id_that_is_not_clean_is_replaced, a_full_pool_is_said_at_once,
             without_memory_an_answer_is_kept_ready,
             a_machine_of_unknown_size_is_no_start,
             a_server_without_memory_is_not_begun, what_happened_is_counted_and_kept,
             metrics_may_have_a_listener_of_their_own,
             a_socket_file_works_and_is_removed, an_address_in_use_is_an_error,
             who_has_no_worker_left_is_not_ready)
