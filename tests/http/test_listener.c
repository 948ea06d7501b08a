#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/test.h"

static struct listener l;
static struct error e;

static uint16_t port_of(const char *address)
{
    return (uint16_t)atoi(strrchr(address, ':') + 1);
}

static bool connects(const char *bind, uint16_t port)
{
    struct error reason = {0};
    int fd = listener_connect(bind, port, &reason);
    if (fd < 0) {
        ASSERT_HAS(reason.message, "cannot connect to ");
        return false;
    }
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    ck_assert_int_eq(poll(&p, 1, 3000), 1);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    close(fd);
    return error == 0;
}

START_TEST(an_address_is_written_as_it_is_connected_to)
{
    static const struct {
        const char *bind, *start, *reached;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1:", "127.0.0.1"},
        {"0.0.0.0", "0.0.0.0:", "0.0.0.0"},
        {"localhost", "", "localhost"},
        {"::1", "[::1]:", "[::1]"},
        {"[::1]", "[::1]:", "::1"},
        {"::", "[::]:", "::"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e = (struct error){0};
        bool opened = listener_open(&l, cases[i].bind, 0, &e);
        if (!opened && strchr(cases[i].bind, ':')) {
            printf("skipped: no IPv6 here: %s\n", e.message);
            continue;
        }
        ck_assert_msg(opened, "%s", e.message);
        ck_assert_msg(strncmp(l.address, cases[i].start, strlen(cases[i].start)) == 0,
                      "%s", l.address);
        ck_assert_uint_ne(port_of(l.address), 0);
        ck_assert(connects(cases[i].reached, port_of(l.address)));
        listener_close(&l);
        ck_assert_int_eq(l.fd, -1);
        listener_close(&l); /* again is fine */
        listener_refuse(&l);
    }
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
    static const struct {
        const char *bind, *message;
    } cases[] = {
        {"999.0.0.1", "999.0.0.1 is no address: "},
        {"[::1", "[::1 is no address: "},
        {"", " is no address: "},
        {"unix:", "bind: unix: needs a path of 1 to 107 bytes behind it"},
        {"unix:/nowhere/a/b", "cannot listen on unix:/nowhere/a/b: No such file"},
        {"192.0.2.1", "cannot listen on 192.0.2.1 port 0: Cannot assign"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e = (struct error){0};
        ck_assert(!listener_open(&l, cases[i].bind, 0, &e));
        ASSERT_HAS(e.message, cases[i].message);
        ck_assert_int_eq(l.fd, -1);
    }
    char path[128] = "unix:";
    memset(path + 5, 'x', 108);
    e = (struct error){0};
    ck_assert(!listener_open(&l, path, 0, &e));
    ASSERT_HAS(e.message, "unix: needs a path of 1 to 107 bytes behind it");
    e = (struct error){0};
    ck_assert_int_lt(listener_connect("999.0.0.1", 1, &e), 0);
    ASSERT_HAS(e.message, "999.0.0.1 is no address: ");
}
END_TEST

START_TEST(an_address_that_cannot_be_meant_is_known_by_its_text)
{
    static const char *const good[] = {
        "127.0.0.1",
        "0.0.0.0",
        "127.1",
        "203.0.113.9", /* well-formed, but of another machine */
        "::",
        "::1",
        "[::1]",
        "fe80::1%none0",
        "::ffff:127.0.0.1",
        "localhost",
        "a-host.example.",
        "3f2a9b",
        "my_service",
        "unix:/nowhere/a/b",
    };
    static const char *const bad[] = {
        "300.1.1.1",   "1.2.3.4.5",   "127.0.0.1.", "",    "[]",
        "[::1",        "::1::",       "12345::",    ":::", "127.0.0.1:8080",
        "two words",   "127.0.0.1/8", "*",          "a,b", "http://a",
        "[fe80::1%]x", "h\xC3\xB6st",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(listener_check("bind", good[i], &e), "%s", e.message);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char message[128];
        snprintf(message, sizeof message,
                 "metrics_bind: %s is neither an address nor a name", bad[i]);
        e = (struct error){0};
        ck_assert_msg(!listener_check("metrics_bind", bad[i], &e), "%s", bad[i]);
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(e.path, "metrics_bind");
        ck_assert_str_eq(e.message, message);
    }
    e = (struct error){0};
    ck_assert(!listener_check("metrics_bind", "unix:", &e));
    ck_assert_str_eq(e.message,
                     "metrics_bind: unix: needs a path of 1 to 107 bytes behind it");
}
END_TEST

START_TEST(nobody_listens_after_it_was_closed)
{
    ck_assert(listener_open(&l, "127.0.0.1", 0, &e));
    uint16_t port = port_of(l.address);
    struct listener second;
    ck_assert(!listener_open(&second, "127.0.0.1", port, &e));
    ASSERT_HAS(e.message, "Address already in use");
    listener_refuse(&l);
    listener_close(&l);
    ck_assert(!connects("127.0.0.1", port));
}
END_TEST

static char path[64], bind_to[72];

static void name_socket(void)
{
    snprintf(path, sizeof path, "/tmp/attentiond-listener-%d.sock", (int)getpid());
    snprintf(bind_to, sizeof bind_to, "unix:%s", path);
}

/* As a service leaves it that was killed. */
static void leave_socket(void)
{
    struct sockaddr_un file = {.sun_family = AF_UNIX};
    memcpy(file.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&file, sizeof file), 0);
    close(fd);
}

START_TEST(a_socket_file_nobody_listens_on_is_replaced)
{
    name_socket();
    leave_socket();
    ck_assert(!connects(bind_to, 0));
    ck_assert_msg(listener_open(&l, bind_to, 0, &e), "%s", e.message);
    ck_assert_str_eq(l.address, bind_to);
    ck_assert(connects(bind_to, 0));

    struct listener second; /* but not one that somebody listens on */
    ck_assert(!listener_open(&second, bind_to, 0, &e));
    ASSERT_HAS(e.message, "Address already in use");
    ck_assert(connects(bind_to, 0));

    listener_refuse(&l); /* which takes its name away */
    ck_assert_int_ne(access(path, F_OK), 0);
    leave_socket(); /* another service's, by now */
    listener_close(&l);
    ck_assert_int_eq(access(path, F_OK), 0);
    unlink(path);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
    name_socket();
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert(!listener_open(&l, bind_to, 0, &e));
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert(S_ISREG(status.st_mode));
    unlink(path);

    ck_assert(listener_open(&l, bind_to, 0, &e));
    listener_close(&l);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(without_descriptors_nothing_is_opened)
{
    name_socket();
    leave_socket();
    int most = dup(0); /* the lowest that is free */
    close(most);
    struct rlimit before, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)most;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool opened = listener_open(&l, "127.0.0.1", 0, &e);
    int fd = listener_connect("127.0.0.1", 1, &(struct error){0});
    none.rlim_cur = (rlim_t)most + 1; /* one, but none to ask who listens */
    setrlimit(RLIMIT_NOFILE, &none);
    bool replaced = listener_open(&l, bind_to, 0, &(struct error){0});
    setrlimit(RLIMIT_NOFILE, &before);
    ck_assert(!opened && fd < 0 && !replaced);
    ASSERT_HAS(e.message, "cannot open a socket for 127.0.0.1 port 0: Too many open");
    unlink(path);
}
END_TEST

TEST_PROGRAM("listener", an_address_is_written_as_it_is_connected_to,
             what_is_no_address_is_refused,
             an_address_that_cannot_be_meant_is_known_by_its_text,
             nobody_listens_after_it_was_closed,
             a_socket_file_nobody_listens_on_is_replaced,
             a_file_that_is_no_socket_is_left_alone,
             without_descriptors_nothing_is_opened)
