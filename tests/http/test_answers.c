/* What becomes of what the pool says, and of what the site is in no state to do. */
#include <signal.h>
#include <sys/signalfd.h>

#include "http/reply.h"
#include "http/site_fixture.h"

static struct fixture f;
static const char *const no_flags[] = {NULL};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

START_TEST(what_a_call_ends_with_has_its_status)
{
    static const struct {
        enum error_code code;
        const char *status, *type, *more;
        bool closed;
    } cases[] = {
        {ERROR_INVALID_JSON, "400", "invalid-json", "", false},
        {ERROR_EMPTY_BODY, "400", "empty-body", "", false},
        {ERROR_INVALID_INPUT, "422", "invalid-input", "\"errors\":[", false},
        {ERROR_TOO_LARGE, "413", "too-large", "", false},
        {ERROR_OVERLOADED, "503", "overloaded", "\r\nRetry-After: 7\r\n", false},
        {ERROR_OUT_OF_MEMORY, "503", "out-of-memory", "\r\nRetry-After: 7\r\n", false},
        {ERROR_SHUTTING_DOWN, "503", "shutting-down", "\r\nRetry-After: 1\r\n", true},
        {ERROR_DEADLINE, "504", "deadline-exceeded", "", false},
        {ERROR_INTERNAL, "500", "internal", "this is a bug; ", false},
    };
    fixture_start(&f, no_flags);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[32], type[80];
        snprintf(line, sizeof line, "HTTP/1.1 %s ", cases[i].status);
        snprintf(type, sizeof type, "\"type\":\"urn:attentiond:problem:%s\"",
                 cases[i].type);
        atomic_store(&f.site.service->error, (int)cases[i].code);
        const char *answer = ask(&f, JSON_REQUEST);
        ASSERT_STARTS(answer, line);
        ASSERT_HAS(answer, type);
        ASSERT_HAS(answer, cases[i].more);
        ck_assert(!strstr(answer, "Connection: close") == !cases[i].closed);
    }
    ck_assert_uint_eq(reply_status(ERROR_NONE), 500); /* never asked for */
    fixture_end(&f, false);
}
END_TEST

/* threat 116 */
START_TEST(of_an_internal_error_the_log_hears_all_and_the_client_nothing)
{
    int log[2];
    char text[4096];
    ck_assert_int_eq(pipe(log), 0);
    fixture_start(&f, no_flags);
    log_configure(log[1], LOG_JSON, LOG_ERROR);
    atomic_store(&f.site.service->error, ERROR_INTERNAL);
    const char *answer = ask(&f, JSON_REQUEST);
    ASSERT_STARTS(answer, "HTTP/1.1 500 ");
    ASSERT_HAS_NOT(answer, "what the test wants");

    ssize_t length = read(log[0], text, sizeof text - 1);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    ASSERT_HAS(text, "\"event\":\"internal\"");
    ASSERT_HAS(text, "\"detail\":\"what the test wants\"");
    fixture_end(&f, false);
    close(log[0]);
    close(log[1]);
}
END_TEST

START_TEST(an_answer_may_be_in_pieces_or_be_there_at_once)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->pieces, 5);
    ASSERT_HAS(ask(&f, JSON_REQUEST), "\r\n\r\n{\"bytes\": 7}");
    atomic_store(&f.site.service->small, true);
    ASSERT_HAS(ask(&f, JSON_REQUEST), "\r\n\r\n{\"bytes\": 7}");
    ck_assert_uint_eq(atomic_load(&f.site.service->taken), 1);
    atomic_store(&f.site.service->error, ERROR_INVALID_INPUT);
    ASSERT_STARTS(ask(&f, JSON_REQUEST), "HTTP/1.1 422 ");
    ck_assert_uint_eq(atomic_load(&f.site.service->taken), 1);
    fixture_end(&f, false);
}
END_TEST

START_TEST(before_it_is_ready_and_after_it_has_closed_it_says_so)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.ready, false);
    const char *answer = ask(&f, GET("/readyz"));
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:not-ready");
    ASSERT_HAS(answer, "\r\nRetry-After: 1\r\n");
    ASSERT_STARTS(ask(&f, GET("/livez")), "HTTP/1.1 200 ");
    atomic_store(&f.site.ready, true);

    int fd = client_open(&f);
    atomic_store(&f.site.closing, true);
    client_send(fd, JSON_REQUEST);
    answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:shutting-down");
    ASSERT_HAS(answer, "\r\nConnection: close\r\n");
    ck_assert(client_is_closed(fd));
    close(fd);
    atomic_store(&f.site.closing, false);
    fixture_end(&f, false);
}
END_TEST

