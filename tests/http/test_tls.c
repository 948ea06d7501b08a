#include <errno.h>

#include "http/probe.h"
#include "http/tls_fixture.h"

static struct fixture f;
static struct secure_client c;
static const char *const no_flags[] = {NULL};

#define GET      "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
#define ONLY_1_1 "NORMAL:-VERS-ALL:+VERS-TLS1.1"
#define ONLY_1_2 "NORMAL:-VERS-ALL:+VERS-TLS1.2"

static double failed_handshakes(void)
{
    struct secure_client other;
    secure_open(&other, &f);
    secure_send(&other, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    static const char name[] = "\nattentiond_tls_handshakes_failed_total ";
    const char *line = strstr(secure_hear(&other), name);
    ck_assert_ptr_nonnull(line);
    double count = strtod(line + sizeof name - 1, NULL);
    secure_close(&other);
    return count;
}

START_TEST(a_request_over_tls_is_answered_as_over_a_plain_connection)
{
    static const char *const versions[] = {NULL, ONLY_1_2};
    tls_start(&f, no_flags);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(secure_connect(&c, client_open(&f), versions[i]), 0);
        gnutls_protocol_t version = gnutls_protocol_get_version(c.session);
        ck_assert_int_eq(version, i ? GNUTLS_TLS1_2 : GNUTLS_TLS1_3);
        gnutls_datum_t protocol;
        ck_assert_int_eq(gnutls_alpn_get_selected_protocol(c.session, &protocol), 0);
        ck_assert_mem_eq(protocol.data, "http/1.1", 8);
        ck_assert_str_eq(secure_name(&c), "one");

        for (int round = 0; round < 2; round++) { /* the connection is kept */
            secure_send(&c, JSON_7 "X-Request-Id: me.1\r\n\r\n{\"a\":1}");
            const char *answer = secure_hear(&c);
            ASSERT_STARTS(answer, "HTTP/1.1 200 ");
            ASSERT_HAS(answer, "\r\nX-Request-Id: me.1\r\n");
            ASSERT_HAS(answer, "\r\n\r\n{\"bytes\": 7}");
        }
        secure_close(&c);
    }
    tls_end(&f);
}
END_TEST

/* Its kernel waits for an acknowledgement of the last words of the handshake. */
START_TEST(a_client_that_gathers_small_pieces_is_not_kept_waiting)
{
    int quick = 0;
    tls_start(&f, no_flags);
    for (int i = 0; i < 5; i++) {
        secure_open(&c, &f);
        nanosleep(&(struct timespec){0, 3000000}, NULL);
        int64_t began_ns = clock_now_ns();
        secure_send(&c, GET);
        ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 200 ");
        int64_t ms = (clock_now_ns() - began_ns) / NS_PER_MS;
        quick += ms < 30;
        secure_close(&c);
    }
    ck_assert_int_ge(quick, 3);
    tls_end(&f);
}
END_TEST

START_TEST(a_request_may_come_in_records_of_a_byte_and_an_answer_in_windows)
{
    tls_start(&f, no_flags);
    atomic_store(&f.site.service->windows, 4);
    secure_open(&c, &f);
    for (const char *p = JSON_REQUEST; *p; p++)
        secure_send_bytes(&c, p, 1);
    char text[1024] = "";
    size_t length = 0;
    while (!strstr(text, "\r\n0\r\n\r\n")) {
        ssize_t n = secure_recv(&c, text + length, sizeof text - 1 - length);
        ck_assert_int_gt(n, 0);
        length += (size_t)n;
        text[length] = '\0';
    }
    ASSERT_HAS(text, "\r\nTransfer-Encoding: chunked\r\n");
    secure_close(&c);
    tls_end(&f);
}
END_TEST

/* What the guard keeps back comes to nothing, while other records wait. */
START_TEST(a_chunked_body_may_come_in_records_of_a_byte)
{
    tls_start(&f, no_flags);
    secure_open(&c, &f);
    for (const char *p = POST_HEAD
         "Transfer-Encoding: chunked\r\n\r\n"
         "0003;a=b\r\n{\"a\r\n4\r\n\":1}\r\n0\r\nA: b\r\n\r\n";
         *p; p++)
        secure_send_bytes(&c, p, 1);
    ASSERT_HAS(secure_hear(&c), "\r\n\r\n{\"bytes\": 7}");
    secure_send(&c, GET);
    ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 200 ");
    secure_close(&c);
    tls_end(&f);
}
END_TEST

