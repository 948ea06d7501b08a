/* Every call of the HTTP side that may fail does so once, and then from there on. */
#include "faults/failing.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "http/request_id.h"
#include "http/site_fixture.h"

static struct fixture f;
static const char *const no_flags[] = {NULL};

/* As a start of the service does it; false with `e` set. */
static bool open_and_close(struct settings *settings, struct error *e)
{
    const struct machine machine = {.cpus = 1, .memory = (size_t)1 << 30};
    struct site site;
    struct server *server = NULL;
    if (site_open(&site, settings, &machine, e))
        server = server_new(&site, e);
    if (server)
        server_delete(server);
    site_close(&site);
    return server != NULL;
}

START_TEST(a_start_that_fails_says_why_and_leaves_nothing)
{
    static const char *const starts[][3] = {
        {"--port=0"},
        {"--port=0", "--metrics-port=0"},
    };
    for (int i = 0; i < 4; i++) {
        char *argv[5] = {strdup("attentiond")}, *none = NULL;
        int argc = 1;
        for (size_t k = 0; k < 3 && starts[i / 2][k]; k++)
            argv[argc++] = strdup(starts[i / 2][k]);
        struct settings settings;
        enum settings_action action;
        struct error e = {0};
        ck_assert(settings_load(&settings, argc, argv, &none, &action, &e));
        log_configure(STDERR_FILENO, LOG_TEXT, LOG_ERROR);

        unsigned calls, k = 0;
        do {
            e = (struct error){0};
            failing_begin(++k, i % 2);
            bool opened = open_and_close(&settings, &e);
            calls = failing_end();
            ck_assert(opened != (e.code != ERROR_NONE));
            ck_assert(opened || (k <= calls && e.message[0] != '\0'));
        } while (k <= calls);
        ck_assert_uint_gt(k, 6);
        while (argc > 0)
            free(argv[--argc]);
    }
}
END_TEST

#define LAST  "Connection: close\r\n"
#define CHUNK "1000\r\n%04096d\r\n"

/* What is asked, and the status that it deserves. */
static const struct {
    const char *request, *status;
    size_t chunks;  /* of 4096 bytes, in the place of a body */
    size_t windows; /* of the answer */
    size_t pieces;
} scenes[] = {
    {POST_HEAD LAST "Content-Length: 7\r\n\r\n{\"a\":1}", "200", 0, 0, 0},
    {POST_HEAD LAST "Transfer-Encoding: chunked\r\n\r\n", "200", 80, 0, 0},
    {POST_HEAD LAST "Content-Length: 7\r\n\r\n{\"a\":1}", "200", 0, 3, 0},
    {POST_HEAD LAST "Content-Length: 7\r\n\r\n{\"a\":1}", "200", 0, 0, 9000},
    {POST_HEAD LAST "Content-Length: 7\r\nAccept: image/png\r\n\r\n{\"a\":1}", "406", 0,
     0, 0},
    {"POST /v1/attention HTTP/1.1\r\nHost: a\r\n" LAST "Content-Length: 1\r\n\r\n1",
     "415", 0, 0, 0},
    {"GET /v1/attention HTTP/1.1\r\nHost: a\r\n" LAST "\r\n", "405", 0, 0, 0},
    {"OPTIONS /v1/attention HTTP/1.1\r\nHost: a\r\n" LAST "\r\n", "204", 0, 0, 0},
    {"GET /v1/info HTTP/1.1\r\nHost: a\r\n" LAST "\r\n", "200", 0, 0, 0},
    {"GET /openapi.json HTTP/1.1\r\nHost: a\r\n" LAST "\r\n", "200", 0, 0, 0},
    {"GET /metrics HTTP/1.1\r\nHost: a\r\n" LAST "\r\n", "200", 0, 0, 0},
    {"GET /metrics/requests?limit=1 HTTP/1.1\r\nHost: a\r\n" LAST "\r\n", "200", 0, 0,
     0},
    {"HEAD /livez HTTP/1.1\r\nHost: a\r\n" LAST "\r\n", "200", 0, 0, 0},
    {"GET /nowhere HTTP/1.1\r\nHost: a\r\n" LAST "\r\n", "404", 0, 0, 0},
};
enum { SCENES = sizeof scenes / sizeof *scenes };

