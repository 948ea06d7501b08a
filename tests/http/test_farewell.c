#include "http/farewell.h"

#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/clock.h"
#include "support/test.h"

/* A connection whose one end is said farewell to. */
static int pair(int *other)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *other = fds[1];
    return fds[0];
}

static bool is_closed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

START_TEST(a_socket_is_read_on_until_its_client_ends_or_the_time_is_over)
{
    struct farewell f = {0};
    int ends, stays;
    farewell_add(&f, pair(&ends), 0);
    farewell_add(&f, pair(&stays), 0);
    ck_assert_int_eq(send(ends, "more", 4, 0), 4);
    farewell_tick(&f, NS_PER_S);
    ck_assert_uint_eq(f.count, 2);
    shutdown(ends, SHUT_WR);
    farewell_tick(&f, NS_PER_S);
    ck_assert_uint_eq(f.count, 1);
    ck_assert(is_closed(ends));
    ck_assert(!is_closed(stays));
    farewell_tick(&f, 2 * NS_PER_S);
    ck_assert_uint_eq(f.count, 0);
    ck_assert(is_closed(stays));
    close(ends);
    close(stays);
}
END_TEST

/* threat 97 */
START_TEST(when_there_are_too_many_the_oldest_gives_way)
{
    struct farewell f = {0};
    int others[FAREWELL_SOCKETS + 2];
    for (int i = 0; i < FAREWELL_SOCKETS + 2; i++)
        farewell_add(&f, pair(&others[i]), i == 7 ? 0 : i + 1);
    ck_assert_uint_eq(f.count, FAREWELL_SOCKETS);
    for (int i = 0; i < FAREWELL_SOCKETS + 2; i++)
        ck_assert(is_closed(others[i]) == (i == 0 || i == 7));
    farewell_close(&f);
    ck_assert_uint_eq(f.count, 0);
    for (int i = 0; i < FAREWELL_SOCKETS + 2; i++) {
        ck_assert(is_closed(others[i]));
        close(others[i]);
    }
}
END_TEST

/* Who sends without end cannot keep the thread: so many reads a look. threat 21 */
START_TEST(a_look_has_an_end_however_much_there_is)
{
    struct farewell f = {0};
    int fds[2], unread = 0;
    enum { MESSAGES = 300 }; /* each is a read of its own, and all fit into a socket */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof(int));
    farewell_add(&f, fds[0], 0);
    for (int i = 0; i < MESSAGES; i++)
        ck_assert_int_eq(send(fds[1], "x", 1, MSG_DONTWAIT), 1);
    farewell_tick(&f, NS_PER_S);
    ck_assert(ioctl(fds[0], FIONREAD, &unread) == 0 && unread > 0);
    farewell_tick(&f, NS_PER_S);
    ck_assert(ioctl(fds[0], FIONREAD, &unread) == 0 && unread == 0);
    ck_assert_uint_eq(f.count, 1);
    farewell_close(&f);
    close(fds[1]);
}
END_TEST

START_TEST(who_needs_a_descriptor_gets_that_of_the_oldest)
{
    struct farewell f = {0};
    int others[3];
    ck_assert(!farewell_give_way(&f));
    for (int i = 0; i < 3; i++)
        farewell_add(&f, pair(&others[i]), i == 1 ? 0 : NS_PER_S);
    ck_assert(farewell_give_way(&f));
    for (int i = 0; i < 3; i++)
        ck_assert(is_closed(others[i]) == (i == 1));
    ck_assert(farewell_give_way(&f) && farewell_give_way(&f) && !farewell_give_way(&f));
    for (int i = 0; i < 3; i++) {
        ck_assert(is_closed(others[i]));
        close(others[i]);
    }
}
END_TEST

TEST_PROGRAM("farewell", a_socket_is_read_on_until_its_client_ends_or_the_time_is_over,
             when_there_are_too_many_the_oldest_gives_way,
             a_look_has_an_end_however_much_there_is,
             who_needs_a_descriptor_gets_that_of_the_oldest)