/* threats 1-3, 5, 8-10, 12, 17-18, 25, 28-29: the second request of each is hidden. */
START_TEST(what_can_be_read_in_two_ways_is_refused_over_tls_too)
{
#define HIDDEN JSON_REQUEST
    static const struct {
        const char *head, *body, *status;
    } cases[] = {
        {"Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n", "400"},
        {"Content-Length: 0\r\nContent-Length: 0", "", "400"},
        {"Content-Length: 0\r\nContent-Length: 7", "", "400"},
        {"Content-Length: +0", "", "400"},
        {"Transfer-Encoding: gzip", "", "501"},
        {"Transfer-Encoding: gzip, chunked", "0\r\n\r\n", "501"},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n",
         "400"},
        {"Transfer-Encoding: \"chunked\"", "0\r\n\r\n", "400"},
        {"Transfer-Encoding: chunked", "+0\r\n\r\n", "400"},
        {"Transfer-Encoding: chunked", "1\r\n{0\r\n\r\n", "400"},
        {"Content-Length: 0\nA: b", "", "400"},
        {"Content-Length: 0\r\nA\001: b", "", "400"},
    };
    tls_start(&f, no_flags);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024], line[32];
        int length =
            snprintf(text, sizeof text, JSON_REQUEST POST_HEAD "%s\r\n\r\n%s%s",
                     cases[i].head, cases[i].body, HIDDEN);
        char *nul = memchr(text, 1, (size_t)length);
        if (nul)
            *nul = '\0';
        size_t before = atomic_load(&f.site.service->taken);
        secure_open(&c, &f);
        secure_send_bytes(&c, text, (size_t)length);
        ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 200 "); /* that before */
        snprintf(line, sizeof line, "HTTP/1.1 %s ", cases[i].status);
        const char *answer = secure_hear(&c);
        ck_assert_msg(strncmp(answer, line, strlen(line)) == 0, "%s\n-> %s", text,
                      answer);
        ASSERT_HAS(answer, "\r\nConnection: close\r\n");
        ck_assert(secure_is_closed(&c));
        ck_assert_uint_eq(atomic_load(&f.site.service->taken), before + 1);
        secure_close(&c);
    }
    tls_end(&f);
}
END_TEST

START_TEST(a_large_body_is_read_and_a_refusal_of_one_is_not_lost)
{
    static const char *const flags[] = {"--body-limit", "1MiB", NULL};
    enum { MOST = 1 << 20 };
    static char body[2 * MOST];
    memset(body, ' ', sizeof body);
    tls_start(&f, flags);
    secure_open(&c, &f);
    secure_send(&c, POST_HEAD "Content-Length: 1048576\r\n\r\n");
    secure_send_bytes(&c, body, MOST);
    ASSERT_HAS(secure_hear(&c), "\r\n\r\n{\"bytes\": 1048576}");
    secure_send(&c, POST_HEAD "Content-Length: 1048577\r\n\r\n");
    secure_send_bytes(&c, body, MOST + 1);
    ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 413 ");
    ck_assert(secure_is_closed(&c));
    secure_close(&c);
    tls_end(&f);
}
END_TEST

START_TEST(versions_before_1_2_are_refused)
{
    tls_start(&f, no_flags);
    int result = secure_connect(&c, client_open(&f), ONLY_1_1);
    ck_assert_int_eq(result, GNUTLS_E_FATAL_ALERT_RECEIVED);
    ck_assert_int_eq(gnutls_alert_get(c.session), GNUTLS_A_PROTOCOL_VERSION);
    secure_close(&c);
    ck_assert_double_eq(failed_handshakes(), 1);
    tls_end(&f);
}
END_TEST