/* The whole of what comes until the service closes. */
static const char *play(size_t scene)
{
    static char text[1 << 20];
    size_t length = 0;
    ssize_t n;
    int fd = client_open(&f);
    client_send(fd, scenes[scene].request);
    for (size_t i = 0; i < scenes[scene].chunks; i++) {
        char chunk[4200];
        snprintf(chunk, sizeof chunk, CHUNK, 1);
        client_send(fd, chunk);
    }
    if (scenes[scene].chunks)
        client_send(fd, "0\r\n\r\n");
    while (length < sizeof text - 1 &&
           (n = recv(fd, text + length, sizeof text - 1 - length, 0)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    close(fd);
    await(atomic_load(&f.site.connections) == 0 && atomic_load(&f.site.in_flight) == 0);
    return text;
}

/* What was asked for, a problem, or a connection that was closed or cut. */
static void check_answer(const char *answer, const char *status, unsigned k)
{
    if (!*answer)
        return;
    char line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
    bool wanted = strncmp(answer, line, strlen(line)) == 0;
    bool problem = strncmp(answer, "HTTP/1.1 503 ", 13) == 0 &&
                   strstr(answer, "\r\nContent-Type: application/problem+json\r\n");
    ck_assert_msg(wanted || problem, "call %u: %s", k, answer);
    ck_assert(problem || strstr(answer, "\r\nX-Request-Id: "));
    ck_assert(strstr(answer, "\r\n\r\n"));
}

/* threat 88 */
START_TEST(a_request_in_which_a_call_fails_is_answered_or_closed_and_the_next_is_served)
{
    fixture_start(&f, no_flags);
    failing_spare();
    size_t scene = (size_t)_i / 2;
    atomic_store(&f.site.service->windows, scenes[scene].windows);
    atomic_store(&f.site.service->pieces, scenes[scene].pieces);
    char whole[32];
    snprintf(whole, sizeof whole, "HTTP/1.1 %s ", scenes[scene].status);
    unsigned calls, k = 0, answered = 0;
    do {
        failing_begin(++k, _i % 2);
        const char *answer = play(scene);
        calls = failing_end();
        check_answer(answer, scenes[scene].status, k);
        answered += *answer != '\0';
        ck_assert(strncmp(play(scene), whole, strlen(whole)) == 0);
    } while (k <= calls);
    ck_assert_uint_ge(k, 4);
    ck_assert_uint_gt(answered, 0);
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_start_with_a_certificate_that_is_not_there_says_so)
{
    char program[] = "attentiond", certificate[] = "--tls-certificate=/nowhere/a",
         key[] = "--tls-key=/nowhere/b", *none = NULL;
    char *argv[] = {program, certificate, key, NULL};
    struct settings settings;
    enum settings_action action;
    struct error e = {0};
    ck_assert(settings_load(&settings, 3, argv, &none, &action, &e));
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_ERROR);
    ck_assert(!open_and_close(&settings, &e));
    ck_assert_msg(strstr(e.message, "/nowhere/a"), "%s", e.message);
}
END_TEST

START_TEST(the_first_connection_of_all_may_be_lost_and_no_other)
{
    fixture_start(&f, no_flags);
    failing_spare();
    failing_begin(2, false); /* the list it is put into */
    ck_assert_str_eq(play(0), "");
    ck_assert_uint_eq(failing_end(), 2);
    ck_assert(strncmp(play(0), "HTTP/1.1 200 ", 13) == 0);
    fixture_end(&f, false);
}
END_TEST

/* The library's threads need some of their own. */
START_TEST(a_start_without_enough_descriptors_says_so)
{
    char program[] = "attentiond", port[] = "--port=0", *none = NULL;
    char *argv[] = {program, port, NULL};
    struct settings settings;
    enum settings_action action;
    struct error e = {0};
    ck_assert(settings_load(&settings, 2, argv, &none, &action, &e));
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_ERROR);
    struct rlimit before, few;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    int first = dup(0);
    close(first);
    bool opened = false, threads = false;
    for (int more = 0; more < 32 && !opened; more++) {
        few = before;
        few.rlim_cur = (rlim_t)(first + more);
        setrlimit(RLIMIT_NOFILE, &few);
        e = (struct error){0};
        opened = open_and_close(&settings, &e);
        setrlimit(RLIMIT_NOFILE, &before);
        ck_assert(opened != (e.code != ERROR_NONE));
        threads = threads || strstr(e.message, "the HTTP threads cannot be started");
    }
    ck_assert(opened && threads);
}
END_TEST

