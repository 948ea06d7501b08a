#include "http/probe.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/listener.h"
#include "support/test.h"

/* A service that says what it is told to, once, and closes. */
struct fake {
    struct listener l;
    const char *answer;
    size_t piece; /* bytes it sends at a time */
    pthread_t thread;
};

static void *serve(void *context)
{
    struct fake *f = context;
    int fd = -1;
    while (fd < 0)
        fd = accept(f->l.fd, NULL, NULL);
    char request[512];
    if (f->answer && recv(fd, request, sizeof request, 0) > 0)
        for (const char *at = f->answer; *at;) {
            size_t n = strnlen(at, f->piece);
            ck_assert_int_eq(send(fd, at, n, MSG_NOSIGNAL), (ssize_t)n);
            at += n;
            usleep(1000);
        }
    close(fd);
    return NULL;
}

static bool probe_fake(const char *answer, size_t piece, char *line, size_t size)
{
    struct fake f = {.answer = answer, .piece = piece};
    struct error e = {0};
    ck_assert_msg(listener_open(&f.l, "127.0.0.1", 0, &e), "%s", e.message);
    ck_assert_int_eq(pthread_create(&f.thread, NULL, serve, &f), 0);
    struct settings s = {.bind = "127.0.0.1",
                         .port = (uint64_t)atoi(strrchr(f.l.address, ':') + 1)};
    bool ready = probe(&s, line, size);
    pthread_join(f.thread, NULL);
    listener_close(&f.l);
    return ready;
}

START_TEST(only_a_200_is_ready)
{
    static const struct {
        const char *answer;
        size_t piece;
        const char *line;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", 100, "ready"},
        {"HTTP/1.1 200 OK\r\n\r\n", 3, "ready"},
        {"HTTP/1.0 200 OK\r\n\r\n", 100, "ready"},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n", 100,
         "not ready: /readyz answers 503"},
        {"SSH-2.0-OpenSSH\r\n", 100, "not ready: no answer from 127.0.0.1"},
        {"HTTP/1.1 200 OK", 100, "not ready: no answer from 127.0.0.1"},
        {"", 100, "not ready: no answer from 127.0.0.1"},
        {NULL, 100, "not ready: no answer from 127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256];
        bool ready = probe_fake(cases[i].answer, cases[i].piece, line, sizeof line);
        ck_assert_str_eq(line, cases[i].line);
        ck_assert(ready == (strcmp(line, "ready") == 0));
    }
}
END_TEST

START_TEST(an_endless_line_is_no_answer)
{
    char long_line[600], line[256];
    memset(long_line, 'x', sizeof long_line);
    long_line[sizeof long_line - 1] = '\0';
    ck_assert(!probe_fake(long_line, 600, line, sizeof line));
    ck_assert_str_eq(line, "not ready: no answer from 127.0.0.1");
}
END_TEST

START_TEST(a_service_that_says_nothing_is_given_up_after_2_s)
{
    struct listener l;
    struct error e = {0};
    char line[256];
    ck_assert(listener_open(&l, "127.0.0.1", 0, &e));
    struct settings s = {.bind = "127.0.0.1",
                         .port = (uint64_t)atoi(strrchr(l.address, ':') + 1)};
    ck_assert(!probe(&s, line, sizeof line)); /* nobody accepts */
    ck_assert_str_eq(line, "not ready: no answer from 127.0.0.1");
    listener_close(&l);
}
END_TEST

START_TEST(where_nobody_can_be_asked_it_says_why)
{
    char line[256];
    struct settings s = {.bind = "127.0.0.1", .port = 0};
    ck_assert(!probe(&s, line, sizeof line));
    ck_assert_str_eq(line, "cannot be asked: port 0 stands for any");
    snprintf(s.bind, sizeof s.bind, "unix:/nowhere/x");
    ck_assert(!probe(&s, line, sizeof line));
    ck_assert_ptr_nonnull(strstr(line, "not ready: cannot connect to unix:/nowhere/x"));
    snprintf(s.bind, sizeof s.bind, "::1");
    s.port = 1;
    ck_assert(!probe(&s, line, sizeof line));
    ck_assert_ptr_nonnull(strstr(line, "not ready: "));
}
END_TEST

TEST_PROGRAM("probe", only_a_200_is_ready, an_endless_line_is_no_answer,
             a_service_that_says_nothing_is_given_up_after_2_s,
             where_nobody_can_be_asked_it_says_why)