/* Renegotiation lets a client have a server work for it again and again. */
START_TEST(a_renegotiation_ends_the_connection)
{
    tls_start(&f, no_flags);
    ck_assert_int_eq(secure_connect(&c, client_open(&f), ONLY_1_2), 0);
    secure_send(&c, GET);
    ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 200 ");
    ck_assert_int_lt(gnutls_handshake(c.session), 0);
    secure_close(&c);
    tls_end(&f);
}
END_TEST

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* All that comes is thrown away. False: not closed within 3 s. */
static bool is_closed_at_last(int fd)
{
    char bytes[4096];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
    }
    return n == 0 || errno == ECONNRESET;
}

/* What the client's session says first, kept back. */
static ssize_t keep_hello(gnutls_transport_ptr_t kept, const void *bytes, size_t length)
{
    struct iovec *hello = kept;
    ck_assert_uint_le(hello->iov_len + length, 4096);
    memcpy((char *)hello->iov_base + hello->iov_len, bytes, length);
    hello->iov_len += length;
    return (ssize_t)length;
}

static ssize_t pull_nothing(gnutls_transport_ptr_t session, void *to, size_t most)
{
    (void)to, (void)most;
    gnutls_transport_set_errno(*(gnutls_session_t *)session, EAGAIN);
    return -1;
}

static size_t make_hello(char hello[4096])
{
    struct iovec kept = {hello, 0};
    gnutls_session_t session;
    gnutls_certificate_credentials_t trust;
    gnutls_certificate_allocate_credentials(&trust);
    gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust);
    gnutls_transport_set_ptr2(session, &session, &kept);
    gnutls_transport_set_push_function(session, keep_hello);
    gnutls_transport_set_pull_function(session, pull_nothing);
    ck_assert_int_eq(gnutls_handshake(session), GNUTLS_E_AGAIN);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(trust);
    return kept.iov_len;
}

/* threat 92: slowly, or not at all */
START_TEST(a_handshake_that_stalls_is_cut_and_takes_no_cpu)
{
    static const char *const flags[] = {"--header-timeout", "150ms", NULL};
    tls_start(&f, flags);
    char hello[4096];
    size_t length = make_hello(hello);
    int64_t began_ns = clock_now_ns(), began_cpu_ns = cpu_ns();
    int fds[4] = {client_open(&f), client_open(&f), client_open(&f), client_open(&f)};
    client_send_bytes(fds[1], hello, 3);
    client_send_bytes(fds[2], hello, length - 1);
    client_send_bytes(fds[3], hello, length);
    for (size_t i = 0; i < 4; i++) {
        ck_assert(is_closed_at_last(fds[i]));
        int64_t ms = (clock_now_ns() - began_ns) / NS_PER_MS;
        ck_assert_msg(ms >= 140 && ms < 1500, "%d ms", (int)ms);
        close(fds[i]);
    }
    int64_t used_ms = (cpu_ns() - began_cpu_ns) / NS_PER_MS;
    ck_assert_msg(used_ms < 60, "%d ms of CPU", (int)used_ms);
    await(atomic_load(&f.site.connections) == 0);
    ck_assert_double_eq(failed_handshakes(), 4);
    tls_end(&f);
}
END_TEST

START_TEST(who_looks_whether_the_port_is_open_has_not_failed)
{
    tls_start(&f, no_flags);
    close(client_open(&f));
    int fd = client_open(&f);
    shutdown(fd, SHUT_WR);
    ck_assert(is_closed_at_last(fd));
    close(fd);
    ck_assert_double_eq(failed_handshakes(), 0);
    tls_end(&f);
}
END_TEST

START_TEST(a_plain_request_to_a_tls_port_is_closed)
{
    tls_start(&f, no_flags);
    int fd = client_open(&f);
    client_send(fd, GET);
    ck_assert(is_closed_at_last(fd));
    close(fd);
    ck_assert_double_eq(failed_handshakes(), 1);
    tls_end(&f);
}
END_TEST