START_TEST(without_descriptors_accepting_pauses_and_goes_on)
{
    fixture_start(&f, no_flags);
    failing_spare();
    int fd = client_open(&f);
    failing_begin_accepts();
    int late = client_open(&f);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    unsigned refused = failing_end();
    ck_assert(refused >= 1 && refused <= 3); /* it does not try again and again */
    static const char ready[] = "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";
    client_send(late, ready);
    ck_assert(strncmp(client_hear(late), "HTTP/1.1 200 ", 13) == 0);
    close(fd);
    close(late);
    fixture_end(&f, false);
}
END_TEST

#define READY "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"

static void expect_status(int fd, const char *status)
{
    client_send(fd, READY);
    const char *answer = client_hear(fd);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 ", 9) == 0 &&
                      strncmp(answer + 9, status, 3) == 0,
                  "not %s: %s", status, answer);
}

static void expect_end(int fd)
{
    ck_assert(client_is_closed(fd));
    close(fd);
}

static const char *const four[] = {"--connection-limit", "4", NULL};

/* threat 94 */
START_TEST(a_connection_the_library_does_not_take_is_not_open)
{
    fixture_start(&f, four);
    failing_begin_adds(_i ? ADDS_LOST : ADDS_REFUSED);
    for (int i = 0; i < 12; i++)
        expect_end(client_open(&f));
    failing_end();
    int fds[4];
    for (int i = 0; i < 4; i++)
        expect_status(fds[i] = client_open(&f), "200");
    ck_assert_uint_eq(atomic_load(&f.site.connections), 4);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    await(atomic_load(&f.site.connections) == 0);
    for (int i = 0; i < 80; i++) { /* more than may arrive at a time */
        expect_status(fds[0] = client_open(&f), "200");
        close(fds[0]);
        await(atomic_load(&f.site.connections) == 0);
    }

    failing_begin_adds(ADDS_LOST); /* a drain does not wait for it */
    expect_end(client_open(&f));
    failing_end();
    fixture_stop_accepting(&f);
    ck_assert(!server_is_owed(f.server));
    ck_assert_int_eq(write(f.wake[1], "x", 1), 1);
    ck_assert(drain(f.server, &f.site, f.wake[0]));
    fixture_end(&f, true);
}
END_TEST

/* However slow the library's threads are. threat 94 */
START_TEST(what_was_given_to_the_library_counts_at_once)
{
    fixture_start(&f, four);
    failing_begin_adds(ADDS_SLOW);
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = client_open(&f);
    await(atomic_load(&failing_slow_count) == 4);
    int fd = client_open(&f);
    expect_status(fd, "503");
    close(fd);
    failing_end();
    fd = client_open(&f);
    expect_status(fd, "503");
    close(fd);
    fixture_stop_accepting(&f);
    ck_assert(server_is_owed(f.server));
    for (int i = 0; i < 4; i++)
        close(failing_slow[i]); /* as if there was no memory */
    ck_assert_int_eq(pthread_create(&f.acceptor, NULL, accept_connections, &f), 0);
    fd = client_open(&f);
    expect_status(fd, "200");
    close(fd);
    for (int i = 0; i < 4; i++)
        expect_end(fds[i]);
    fixture_end(&f, false);
}
END_TEST

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

/* No further one can be opened. Returns what there is to be closed for that to end, and
 * in `before` the limit. */
static int use_up_descriptors(struct rlimit *before, int taken[1024])
{
    int highest = 1023, count = 0;
    while (fcntl(highest, F_GETFD) == -1)
        highest--;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, before), 0);
    struct rlimit few = *before;
    few.rlim_cur = (rlim_t)highest + 1;
    setrlimit(RLIMIT_NOFILE, &few);
    while ((taken[count] = dup(0)) >= 0)
        count++;
    return count;
}

/* What is answered while it is still to be sent; another descriptor is needed to read
 * it on. */
