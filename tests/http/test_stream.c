#include "http/site_fixture.h"

static struct fixture f;
static const char *const no_flags[] = {NULL};

#define WINDOW "C\r\n{\"bytes\": 7}\r\n"

START_TEST(an_answer_may_come_in_windows)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->windows, 4);
    int fd = client_open(&f);
    for (size_t round = 0; round < 2; round++) { /* the connection is kept */
        client_send(fd, JSON_REQUEST);
        char text[1024] = "";
        size_t length = 0;
        while (!strstr(text, "\r\n0\r\n\r\n")) {
            ssize_t n = recv(fd, text + length, sizeof text - 1 - length, 0);
            ck_assert_int_gt(n, 0);
            length += (size_t)n;
            text[length] = '\0';
        }
        ASSERT_STARTS(text, "HTTP/1.1 200 ");
        ASSERT_HAS(text, "\r\nTransfer-Encoding: chunked\r\n");
        ASSERT_HAS(text, "\r\n\r\n" WINDOW WINDOW WINDOW WINDOW "0\r\n\r\n");
        ck_assert_uint_eq(atomic_load(&f.site.service->again), 3 * (round + 1));
    }
    close(fd);
    fixture_end(&f, false);
}
END_TEST

START_TEST(who_leaves_while_the_next_window_is_written_is_given_up)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->windows, 4);
    int fd = client_open(&f);
    client_send(fd, JSON_REQUEST);
    await(atomic_load(&f.site.service->again) == 1 ||
          atomic_load(&f.site.service->again) == 3);
    close(fd);

    /* Held: the pool has the call when its client leaves, and the connection is
     * suspended or about to write. */
    for (size_t i = 0; i < 20; i++) {
        atomic_store(&f.site.service->hold, false);
        size_t again = atomic_load(&f.site.service->again);
        fd = client_open(&f);
        client_send(fd, JSON_REQUEST);
        await(atomic_load(&f.site.service->again) > again);
        atomic_store(&f.site.service->hold, true);
        struct linger reset = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    atomic_store(&f.site.service->hold, false);
    await(atomic_load(&f.site.in_flight) == 0);
    await(atomic_load(&f.site.connections) == 0);
    await(atomic_load(&f.site.memory.spent) == 0);
    fixture_end(&f, false);
}
END_TEST

START_TEST(what_goes_wrong_in_the_middle_of_an_answer_cuts_it)
{
    fixture_start(&f, no_flags);
    atomic_store(&f.site.service->windows, 1000000);
    int fd = client_open(&f);
    client_send(fd, JSON_REQUEST);
    await(atomic_load(&f.site.service->again) > 0);
    atomic_store(&f.site.service->hold, true);
    atomic_store(&f.site.service->closed, true);
    char byte, last[5] = "";
    for (size_t n = 0; recv(fd, &byte, 1, 0) == 1; n++) {
        memmove(last, last + 1, sizeof last - 1);
        last[sizeof last - 1] = byte;
    }
    ck_assert(memcmp(last, "0\r\n\r\n", sizeof last) != 0);
    close(fd);
    fixture_end(&f, false);
}
END_TEST

TEST_PROGRAM("stream", an_answer_may_come_in_windows,
             who_leaves_while_the_next_window_is_written_is_given_up,
             what_goes_wrong_in_the_middle_of_an_answer_cuts_it)