/* threat 27 */
START_TEST(a_handshake_on_a_plain_port_is_closed)
{
    static const char *const flags[] = {"--header-timeout", "150ms", NULL};
    fixture_start(&f, flags);
    char hello[4096];
    size_t length = make_hello(hello);
    int fd = client_open(&f);
    client_send_bytes(fd, hello, length);
    ck_assert(is_closed_at_last(fd));
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* threats 14, 92 */
START_TEST(who_sends_too_slowly_is_told_so_through_the_session)
{
    static const char *const flags[] = {"--header-timeout", "700ms", "--body-timeout",
                                        "700ms", NULL};
    static const char *const beginnings[] = {
        "GET /livez HTT", JSON_7 "\r\n{", "GET /livez HTTP/1.1\r\nHost: a\r\nA: ", ""};
    enum { COUNT = sizeof beginnings / sizeof *beginnings };
    struct secure_client clients[COUNT];
    tls_start(&f, flags);
    for (size_t i = 0; i < COUNT; i++) {
        secure_open(&clients[i], &f);
        secure_send(&clients[i], beginnings[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        const char *answer = secure_hear(&clients[i]);
        if (*beginnings[i])
            ASSERT_STARTS(answer, "HTTP/1.1 408 ");
        else /* who has said nothing waits for nothing */
            ck_assert_str_eq(answer, "");
        ck_assert(secure_is_closed(&clients[i]));
        secure_close(&clients[i]);
    }
    tls_end(&f);
}
END_TEST

START_TEST(a_connection_that_rests_is_closed_as_it_should_be)
{
    static const char *const flags[] = {"--idle-timeout", "100ms", NULL};
    tls_start(&f, flags);
    secure_open(&c, &f);
    secure_send(&c, GET);
    ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 200 ");
    ck_assert(secure_is_closed(&c));
    secure_close(&c);
    tls_end(&f);
}
END_TEST

/* threat 95 */
START_TEST(the_work_of_a_client_that_left_is_cancelled_over_tls_too)
{
    struct secure_client polite, reset, stays;
    tls_start(&f, no_flags);
    atomic_store(&f.site.service->hold, true);
    secure_open(&polite, &f);
    secure_open(&reset, &f);
    secure_open(&stays, &f);
    secure_send(&polite, JSON_REQUEST);
    secure_send(&reset, JSON_REQUEST);
    secure_send(&stays, JSON_REQUEST);
    await(atomic_load(&f.site.service->taken) == 3);

    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(reset.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    secure_close(&reset);
    gnutls_bye(polite.session, GNUTLS_SHUT_WR);
    secure_close(&polite);
    await(atomic_load(&f.site.service->cancelled) == 2);

    atomic_store(&f.site.service->hold, false);
    ASSERT_STARTS(secure_hear(&stays), "HTTP/1.1 200 ");
    secure_close(&stays);
    tls_end(&f);
}
END_TEST

/* threat 96 */
START_TEST(a_client_that_only_stopped_sending_is_answered_over_tls_too)
{
    tls_start(&f, no_flags);
    atomic_store(&f.site.service->hold, true);
    secure_open(&c, &f);
    secure_send(&c, JSON_REQUEST);
    await(atomic_load(&f.site.service->taken) == 1);
    gnutls_bye(c.session, GNUTLS_SHUT_WR);
    shutdown(c.fd, SHUT_WR);
    ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 100 "); /* asked whether it is there */
    atomic_store(&f.site.service->hold, false);
    ASSERT_HAS(secure_hear(&c), "\r\n\r\n{\"bytes\": 7}");
    secure_close(&c);
    tls_end(&f);
}
END_TEST

START_TEST(one_connection_too_many_is_closed)
{
    static const char *const flags[] = {"--connection-limit", "4", NULL};
    struct secure_client others[4];
    tls_start(&f, flags);
    for (size_t i = 0; i < 4; i++)
        secure_open(&others[i], &f);
    ck_assert_int_lt(secure_connect(&c, client_open(&f), NULL), 0);
    secure_close(&c);
    for (size_t i = 0; i < 4; i++)
        secure_close(&others[i]);
    await(atomic_load(&f.site.connections) == 0);
    secure_open(&c, &f);
    secure_close(&c);
    tls_end(&f);
}
END_TEST

static void expect_name(const char *name)
{
    struct secure_client other;
    secure_open(&other, &f);
    ck_assert_str_eq(secure_name(&other), name);
    secure_send(&other, GET);
    ASSERT_STARTS(secure_hear(&other), "HTTP/1.1 200 ");
    secure_close(&other);
}

START_TEST(a_new_certificate_is_for_new_connections)
{
    tls_start(&f, no_flags);
    secure_open(&c, &f);
    int begun = client_open(&f); /* its handshake comes later */
    await(atomic_load(&f.site.connections) == 2);
    tls_make("two", 3600);
    tls_replace("two.pem", "one.pem");
    tls_replace("two.key", "one.key");
    expect_name("one");
    site_reload(&f.site);
    expect_name("two");

    struct secure_client late;
    ck_assert_int_eq(secure_connect(&late, begun, NULL), 0);
    ck_assert_str_eq(secure_name(&late), "one");
    secure_close(&late);
    secure_send(&c, GET);
    ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 200 ");
    secure_close(&c);
    tls_end(&f);
}
END_TEST

START_TEST(what_cannot_be_used_leaves_the_old_certificate)
{
    tls_start(&f, no_flags);
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_ERROR + 1); /* says so each time */
    tls_make("two", 3600);
    tls_replace("two.key", "one.key"); /* of another certificate */
    site_reload(&f.site);
    expect_name("one");
    tls_write("one.pem", "nothing", 7);
    site_reload(&f.site);
    expect_name("one");
    ck_assert_int_eq(unlink(tls_path("one.pem")), 0);
    site_reload(&f.site);
    expect_name("one");
    tls_replace("two.pem", "one.pem");
    site_reload(&f.site);
    expect_name("two");
    tls_end(&f);
}
END_TEST

static void *reload_again_and_again(void *going)
{
    while (atomic_load((_Atomic bool *)going))
        site_reload(&f.site);
    return NULL;
}

START_TEST(connections_that_begin_while_it_is_replaced_have_one_or_the_other)
{
    pthread_t reloader;
    _Atomic bool going = true;
    tls_start(&f, no_flags);
    ck_assert_int_eq(pthread_create(&reloader, NULL, reload_again_and_again, &going),
                     0);
    for (int i = 0; i < 15; i++)
        expect_name("one");
    atomic_store(&going, false);
    pthread_join(reloader, NULL);
    tls_end(&f);
}
END_TEST

START_TEST(what_is_named_can_be_checked_before_the_start)
{
    struct error e = {0};
    tls_start(&f, no_flags);
    ck_assert_msg(site_check(&f.settings, &e), "%s", e.message);
    tls_make("two", 3600);
    tls_replace("two.key", "one.key");
    ck_assert(!site_check(&f.settings, &e));
    ck_assert_str_eq(e.path, "tls_key");
    tls_end(&f);
}
END_TEST

START_TEST(a_client_that_comes_again_may_use_its_ticket)
{
    tls_start(&f, no_flags);
    gnutls_datum_t ticket;
    secure_open(&c, &f);
    secure_send(&c, GET);
    ASSERT_STARTS(secure_hear(&c), "HTTP/1.1 200 ");
    ck_assert_int_eq(gnutls_session_get_data2(c.session, &ticket), 0);
    secure_close(&c);

    struct secure_client again = {.fd = client_open(&f)};
    gnutls_certificate_allocate_credentials(&again.trust);
    gnutls_init(&again.session, GNUTLS_CLIENT);
    gnutls_set_default_priority(again.session);
    gnutls_credentials_set(again.session, GNUTLS_CRD_CERTIFICATE, again.trust);
    gnutls_session_set_data(again.session, ticket.data, ticket.size);
    gnutls_transport_set_int(again.session, again.fd);
    ck_assert_int_eq(gnutls_handshake(again.session), 0);
    ck_assert_int_ne(gnutls_session_is_resumed(again.session), 0);
    gnutls_free(ticket.data);
    secure_close(&again);
    tls_end(&f);
}
END_TEST

/* threat 94 */
START_TEST(who_must_make_room_is_told_through_the_session)
{
    static const char *const flags[] = {"--connection-limit", "4", NULL};
    struct secure_client clients[4];
    tls_start(&f, flags);
    for (size_t i = 0; i < 4; i++) {
        secure_open(&clients[i], &f);
        secure_send(&clients[i], "GET /livez?");
    }
    const char *answer = secure_hear(&clients[0]);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "(connection_limit)");
    ck_assert(secure_is_closed(&clients[0]));
    await(atomic_load(&f.site.connections) == 3);
    for (size_t i = 0; i < 4; i++)
        secure_close(&clients[i]);
    tls_end(&f);
}
END_TEST

static void *drain_it(void *unused)
{
    (void)unused;
    ck_assert(drain(f.server, &f.site, f.wake[0]));
    return NULL;
}

static const char *const beginnings[] = {"GET /livez?",
                                         "GET /livez HTTP/1.1\r\nHost: a\r\nX: ",
                                         POST_HEAD "Content-Length: 999999\r\n\r\n"};
enum { BEGINNINGS = sizeof beginnings / sizeof *beginnings };

/* All have begun a request when a drain begins, on connections that have had an answer:
 * with it come the tickets, which are no answer. */
static pthread_t begin_and_drain(struct secure_client clients[BEGINNINGS])
{
    static const char *const flags[] = {"--drain-timeout", "50ms", NULL};
    pthread_t drainer;
    tls_start(&f, flags);
    for (size_t i = 0; i < BEGINNINGS; i++) {
        secure_open(&clients[i], &f);
        secure_send(&clients[i], GET);
        ASSERT_STARTS(secure_hear(&clients[i]), "HTTP/1.1 200 ");
        secure_send(&clients[i], beginnings[i]);
    }
    await(atomic_load(&f.site.in_flight) == 2); /* whose first line has come */
    fixture_stop_accepting(&f);
    ck_assert_int_eq(pthread_create(&drainer, NULL, drain_it, NULL), 0);
    return drainer;
}

static void expect_refusal(struct secure_client *client)
{
    const char *answer = secure_hear(client);
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:shutting-down");
}

static void end_drain(struct secure_client clients[BEGINNINGS], pthread_t drainer)
{
    for (size_t i = 0; i < BEGINNINGS; i++)
        secure_close(&clients[i]);
    pthread_join(drainer, NULL);
    fixture_end(&f, true);
    tls_forget();
}

/* threat 100 */
START_TEST(what_has_come_in_part_when_a_drain_ends_is_refused_through_the_session)
{
    struct secure_client clients[BEGINNINGS];
    pthread_t drainer = begin_and_drain(clients);
    for (size_t i = 0; i < BEGINNINGS; i++) {
        expect_refusal(&clients[i]);
        ck_assert(secure_is_closed(&clients[i]));
    }
    end_drain(clients, drainer);
}
END_TEST

/* Unless this thread was so late that it looked as if the client was silent. */
START_TEST(who_goes_on_sending_meanwhile_is_not_reset)
{
    struct secure_client clients[BEGINNINGS];
    bool told[BEGINNINGS] = {false}, steady = true;
    pthread_t drainer = begin_and_drain(clients);
    int64_t last = clock_now_ns();
    for (size_t left = BEGINNINGS, i = 0; left > 0; i = (i + 1) % BEGINNINGS) {
        struct pollfd answer = {.fd = clients[i].fd, .events = POLLIN};
        steady = steady && clock_now_ns() - last < 50 * NS_PER_MS;
        last = clock_now_ns();
        if (told[i])
            continue;
        if (poll(&answer, 1, 5) == 0) {
            secure_send(&clients[i], "a");
            continue;
        }
        told[i] = true;
        left--;
        expect_refusal(&clients[i]);
        bool reset = client_is_reset(clients[i].fd);
        steady = steady && clock_now_ns() - last < 50 * NS_PER_MS;
        ck_assert(!reset || !steady);
    }
    end_drain(clients, drainer);
}
END_TEST

START_TEST(a_drain_ends_connections_whatever_their_state)
{
    tls_start(&f, no_flags);
    char hello[4096];
    size_t length = make_hello(hello);
    int silent = client_open(&f), half = client_open(&f);
    client_send_bytes(half, hello, length);
    secure_open(&c, &f);
    await(atomic_load(&f.site.connections) == 3);
    tls_end(&f);
    ck_assert(is_closed_at_last(silent));
    ck_assert(is_closed_at_last(half));
    secure_close(&c);
    close(silent);
    close(half);
}
END_TEST

START_TEST(a_probe_speaks_tls_where_the_service_does)
{
    char line[256];
    tls_start(&f, no_flags);
    struct settings asked = f.settings;
    asked.port = (uint64_t)atoi(strrchr(server_address(f.server), ':') + 1);
    bool ready = probe(&asked, line, sizeof line);
    ck_assert_msg(ready, "%s", line);
    ck_assert_str_eq(line, "ready");
    atomic_store(&f.site.draining, true);
    ck_assert(!probe(&asked, line, sizeof line));
    ck_assert_str_eq(line, "not ready: /readyz answers 503");
    atomic_store(&f.site.draining, false);
    struct settings any = f.settings;
    ck_assert(!probe(&any, line, sizeof line));
    ck_assert_str_eq(line, "cannot be asked: port 0 stands for any");
    asked.tls_certificate[0] = '\0';
    ck_assert(!probe(&asked, line, sizeof line));
    ASSERT_STARTS(line, "not ready: no answer from ");
    tls_end(&f);

    fixture_start(&f, no_flags);
    asked.port = (uint64_t)atoi(strrchr(server_address(f.server), ':') + 1);
    ck_assert(probe(&asked, line, sizeof line));
    strcpy(asked.tls_certificate, "some");
    ck_assert(!probe(&asked, line, sizeof line));
    fixture_end(&f, false);
}
END_TEST

START_TEST(the_metrics_have_tls_on_their_own_listener_too)
{
    static const char *const flags[] = {"--metrics-port", "0", NULL};
    tls_start(&f, flags);
    int fd = client_open_address(server_metrics_address(f.server));
    ck_assert_int_eq(secure_connect(&c, fd, NULL), 0);
    secure_send(&c, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *line = strstr(secure_hear(&c),
                              "\nattentiond_tls_certificate_expiry_timestamp_seconds ");
    ck_assert_ptr_nonnull(line);
    double left = strtod(strchr(line, ' '), NULL) - (double)time(NULL);
    ck_assert(left > 3000 && left < 3700);
    secure_close(&c);
    tls_end(&f);
}
END_TEST

TEST_PROGRAM("tls", a_request_over_tls_is_answered_as_over_a_plain_connection,
             a_client_that_gathers_small_pieces_is_not_kept_waiting,
             a_request_may_come_in_records_of_a_byte_and_an_answer_in_windows,
             a_chunked_body_may_come_in_records_of_a_byte,
             what_can_be_read_in_two_ways_is_refused_over_tls_too,
             a_large_body_is_read_and_a_refusal_of_one_is_not_lost,
             versions_before_1_2_are_refused, a_renegotiation_ends_the_connection,
             a_handshake_that_stalls_is_cut_and_takes_no_cpu,
             who_looks_whether_the_port_is_open_has_not_failed,
             a_plain_request_to_a_tls_port_is_closed,
             a_handshake_on_a_plain_port_is_closed,
             who_sends_too_slowly_is_told_so_through_the_session,
             a_connection_that_rests_is_closed_as_it_should_be,
             the_work_of_a_client_that_left_is_cancelled_over_tls_too,
             a_client_that_only_stopped_sending_is_answered_over_tls_too,
             one_connection_too_many_is_closed,
             a_new_certificate_is_for_new_connections,
             what_cannot_be_used_leaves_the_old_certificate,
             connections_that_begin_while_it_is_replaced_have_one_or_the_other,
             what_is_named_can_be_checked_before_the_start,
             a_client_that_comes_again_may_use_its_ticket,
             who_must_make_room_is_told_through_the_session,
             what_has_come_in_part_when_a_drain_ends_is_refused_through_the_session,
             who_goes_on_sending_meanwhile_is_not_reset,
             a_drain_ends_connections_whatever_their_state,
             a_probe_speaks_tls_where_the_service_does,
             the_metrics_have_tls_on_their_own_listener_too)