static const char *const small_bodies[] = {"--body-limit", "1KiB", NULL};
static const char upload[] = POST_HEAD "Content-Length: 100000\r\n\r\n";

START_TEST(without_descriptors_who_was_answered_is_not_read_on)
{
    static int taken[1024];
    fixture_start(&f, small_bodies);
    failing_spare();
    int fd = client_open(&f);
    await(atomic_load(&f.site.connections) == 1);
    struct rlimit before;
    int count = use_up_descriptors(&before, taken);
    client_send(fd, upload);
    await(atomic_load(&f.site.connections) == 0);
    await(client_is_reset(fd));
    setrlimit(RLIMIT_NOFILE, &before);
    while (count > 0)
        close(taken[--count]);
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* Who comes, and who ends, gets the descriptors of those that were answered and are
 * only read on. threat 89 */
START_TEST(without_descriptors_who_was_answered_gives_way)
{
    static int taken[1024];
    fixture_start(&f, small_bodies);
    failing_spare();
    fixture_stop_accepting(&f);
    int fds[3], late = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 3; i++)
        fds[i] = client_open(&f);
    while (atomic_load(&f.site.connections) < 3)
        server_accept(f.server, f.wake[0], 100);
    int open = open_descriptors();
    for (int i = 0; i < 2; i++) {
        client_send(fds[i], upload);
        ck_assert(strncmp(client_hear(fds[i]), "HTTP/1.1 413 ", 13) == 0);
        await(atomic_load(&f.site.connections) == (size_t)(2 - i));
    }
    await(open_descriptors() == open); /* another for each connection */
    struct rlimit before;
    int count = use_up_descriptors(&before, taken);

    const char *port = strrchr(server_address(f.server), ':') + 1;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(connect(late, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert(!server_accept(f.server, f.wake[0], 1000));
    ck_assert_uint_eq(atomic_load(&f.site.connections), 2); /* in one call */
    await(client_is_reset(fds[0]));

    client_send(fds[2], upload);
    ck_assert(strncmp(client_hear(fds[2]), "HTTP/1.1 413 ", 13) == 0);
    await(client_is_reset(fds[1]));
    ck_assert(!client_is_reset(fds[2]));
    setrlimit(RLIMIT_NOFILE, &before);
    expect_status(late, "200");
    while (count > 0)
        close(taken[--count]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(late);
    ck_assert_int_eq(write(f.wake[1], "x", 1), 1);
    ck_assert(drain(f.server, &f.site, f.wake[0]));
    fixture_end(&f, true);
}
END_TEST

/* In the first moments of a machine there are none. */
START_TEST(ids_differ_without_random_bytes)
{
    enum { IDS = 64 };
    char ids[IDS][REQUEST_ID_BYTES];
    failing_begin(1, true);
    for (int i = 0; i < IDS; i++)
        request_id_generate(ids[i]);
    ck_assert_uint_eq(failing_end(), IDS);
    for (int i = 0; i < IDS; i++) {
        ck_assert(request_id_valid(ids[i]));
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(ids[i], ids[k]);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("site_faults");
    tcase_set_timeout(tcase, 15);
    tcase_add_test(tcase, a_start_that_fails_says_why_and_leaves_nothing);
    tcase_add_loop_test(
        tcase,
        a_request_in_which_a_call_fails_is_answered_or_closed_and_the_next_is_served, 0,
        2 * SCENES);
    tcase_add_test(tcase, a_start_with_a_certificate_that_is_not_there_says_so);
    tcase_add_test(tcase, the_first_connection_of_all_may_be_lost_and_no_other);
    tcase_add_test(tcase, a_start_without_enough_descriptors_says_so);
    tcase_add_test(tcase, without_descriptors_accepting_pauses_and_goes_on);
    tcase_add_loop_test(tcase, a_connection_the_library_does_not_take_is_not_open, 0,
                        2);
    tcase_add_test(tcase, what_was_given_to_the_library_counts_at_once);
    tcase_add_test(tcase, without_descriptors_who_was_answered_is_not_read_on);
    tcase_add_test(tcase, without_descriptors_who_was_answered_gives_way);
    tcase_add_test(tcase, ids_differ_without_random_bytes);
    Suite *suite = suite_create("site_faults");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
