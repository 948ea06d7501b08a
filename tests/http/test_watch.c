#include "http/site_fixture.h"
#include "http/socket_state.h"
#include "http/watch.h"

#include <netinet/tcp.h>
#include <pthread.h>

static struct fixture f;

#define LIVEZ "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
static double counted(const char *series)
{
    const char *text = ask(&f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *line = strstr(text, series);
    ck_assert_msg(line != NULL, "no %s", series);
    return atof(line + strlen(series));
}

/* Without a word: it asked for nothing. threats 27, 92 */
START_TEST(who_never_sends_a_byte_is_closed_at_the_header_deadline)
{
    static const char *const flags[] = {"--header-timeout", "150ms", NULL};
    fixture_start(&f, flags);
    int64_t begun = clock_now_ns();
    int fd = client_open(&f);
    ck_assert(client_is_closed(fd));
    int64_t took_ms = (clock_now_ns() - begun) / NS_PER_MS;
    ck_assert_int_ge(took_ms, 140);
    ck_assert_int_lt(took_ms, 1000);
    close(fd);
    await(atomic_load(&f.site.connections) == 0);
    ck_assert_double_eq(counted("\nattentiond_connections_cut_total "), 1);
    await(atomic_load(&f.site.connections) == 0);
    ck_assert_double_eq(counted("\nattentiond_connections "), 1);
    fixture_end(&f, false);
}
END_TEST

/* threat 92 */
START_TEST(a_request_line_in_pieces_is_answered_408)
{
    static const char *const flags[] = {"--header-timeout", "150ms", NULL};
    fixture_start(&f, flags);
    ASSERT_STARTS(ask(&f, "GE"), "HTTP/1.1 408 ");

    int fd = client_open(&f); /* so is a second one */
    client_send(fd, LIVEZ);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    client_send(fd, "GE");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 408 ");
    ck_assert(client_is_closed(fd));
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* threat 15 */
START_TEST(a_request_that_ends_too_early_is_given_up)
{
    static const char *const no_flags[] = {NULL};
    static const char *const requests[] = {
        POST_HEAD "Content-Length: 7\r\n\r\n{\"a\"",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc",
        POST_HEAD,
    };
    fixture_start(&f, no_flags);
    for (size_t i = 0; i < 3; i++) {
        int fd = client_open(&f);
        setsockopt(fd, IPPROTO_TCP, TCP_CORK, &(int){1}, sizeof(int));
        client_send(fd, requests[i]);
        shutdown(fd, SHUT_WR); /* in one segment with the FIN */
        ck_assert(client_is_closed(fd));
        close(fd);
    }
    await(counted("\nattentiond_cancelled_total{stage=\"receive\"} ") >= 3);
    ck_assert_double_eq(counted("\nattentiond_cancelled_total{stage=\"receive\"} "), 3);
    ck_assert_uint_eq(atomic_load(&f.site.service->taken), 0);

    int fd = client_open(&f); /* nor does one that was whole keep its connection */
    setsockopt(fd, IPPROTO_TCP, TCP_CORK, &(int){1}, sizeof(int));
    client_send(fd, LIVEZ);
    shutdown(fd, SHUT_WR);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    ck_assert(client_is_closed(fd));
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* As many as fill all buffers, of some 100 KB each. */
enum { MANY = 40 };

static int ask_for_much(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = 16 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    const char *port = strrchr(server_address(f.server), ':') + 1;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    struct timeval patience = {.tv_sec = 3};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int i = 0; i < MANY; i++)
        client_send(fd, "GET /openapi.yaml HTTP/1.1\r\nHost: a\r\n\r\n");
    return fd;
}

/* threat 93 */
START_TEST(who_takes_nothing_of_its_answer_is_cut)
{
    static const char *const flags[] = {"--write-timeout", "200ms", NULL};
    fixture_start(&f, flags);
    int fd = ask_for_much();
    int64_t begun = clock_now_ns();
    await(atomic_load(&f.site.connections) == 1);
    await(atomic_load(&f.site.connections) == 0);
    ck_assert_int_ge((clock_now_ns() - begun) / NS_PER_MS, 190);
    close(fd);
    ck_assert_double_eq(counted("\nattentiond_connections_cut_total "), 1);
    fixture_end(&f, false);
}
END_TEST

START_TEST(who_reads_slowly_is_not)
{
    static const char *const flags[] = {"--write-timeout", "100ms", NULL};
    fixture_start(&f, flags);
    int fd = ask_for_much();
    static char bytes[64 * 1024];
    for (int i = 0; i < 10; i++) {
        ck_assert_int_gt(recv(fd, bytes, sizeof bytes, 0), 0);
        nanosleep(&(struct timespec){0, 30000000}, NULL);
    }
    ck_assert_uint_eq(atomic_load(&f.site.connections), 1);
    close(fd);
    await(atomic_load(&f.site.connections) == 0);
    ck_assert_double_eq(counted("\nattentiond_connections_cut_total "), 0);
    fixture_end(&f, false);
}
END_TEST

/* Its timer counts whole seconds. */
static void start_on_a_file(const char *const *times)
{
    static char bind[64];
    snprintf(bind, sizeof bind, "unix:/tmp/attentiond-watch-%d.sock", (int)getpid());
    const char *flags[16] = {"--bind", bind, "--write-timeout", "100ms"};
    for (size_t i = 4; *times; i++)
        flags[i] = *times++;
    fixture_start(&f, flags);
}

/* threats 92, 98 */
START_TEST(each_wait_on_a_socket_file_has_its_own_time)
{
    static const char *const times[] = {
        "--header-timeout", "1500ms", "--body-timeout", "1500ms", "--idle-timeout",
        "1500ms",           NULL};
    static const struct {
        const char *sent, *first, *last;
    } cases[] = {
        {LIVEZ, "HTTP/1.1 200 ", ""},
        {JSON_REQUEST, "HTTP/1.1 200 ", ""},
        {LIVEZ "GE", "HTTP/1.1 200 ", "HTTP/1.1 408 "},
        {"GET /livez HTTP/1.1\r\nHost: a\r\n", NULL, "HTTP/1.1 408 "},
        {JSON_7 "\r\n{", NULL, "HTTP/1.1 408 "},
        {LIVEZ JSON_7 "\r\n{", "HTTP/1.1 200 ", "HTTP/1.1 408 "},
    };
    enum { COUNT = sizeof cases / sizeof *cases };
    start_on_a_file(times);
    int fds[COUNT];
    int64_t begun = clock_now_ns();
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = client_open(&f);
        client_send(fds[i], cases[i].sent);
        if (cases[i].first)
            ASSERT_STARTS(client_hear(fds[i]), cases[i].first);
    }
    for (size_t i = 0; i < COUNT; i++) {
        const char *last = client_hear(fds[i]);
        ck_assert_int_ge((clock_now_ns() - begun) / NS_PER_MS, 1400);
        ck_assert_msg(*cases[i].last || !*last, "%zu: %s", i, last);
        ASSERT_STARTS(last, cases[i].last);
        ck_assert(*cases[i].last == '\0' || client_is_closed(fds[i]));
        close(fds[i]);
    }
    ck_assert_double_eq(counted("\nattentiond_connections_cut_total "), COUNT);
    ck_assert_double_eq(counted("\nattentiond_cancelled_total{stage=\"receive\"} "), 0);
    fixture_end(&f, false);
}
END_TEST

/* threat 93 */
START_TEST(who_takes_nothing_of_its_answer_over_a_socket_file_is_cut)
{
    static const char *const times[] = {NULL};
    start_on_a_file(times);
    int fd = client_open(&f);
    for (int i = 0; i < MANY; i++)
        client_send(fd, "GET /openapi.yaml HTTP/1.1\r\nHost: a\r\n\r\n");
    int64_t begun = clock_now_ns();
    await(atomic_load(&f.site.connections) == 1);
    await(atomic_load(&f.site.connections) == 0);
    ck_assert_int_ge((clock_now_ns() - begun) / NS_PER_MS, 800);
    close(fd);
    ck_assert_double_eq(counted("\nattentiond_connections_cut_total "), 1);
    ck_assert_double_eq(counted("\nattentiond_cancelled_total{stage=\"send\"} "), 1);
    fixture_end(&f, false);
}
END_TEST

START_TEST(what_takes_long_to_compute_is_answered_over_a_socket_file)
{
    static const char *const times[] = {NULL};
    start_on_a_file(times);
    int fd = client_open(&f);
    for (int i = 0; i < 2; i++) {
        atomic_store(&f.site.service->hold, true);
        client_send(fd, JSON_REQUEST);
        nanosleep(&(struct timespec){1, 300000000}, NULL);
        atomic_store(&f.site.service->hold, false);
        ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    }
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* threat 98 */
START_TEST(a_connection_has_so_many_requests)
{
    static const char *const flags[] = {"--connection-requests", "3", NULL};
    fixture_start(&f, flags);
    int fd = client_open(&f);
    for (int i = 1; i <= 3; i++) {
        client_send(fd, LIVEZ);
        const char *answer = client_hear(fd);
        ASSERT_STARTS(answer, "HTTP/1.1 200 ");
        ck_assert((strstr(answer, "\r\nConnection: close\r\n") != NULL) == (i == 3));
    }
    ck_assert(client_is_closed(fd));
    close(fd);
    fixture_end(&f, false);
}
END_TEST

static char body[(1 << 20) + 1]; /* more than is read on */

static const char *post(int fd, int length, const char *more, bool sent)
{
    char head[256];
    snprintf(head, sizeof head, POST_HEAD "%sContent-Length: %d\r\n\r\n", more, length);
    client_send(fd, head);
    if (sent)
        client_send_bytes(fd, body, (size_t)length);
    return client_hear(fd);
}

/* threat 85 */
START_TEST(a_full_pool_is_said_before_the_body_is_kept)
{
    static const char *const no_flags[] = {NULL};
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->full, true);
    memset(body, ' ', sizeof body);
    int fd = client_open(&f);
    for (int i = 0; i < 2; i++) { /* what comes soon is passed over */
        const char *answer = post(fd, 200000, "", true);
        ASSERT_STARTS(answer, "HTTP/1.1 503 ");
        ck_assert_ptr_nonnull(strstr(answer, "\r\nRetry-After: 7\r\n"));
        ck_assert_ptr_null(strstr(answer, "\r\nConnection: close\r\n"));
    }
    ASSERT_STARTS(post(fd, 200000, "Expect: 100-continue\r\n", false), "HTTP/1.1 503 ");
    ck_assert(client_is_closed(fd));
    close(fd);

    fd = client_open(&f); /* for a long one nobody waits */
    ASSERT_STARTS(post(fd, sizeof body, "", false), "HTTP/1.1 503 ");
    ck_assert(client_is_closed(fd));
    close(fd);
    ck_assert_uint_eq(atomic_load(&f.site.memory.spent), 0);
    atomic_store(&f.site.service->full, false);
    fd = client_open(&f);
    ASSERT_STARTS(post(fd, sizeof body, "", true), "HTTP/1.1 200 ");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* threat 94 */
START_TEST(room_is_made_though_nobody_comes)
{
    static const char *const flags[] = {"--connection-limit", "4", NULL};
    fixture_start(&f, flags);
    int fds[4];
    for (size_t i = 0; i < 4; i++)
        fds[i] = client_open(&f);
    await(atomic_load(&f.site.connections) == 4);
    await(atomic_load(&f.site.connections) == 3);
    ASSERT_STARTS(ask(&f, LIVEZ), "HTTP/1.1 200 "); /* the first one that asks */
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    fixture_end(&f, false);
}
END_TEST

/* threat 94 */
START_TEST(what_rests_gives_way_when_there_is_no_room)
{
    static const char *const flags[] = {"--connection-limit",
                                        "32",
                                        "--metrics-bind",
                                        "127.0.0.1",
                                        "--metrics-port",
                                        "0",
                                        NULL};
    fixture_start(&f, flags);
    int fds[32];
    for (size_t i = 0; i < 32; i++) {
        fds[i] = client_open(&f);
        client_send(fds[i], i % 2 ? LIVEZ : "GET /livez HTTP/1.1\r\nX: ");
        if (i % 2)
            ASSERT_STARTS(client_hear(fds[i]), "HTTP/1.1 200 ");
    }
    await(atomic_load(&f.site.connections) == 32);
    client_send(fds[5], LIVEZ); /* so the order of their rest is another */
    ASSERT_STARTS(client_hear(fds[5]), "HTTP/1.1 200 ");
    ASSERT_STARTS(ask(&f, LIVEZ), "HTTP/1.1 503 "); /* they have not rested long */

    int fd = client_open_address(server_metrics_address(f.server));
    client_send(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"); /* but operators */
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    close(fd);
    client_send(fds[5], LIVEZ); /* an old one that has rested least */
    ASSERT_STARTS(client_hear(fds[5]), "HTTP/1.1 200 ");
    nanosleep(&(struct timespec){0, 800000000}, NULL);
    client_send(fds[1], LIVEZ); /* so it has not rested */
    ASSERT_STARTS(client_hear(fds[1]), "HTTP/1.1 200 ");
    bool served = false; /* once: the next one may come before it is closed */
    await(served || (served = strncmp(ask(&f, LIVEZ), "HTTP/1.1 200 ", 13) == 0));
    size_t cut = 0; /* who waits for nothing hears an end, or a 408 */
    for (size_t i = 0; i < 32; i++)
        cut += poll(&(struct pollfd){.fd = fds[i], .events = POLLIN}, 1, 0) == 1;
    ck_assert_uint_gt(cut, 0);
    for (size_t i = 1; i <= 5; i += 4) {
        client_send(fds[i], LIVEZ);
        ASSERT_STARTS(client_hear(fds[i]), "HTTP/1.1 200 ");
    }
    for (size_t i = 0; i < 32; i++)
        close(fds[i]);
    fixture_end(&f, false);
}
END_TEST

/* Bodies that do not come keep nobody out; who sent the head is told why. threat 94 */
START_TEST(a_body_that_does_not_come_gives_way)
{
    static const char *const flags[] = {"--connection-limit", "4", NULL};
    fixture_start(&f, flags);
    int fds[4];
    for (size_t i = 0; i < 4; i++) {
        fds[i] = client_open(&f);
        client_send(fds[i], POST_HEAD "Content-Length: 1000\r\n"
                                      "Expect: 100-continue\r\n\r\n ");
        ASSERT_STARTS(client_hear(fds[i]), "HTTP/1.1 100 ");
    }
    ASSERT_STARTS(ask(&f, LIVEZ), "HTTP/1.1 503 "); /* they have not stalled long */
    nanosleep(&(struct timespec){0, 700000000}, NULL);
    client_send(fds[3], " "); /* so it has not stalled */
    bool served = false;
    await(served || (served = strncmp(ask(&f, LIVEZ), "HTTP/1.1 200 ", 13) == 0));
    const char *answer = client_hear(fds[0]);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "nothing more of the body came");
    ASSERT_HAS(answer, "(connection_limit)");
    ASSERT_HAS(answer, "Retry-After: 1\r\n");
    ck_assert_int_eq(poll(&(struct pollfd){.fd = fds[3], .events = POLLIN}, 1, 0), 0);
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    fixture_end(&f, false);
}
END_TEST

/* Nor do they keep most of the memory. threat 94 */
START_TEST(a_body_that_stalls_gives_up_scarce_memory)
{
    enum { MOST = 299999 };
    static const char *const flags[] = {"--memory-limit", "1MiB", NULL};
    static char most[MOST];
    int fds[2];
    fixture_start(&f, flags);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = client_open(&f);
        client_send(fds[i], POST_HEAD "Content-Length: 300000\r\n\r\n");
        client_send_bytes(fds[i], most, MOST);
        await(atomic_load(&f.site.memory.spent) / MOST == i + 1); /* not both at once */
    }
    const char *answer = client_hear(fds[0]);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:out-of-memory");
    ASSERT_HAS(answer, "nothing more of the body came");
    for (size_t i = 0; i < 2; i++)
        close(fds[i]);
    await(atomic_load(&f.site.memory.spent) == 0);
    fixture_end(&f, false);
}
END_TEST

/* While connections are scarce: then an answer has a rate, too. threat 93 */
START_TEST(who_reads_slowly_gives_way)
{
    static const char *const flags[] = {"--write-timeout",
                                        "100ms",
                                        "--connection-limit",
                                        "4",
                                        "--body-rate",
                                        "1GiB",
                                        NULL};
    static char bytes[64 * 1024];
    int others[3];
    bool cut = false;
    fixture_start(&f, flags);
    for (size_t i = 0; i < 3; i++)
        others[i] = client_open(&f);
    int fd = ask_for_much();
    await(atomic_load(&f.site.connections) == 4);
    for (int i = 0; i < 10 && !cut; i++) {
        cut = recv(fd, bytes, sizeof bytes, 0) <= 0;
        nanosleep(&(struct timespec){0, 30000000}, NULL);
        cut |= atomic_load(&f.site.connections) == 3;
    }
    ck_assert(cut);
    close(fd);
    for (size_t i = 0; i < 3; i++)
        close(others[i]);
    fixture_end(&f, false);
}
END_TEST

START_TEST(of_a_socket_that_is_no_tcp_little_is_known)
{
    int fds[2];
    uint64_t taken, waiting;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert(socket_has_received(fds[0]));
    ck_assert(!socket_sending(fds[0], &taken, &waiting));
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* Which a drain waits for, however busy the machine is. threat 100 */
START_TEST(a_request_that_nobody_has_read_is_seen)
{
    struct error e = {0};
    int ends[2];
    struct watch *w = watch_new(&e);
    ck_assert_ptr_nonnull(w);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    f.site.settings = &f.settings;
    const struct front front = {.site = &f.site, .watch = w};
    struct exchange *x = calloc(1, sizeof *x);
    ck_assert_ptr_nonnull(x);
    x->front = &front;
    x->fd = ends[0];
    x->deadline_ns = INT64_MAX;
    x->rests_ns = clock_now_ns();
    ck_assert(watch_add(w, x));
    ck_assert(!watch_sees_request(w));
    client_send(ends[1], "G");
    ck_assert(watch_sees_request(w));
    atomic_store(&x->phase, PHASE_HEAD);
    ck_assert(!watch_sees_request(w));
    atomic_store(&x->phase, PHASE_CUT); /* and who was just told something */
    ck_assert(!watch_sees_request(w));
    watch_remove(w, x);
    x->cut.bytes = 1;
    x->gone_ns = INT64_MAX;
    ck_assert(watch_add(w, x));
    ck_assert(watch_sees_request(w));
    watch_remove(w, x);
    ck_assert(!watch_sees_request(w));
    watch_delete(w);
    free(x);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* A connection without a socket, that has rested for so long. */
static void rest(struct watch *w, struct exchange *x, const struct front *front,
                 int rested_s)
{
    x->front = front;
    x->fd = x->wire.fd = -1;
    x->requests = 1;
    x->deadline_ns = INT64_MAX;
    x->rests_ns = clock_now_ns() - rested_s * NS_PER_S;
    ck_assert(watch_add(w, x));
}

/* Whatever their places in the list. threat 94 */
START_TEST(those_give_way_that_have_rested_longest)
{
    static const int rested_s[] = {5, 9, 7, 3, 8};
    enum { COUNT = 5, GONE = 3 };
    struct error e = {0};
    struct watch *w = watch_new(&e);
    struct exchange *x = calloc(COUNT, sizeof *x);
    ck_assert(w && x);
    f.site.settings = &f.settings;
    f.site.metrics = metrics_new(NULL, 0);
    const struct front front = {.site = &f.site, .watch = w};
    for (size_t i = 0; i < COUNT; i++)
        rest(w, &x[i], &front, rested_s[i]);
    ck_assert_uint_eq(watch_make_room(w, GONE), GONE);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert(exchange_was_cut(&x[i]) == (rested_s[i] > 5));
        watch_remove(w, &x[i]);
    }
    watch_delete(w);
    metrics_delete(f.site.metrics);
    free(x);
}
END_TEST

enum { CROWD = 64 };
static struct exchange *crowd;
static _Atomic bool crowd_goes_on;

/* Requests come, are answered, and come again; a connection that was cut is replaced by
 * another. NULL, unless one was cut that did not rest. */
static void *ask_and_rest(void *unused)
{
    (void)unused;
    bool asked[CROWD] = {false}, right = true;
    for (size_t i = 0; right && atomic_load(&crowd_goes_on); i = (i + 1) % CROWD) {
        struct exchange *x = &crowd[i];
        right = !asked[i] || exchange_enter(x, PHASE_ANSWERING, PHASE_IDLE);
        asked[i] = !asked[i] && exchange_enter(x, PHASE_IDLE, PHASE_ANSWERING);
        if (atomic_load(&x->phase) == PHASE_CUT && !asked[i])
            atomic_store(&x->phase, PHASE_IDLE);
    }
    return right ? NULL : &crowd_goes_on;
}

/* Its worker would wait for ever to give the answer back. threat 94 */
START_TEST(who_asks_while_room_is_made_is_not_cut)
{
    struct error e = {0};
    struct watch *w = watch_new(&e);
    crowd = calloc(CROWD, sizeof *crowd);
    ck_assert(w && crowd);
    f.site.settings = &f.settings;
    f.site.metrics = metrics_new(NULL, 0);
    const struct front front = {.site = &f.site, .watch = w};
    for (size_t i = 0; i < CROWD; i++)
        rest(w, &crowd[i], &front, 10);
    pthread_t thread;
    void *wrong;
    atomic_store(&crowd_goes_on, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_and_rest, NULL), 0);
    for (int64_t until = clock_now_ns() + NS_PER_S / 10; clock_now_ns() < until;)
        watch_make_room(w, CROWD);
    atomic_store(&crowd_goes_on, false);
    pthread_join(thread, &wrong);
    ck_assert_ptr_null(wrong);
    for (size_t i = 0; i < CROWD; i++)
        watch_remove(w, &crowd[i]);
    watch_delete(w);
    metrics_delete(f.site.metrics);
    free(crowd);
}
END_TEST

TEST_PROGRAM(
    "watch", who_never_sends_a_byte_is_closed_at_the_header_deadline,
    a_request_line_in_pieces_is_answered_408, a_request_that_ends_too_early_is_given_up,
    who_takes_nothing_of_its_answer_is_cut, who_reads_slowly_is_not,
    each_wait_on_a_socket_file_has_its_own_time,
    who_takes_nothing_of_its_answer_over_a_socket_file_is_cut,
    what_takes_long_to_compute_is_answered_over_a_socket_file,
    a_connection_has_so_many_requests, a_full_pool_is_said_before_the_body_is_kept,
    room_is_made_though_nobody_comes, what_rests_gives_way_when_there_is_no_room,
    a_body_that_does_not_come_gives_way, a_body_that_stalls_gives_up_scarce_memory,
    who_reads_slowly_gives_way, of_a_socket_that_is_no_tcp_little_is_known,
    a_request_that_nobody_has_read_is_seen, those_give_way_that_have_rested_longest,
    who_asks_while_room_is_made_is_not_cut)
