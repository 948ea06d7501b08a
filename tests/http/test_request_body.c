#include "http/site_fixture.h"

static struct fixture f;
static const char *const no_flags[] = {NULL};

/* threat 7 */
START_TEST(a_refusal_is_sent_instead_of_100_continue)
{
    static const char *const flags[] = {"--body-limit", "2KiB", NULL};
    fixture_start(&f, flags);
    int fd = client_open(&f);
    client_send(fd, POST_HEAD "Expect: 100-continue\r\nContent-Length: 2049\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 413 ");
    ck_assert(client_is_closed(fd));
    close(fd);

    fd = client_open(&f);
    client_send(fd, POST_HEAD "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 100 ");
    client_send(fd, "{\"a\":1}");
    ASSERT_HAS(client_hear(fd), "{\"bytes\": 7}");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* Sends `count` chunks of 1000 bytes and the end. */
static void send_chunks(int fd, int count)
{
    char chunk[1100];
    client_send(fd, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    snprintf(chunk, sizeof chunk, "3e8;a=b\r\n%01000d\r\n", 0);
    for (int i = 0; i < count; i++)
        client_send(fd, chunk);
    client_send(fd, "0\r\nContent-Length: 3\r\n\r\n");
}

/* threat 21 */
START_TEST(a_chunked_body_may_be_as_long_as_any)
{
    static const char *const flags[] = {"--body-limit", "100000", NULL};
    static const struct {
        int chunks;
        const char *status, *body;
    } cases[] = {
        {0, "HTTP/1.1 200 ", "{\"bytes\": 0}"},
        {1, "HTTP/1.1 200 ", "{\"bytes\": 1000}"},
        {100, "HTTP/1.1 200 ", "{\"bytes\": 100000}"},
        {101, "HTTP/1.1 413 ", "too-large"},
        {201, "HTTP/1.1 413 ", "too-large"}, /* before its end */
    };
    fixture_start(&f, flags);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = client_open(&f);
        send_chunks(fd, cases[i].chunks);
        const char *answer = client_hear(fd);
        ASSERT_STARTS(answer, cases[i].status);
        ASSERT_HAS(answer, cases[i].body);
        close(fd);
    }
    int fd = client_open(&f);
    client_send(fd,
                "GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; i++) /* which nobody asked for */
        client_send_zeros(fd);
    const char *answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 413 ");
    expect_record(&f, answer, 413, "too-large", "/livez");
    ck_assert(client_is_closed(fd));
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* The head was taken, and some of the body, before the rest shows what it is.
 * threats 17, 18 */
START_TEST(a_body_may_be_refused_in_its_middle)
{
    fixture_start(&f, no_flags);
    int fd = client_open(&f);
    client_send(fd, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
    await(atomic_load(&f.site.in_flight) == 1);
    nanosleep(&(struct timespec){0, 50000000}, NULL); /* read, in all likelihood */
    client_send(fd, "+1\r\n");
    const char *answer = client_hear(fd);
    ASSERT_STARTS(answer, "HTTP/1.1 400 ");
    ASSERT_HAS(answer, "the chunked coding is malformed");
    ASSERT_HAS(answer, "\r\nConnection: close\r\n");
    ck_assert(client_is_closed(fd));
    close(fd);
    ck_assert_uint_eq(atomic_load(&f.site.service->taken), 0);
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_refusal_is_not_lost_while_the_client_still_sends)
{
    fixture_start(&f, no_flags);
    enum { BODY = 8 << 20 };
    char *body = calloc(1, BODY);
    int fd = client_open(&f);
    client_send(fd,
                "POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\n"
                "Content-Length: 8388608\r\n\r\n");
    client_send_bytes(fd, body, BODY);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 415 ");
    close(fd);
    free(body);
    fixture_end(&f, false);
}
END_TEST

START_TEST(spent_memory_is_said_before_the_body)
{
    static const char *const flags[] = {"--memory-limit", "1MiB", NULL};
    fixture_start(&f, flags);
    const char *answer =
        ask(&f, POST_HEAD "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n");
    ASSERT_STARTS(answer, "HTTP/1.1 503 ");
    ASSERT_HAS(answer, "problem:out-of-memory");
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_refused_body_holds_no_memory)
{
    static const char *const flags[] = {"--memory-limit", "1MiB", NULL};
    fixture_start(&f, flags);
    int fd = client_open(&f);
    client_send(fd, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    client_send_zeros(fd);
    await(atomic_load(&f.site.memory.spent) > 0);
    for (int i = 0; i < 15; i++)
        client_send_zeros(fd);
    await(atomic_load(&f.site.memory.spent) == 0);
    client_send(fd, "0\r\n\r\n");
    ASSERT_HAS(client_hear(fd), "problem:out-of-memory");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

/* What the pool was given is `expected`, and is answered. */
static void check_body_and_answer(const char *expected)
{
    struct attention_service *pool = f.site.service;
    await(atomic_load(&pool->taken) == 1);
    atomic_store(&pool->taken, 0);
    pthread_mutex_lock(&pool->lock);
    ck_assert_uint_eq(pool->waiting[0]->body_length, strlen(expected));
    ck_assert_mem_eq(pool->waiting[0]->body, expected, strlen(expected));
    pthread_mutex_unlock(&pool->lock);
    atomic_store(&pool->hold, false);
}

/* What of the next request came along with a body that nobody wants is not taken for
 * that body, though the rest of it comes later. */
START_TEST(what_follows_an_ignored_body_is_read_as_it_is)
{
#define GET_HEAD "GET /livez HTTP/1.1\r\nHost: a\r\n"
    enum { WHOLE = 9000, HALF = WHOLE / 2 };
    static const struct {
        const char *text;
        bool refused; /* as there is too much to do */
    } ignored[] = {
        {GET_HEAD "Content-Length: 5\r\n\r\nhello", false},
        {GET_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false},
        {"", true},
    };
    static char body[WHOLE + 1], text[3 * WHOLE];
    for (size_t n = 0; n < WHOLE; n++)
        body[n] = (char)('a' + n % 26);
    fixture_start(&f, no_flags);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        int fd = client_open(&f);
        const char *head = POST_HEAD "Content-Length: 9000\r\n\r\n";
        bool refused = ignored[i].refused;
        atomic_store(&f.site.service->full, refused);
        snprintf(text, sizeof text, "%s%s%s%s%.*s", ignored[i].text,
                 refused ? head : "", refused ? body : "",
                 refused ? JSON_7 "\r\n" : head, refused ? 3 : HALF,
                 refused ? "{\"a" : body);
        client_send(fd, text);
        ASSERT_STARTS(client_hear(fd), refused ? "HTTP/1.1 503 " : "HTTP/1.1 200 ");
        atomic_store(&f.site.service->full, false);
        atomic_store(&f.site.service->hold, true);
        client_send(fd, refused ? "\":1}" : body + HALF);
        check_body_and_answer(refused ? "{\"a\":1}" : body);
        ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
        close(fd);
    }
    fixture_end(&f, false);
}
END_TEST

static size_t spent(void)
{
    return atomic_load(&f.site.memory.spent);
}

/* An announced length takes nothing; what came, no more than was announced. */
START_TEST(a_body_takes_room_as_it_comes)
{
    enum { BODY = 300000, KIB = 1024 };
    static char body[BODY];
    fixture_start(&f, no_flags);
    int fd = client_open(&f);
    client_send(fd, POST_HEAD "Content-Length: 300000\r\n"
                              "Expect: 100-continue\r\n\r\n");
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 100 ");
    ck_assert_uint_eq(spent(), 0);
    client_send_bytes(fd, body, 1);
    await(spent() == (size_t)64 * KIB);
    client_send_bytes(fd, body, (size_t)65 * KIB);
    await(spent() == (size_t)256 * KIB);
    client_send_bytes(fd, body, (size_t)BODY - 66 * KIB - 2);
    await(spent() > (size_t)256 * KIB && spent() < BODY + 64);
    client_send_bytes(fd, body, (size_t)KIB + 1);
    ASSERT_HAS(client_hear(fd), "{\"bytes\": 300000}");
    close(fd);
    fixture_end(&f, false);
}
END_TEST

TEST_PROGRAM("request_body", a_refusal_is_sent_instead_of_100_continue,
             a_chunked_body_may_be_as_long_as_any, a_body_may_be_refused_in_its_middle,
             a_refusal_is_not_lost_while_the_client_still_sends,
             spent_memory_is_said_before_the_body, a_refused_body_holds_no_memory,
             what_follows_an_ignored_body_is_read_as_it_is,
             a_body_takes_room_as_it_comes)
