#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "http/site_fixture.h"

static struct fixture f;
static const char *const no_flags[] = {NULL};

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
    client_send(working, JSON_REQUEST);
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
    ASSERT_STARTS(ask(&f, JSON_REQUEST), "HTTP/1.1 200 ");
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
    client_send(fd, JSON_REQUEST);
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
        expect_record(&f, answer, 503, "shutting-down", cases[i / 2].route);
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
    client_send(fd, JSON_REQUEST);
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
    client_send(fd, JSON_REQUEST);
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
    client_send(fd, JSON_REQUEST);
    await(atomic_load(&f.site.in_flight) == 1);
    fixture_stop_accepting(&f);
    ck_assert(!drain(f.server, &f.site, f.wake[0]));
    const char *answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:shutting-down");
    ASSERT_HAS(answer, "\r\nConnection: close\r\n");
    ck_assert(client_is_closed(fd));
    close(fd);
    expect_record(&f, answer, 503, "shutting-down", "/v1/attention");

    atomic_store(&f.site.service->stuck, false);
    await(attention_service_idle(f.site.service));
    await(atomic_load(&f.site.in_flight) == 0);
    struct request_record records[2];
    ck_assert_uint_eq(request_log_read(f.site.request_log, records, 2), 1);
    fixture_end(&f, true);
}
END_TEST

TEST_PROGRAM("drain", a_drain_answers_what_was_accepted,
             while_it_is_announced_a_drain_goes_on_serving,
             what_a_drain_cannot_finish_is_refused,
             what_has_come_in_part_when_a_drain_ends_is_refused,
             a_drain_waits_for_who_still_sends_what_was_refused,
             a_second_signal_ends_a_drain, a_signal_to_reload_does_not_hurry_a_drain,
             a_drain_ends_though_a_worker_hangs)