START_TEST(the_log_of_requests_knows_one_query)
{
    static const struct {
        const char *request, *start;
    } cases[] = {
        {GET("/metrics/requests"), "HTTP/1.1 200 "},
        {GET("/metrics/requests?"), "HTTP/1.1 200 "},
        {GET("/metrics/requests?limit=1"), "HTTP/1.1 200 "},
        {GET("/metrics/requests?limit=1000"), "HTTP/1.1 200 "},
        {GET("/metrics/requests?limit=1001"), "HTTP/1.1 400 "},
        {GET("/metrics/requests?limit=65536"), "HTTP/1.1 400 "},
        {GET("/metrics/requests?limit=00001"), "HTTP/1.1 200 "},
        {GET("/metrics/requests?limit=000001"), "HTTP/1.1 400 "},
        {GET("/metrics/requests?limit="), "HTTP/1.1 400 "},
        {GET("/metrics/requests?limit=-1"), "HTTP/1.1 400 "},
        {GET("/metrics/requests?most=1"), "HTTP/1.1 400 "},
    };
    fixture_start(&f, no_flags);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(strncmp(ask(&f, cases[i].request), cases[i].start, 13) == 0,
                      "%s -> %s", cases[i].request, cases[i].start);
    char request[600];
    snprintf(request, sizeof request,
             "GET /metrics/requests?limit=1%0400d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    ASSERT_STARTS(ask(&f, request), "HTTP/1.1 400 ");
    fixture_end(&f, false);
}
END_TEST

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

/* However many are kept: it is written where other answers wait. */
START_TEST(an_answer_has_the_newest_thousand_requests_at_most)
{
    static const char *const flags[] = {"--request-log-size", "4096", NULL};
    fixture_start(&f, flags);
    struct request_record record = {.route = "/livez", .method = "GET"};
    for (unsigned i = 1; i <= 1500; i++) {
        record.status = 10000 + i;
        request_log_add(f.site.request_log, &record);
    }
    const char *answer = ask(&f, GET("/metrics/requests"));
    ASSERT_STARTS(answer, "HTTP/1.1 200 ");
    ck_assert_uint_eq(count_of(answer, "\"route\""), 1000);
    ASSERT_HAS(answer, "\r\n\r\n{\"requests\":[{");
    ASSERT_HAS(answer, "\"status\":11500,");
    ASSERT_HAS(answer, "\"status\":10501,");
    ASSERT_HAS_NOT(answer, "\"status\":10500,");
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_body_that_outgrows_the_memory_that_is_left_is_refused)
{
    static const char *const flags[] = {"--memory-limit", "1MiB", NULL};
    fixture_start(&f, flags);
    int fd = client_open(&f);
    static char chunk[64 * 1024 + 16];
    int length = snprintf(chunk, sizeof chunk, "10000\r\n%065536d\r\n", 1);
    client_send(fd, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20; i++)
        client_send_bytes(fd, chunk, (size_t)length);
    client_send(fd, "0\r\n\r\n");
    const char *answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:out-of-memory");
    close(fd);
    ck_assert_uint_eq(atomic_load(&f.site.service->taken), 0);
    await(atomic_load(&f.site.memory.spent) == 0);
    ASSERT_STARTS(ask(&f, JSON_REQUEST), "HTTP/1.1 200 ");
    fixture_end(&f, false);
}
END_TEST

static void *drain_it(void *unused)
{
    (void)unused;
    ck_assert(drain(f.server, &f.site, f.wake[0]));
    return NULL;
}

/* Whatever phase it is in; and a second stop is taken in the last one, too. */
START_TEST(a_signal_to_reload_does_not_hurry_a_drain)
{
    static const char *const flags[] = {"--drain-delay", "60ms", "--drain-timeout",
                                        "1min", NULL};
    const struct signalfd_siginfo reload = {.ssi_signo = SIGHUP};
    pthread_t drainer;
    fixture_start(&f, flags);
    atomic_store(&f.site.service->hold, true);
    int fd = client_open(&f);
    client_send(fd, JSON_REQUEST);
    await(atomic_load(&f.site.in_flight) == 1);
    fixture_stop_accepting(&f);
    ck_assert_int_eq(pthread_create(&drainer, NULL, drain_it, NULL), 0);
    await(atomic_load(&f.site.draining));
    ck_assert_int_eq(write(f.wake[1], &reload, sizeof reload), sizeof reload);
    await(atomic_load(&f.site.closing));
    ck_assert_int_eq(write(f.wake[1], &reload, sizeof reload), sizeof reload);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    ck_assert_uint_eq(atomic_load(&f.site.in_flight), 1);
    atomic_store(&f.site.service->hold, false);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    pthread_join(drainer, NULL);
    close(fd);
    fixture_end(&f, true);
}
END_TEST

/* A client that takes nothing of its answer is cut in the end. */
START_TEST(a_second_stop_ends_the_waiting_for_answers)
{
    static const char *const flags[] = {"--drain-timeout", "1min", NULL};
    pthread_t drainer;
    fixture_start(&f, flags);
    atomic_store(&f.site.service->windows, 100000000);
    int fd = client_open(&f);
    client_send(fd, JSON_REQUEST);
    await(atomic_load(&f.site.service->again) > 0);
    fixture_stop_accepting(&f);
    ck_assert_int_eq(pthread_create(&drainer, NULL, drain_it, NULL), 0);
    await(atomic_load(&f.site.closing));
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    ck_assert_uint_eq(atomic_load(&f.site.in_flight), 1);
    ck_assert_int_eq(write(f.wake[1], "x", 1), 1);
    pthread_join(drainer, NULL);
    ck_assert_uint_eq(atomic_load(&f.site.in_flight), 0);
    close(fd);
    fixture_end(&f, true);
}
END_TEST

TEST_PROGRAM("answers", what_a_call_ends_with_has_its_status,
             of_an_internal_error_the_log_hears_all_and_the_client_nothing,
             an_answer_may_be_in_pieces_or_be_there_at_once,
             before_it_is_ready_and_after_it_has_closed_it_says_so,
             the_log_of_requests_knows_one_query,
             an_answer_has_the_newest_thousand_requests_at_most,
             a_body_that_outgrows_the_memory_that_is_left_is_refused,
             a_signal_to_reload_does_not_hurry_a_drain,
             a_second_stop_ends_the_waiting_for_answers)
