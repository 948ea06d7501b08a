#include "http/site_fixture.h"

static struct fixture f;
static const char *const no_flags[] = {NULL};

/* threat 95 */
START_TEST(the_work_of_a_client_that_left_is_cancelled)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->hold, true);
    int polite = client_open(&f), reset = client_open(&f), stays = client_open(&f);
    client_send(polite, JSON_REQUEST);
    client_send(reset, JSON_REQUEST);
    client_send(stays, JSON_REQUEST);
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

/* threat 96 */
START_TEST(a_client_that_only_stopped_sending_is_answered)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->hold, true);
    int fd = client_open(&f);
    client_send(fd, JSON_REQUEST);
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
            expect_record(&f, answer, 408, "request-timeout", cases[i].route);
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
        expect_record(&f, answer, 408, "request-timeout",
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
    client_send(fd, JSON_REQUEST);
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
    expect_record(&f, answer, 503, "overloaded", "other");
    close(fds[0]);
    await(atomic_load(&f.site.connections) == 3);
    ASSERT_STARTS(ask(&f, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 ");
    for (size_t i = 1; i < 4; i++)
        close(fds[i]);
    fixture_end(&f, false);
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

TEST_PROGRAM("connection", the_work_of_a_client_that_left_is_cancelled,
             a_client_that_only_stopped_sending_is_answered,
             who_sends_too_slowly_is_cut,
             who_goes_on_sending_after_the_deadline_can_read_the_answer,
             a_request_that_waits_in_the_pool_is_not_cut,
             too_many_connections_are_told_so,
             the_last_answer_reaches_who_has_asked_for_more)
