#include "http/wire.h"

#include <sys/socket.h>

#include "http/site_fixture.h"
#include "http/watch.h"

static int ends[2];
static struct wire w;

static void open_pair(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    w = (struct wire){.fd = ends[0]};
}

static void close_pair(void)
{
    wire_close(&w);
    close(ends[0]);
    close(ends[1]);
}

static struct buffer words_of(const char *text, size_t limit)
{
    struct buffer words;
    buffer_init(&words, limit);
    buffer_text(&words, text);
    return words;
}

START_TEST(last_words_are_said_before_the_end)
{
    char text[16] = "";
    open_pair();
    struct buffer words = words_of("bye", 100);
    wire_cut(&w, &words);
    ck_assert_ptr_null(words.data);
    ck_assert_int_eq(recv(ends[1], text, sizeof text, MSG_WAITALL), 3);
    ck_assert_str_eq(text, "bye");
    close_pair();
}
END_TEST

START_TEST(words_that_failed_are_not_said)
{
    char byte;
    open_pair();
    struct buffer words = words_of("too long", 3);
    wire_cut(&w, &words);
    ck_assert_int_eq(recv(ends[1], &byte, 1, 0), 0);
    close_pair();
    open_pair();
    wire_cut(&w, NULL);
    ck_assert_int_eq(recv(ends[1], &byte, 1, 0), 0);
    close_pair();
}
END_TEST

START_TEST(an_interim_answer_waits_until_the_client_has_taken_what_came_before)
{
    char text[16] = "";
    open_pair();
    ck_assert_int_eq(send(ends[0], "before", 6, 0), 6);
    ck_assert(!wire_say(&w, "100", 3));
    ck_assert_int_eq(recv(ends[1], text, sizeof text, 0), 6);
    ck_assert(wire_say(&w, "100", 3));
    ck_assert_int_eq(recv(ends[1], text, sizeof text, 0), 3);
    close(ends[0]);
    ck_assert(!wire_say(&w, "100", 3)); /* its socket is gone */
    open_pair();
    close_pair();
}
END_TEST

/* No handshake was done: nothing can be sent. */
START_TEST(a_session_that_cannot_send_is_ended)
{
    char byte;
    open_pair();
    gnutls_init(&w.session, GNUTLS_SERVER | GNUTLS_NONBLOCK);
    gnutls_transport_set_int(w.session, ends[0]);
    w.secured = true;
    struct buffer words = words_of("bye", 100);
    wire_cut(&w, &words);
    ck_assert_int_eq(wire_read(&w, &byte, 1), 0);
    ck_assert_int_eq(recv(ends[1], &byte, 1, MSG_DONTWAIT), -1);
    ck_assert(wire_say(&w, "100", 3));
    ck_assert_int_eq(recv(ends[1], &byte, 1, 0), 0);
    gnutls_deinit(w.session);
    close_pair();

    open_pair(); /* words that nobody came to say are forgotten */
    w.session = (gnutls_session_t)&w;
    words = words_of("bye", 100);
    wire_cut(&w, &words);
    close_pair();
}
END_TEST

/* Of a session, whose HTTP thread may wait for something else than to read. */
START_TEST(who_was_cut_and_is_still_there_is_shut_in_the_end)
{
    struct error e = {0};
    char byte;
    open_pair();
    struct exchange x = {.fd = ends[0], .phase = PHASE_CUT, .gone_ns = INT64_MAX};
    struct watch *watch = watch_new(&e);
    ck_assert_ptr_nonnull(watch);
    ck_assert(watch_add(watch, &x));
    nanosleep(&(struct timespec){0, 120000000}, NULL);
    ck_assert_int_eq(recv(ends[1], &byte, 1, MSG_DONTWAIT), -1);
    watch_remove(watch, &x);
    x.gone_ns = 0;
    ck_assert(watch_add(watch, &x));
    ck_assert_int_eq(recv(ends[1], &byte, 1, 0), 0);
    watch_remove(watch, &x);
    watch_delete(watch);
    close_pair();
}
END_TEST

TEST_PROGRAM("wire", last_words_are_said_before_the_end, words_that_failed_are_not_said,
             an_interim_answer_waits_until_the_client_has_taken_what_came_before,
             a_session_that_cannot_send_is_ended,
             who_was_cut_and_is_still_there_is_shut_in_the_end)
