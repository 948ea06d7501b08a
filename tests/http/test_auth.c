#include "http/auth.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <sys/stat.h>

#include "http/site_fixture.h"

#define CALLER  "caller-1234567890123456789012345678901"
#define SCRAPER "scraper-123456789012345678901234567890=="
#define CHIEF   "chief+/~._-12345678901234567890123456789"
#define UNKNOWN "unknown-123456789012345678901234567890"

static struct fixture f;
static char path[64];

static void write_line(FILE *file, const char *name, const char *roles, const char *key,
                       const char *limit)
{
    uint8_t digest[KEY_DIGEST_BYTES];
    ck_assert_int_eq(gnutls_hash_fast(GNUTLS_DIG_SHA256, key, strlen(key), digest), 0);
    fprintf(file, "%s %s ", name, roles);
    for (size_t i = 0; i < sizeof digest; i++)
        fprintf(file, "%02x", digest[i]);
    fprintf(file, " %s\n", limit);
}

/* Of a caller, unless there is none, a scraper and a chief. */
static void write_keys(bool caller)
{
    snprintf(path, sizeof path, "/tmp/attentiond-auth-%d", (int)getpid());
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    if (caller)
        write_line(file, "caller", "infer", CALLER, "2");
    write_line(file, "scraper", "metrics", SCRAPER, "");
    write_line(file, "chief", "admin,infer", CHIEF, "");
    ck_assert_int_eq(fclose(file), 0);
    chmod(path, 0600);
}

static void start_with_keys(void)
{
    write_keys(true);
    const char *const flags[] = {"--keys-file", path, NULL};
    fixture_start(&f, flags);
}

static void end(void)
{
    fixture_end(&f, false);
    unlink(path);
}

#define GET(path)   "GET " path " HTTP/1.1\r\nHost: a\r\n"
#define POST        POST_HEAD "Content-Length: 7\r\n"
#define BEARER(key) "Authorization: Bearer " key "\r\n"
#define BODY        "\r\n{\"a\":1}"

/* threat 111 */
START_TEST(a_token_is_what_follows_bearer)
{
    static const struct {
        const char *value;
        size_t from, length; /* of the token; 0: there is none */
    } cases[] = {
        {"Bearer " CALLER, 7, sizeof CALLER - 1},
        {"bearer " CALLER, 7, sizeof CALLER - 1},
        {"BEARER    " SCRAPER, 10, sizeof SCRAPER - 1},
        {"Bearer " CHIEF, 7, sizeof CHIEF - 1},
        {"Bearer 12345678901234567890123456789012", 7, 32},
        {"Bearer 1234567890123456789012345678901", 0, 0},
        {"Bearer 1===============================", 7, 32},
        {"Bearer ================================", 0, 0},
        {"Bearer 1=1=============================", 0, 0},
        {NULL, 0, 0},
        {"", 0, 0},
        {"Bearer", 0, 0},
        {"Bearer ", 0, 0},
        {"Bearer" CALLER, 0, 0},
        {"Bearer\t" CALLER, 0, 0},
        {"Basic " CALLER, 0, 0},
        {CALLER, 0, 0},
        {"Bearer " CALLER " \t", 7, sizeof CALLER - 1},
        {"Bearer " CALLER " ,", 0, 0},
        {"Bearer " CALLER " more", 0, 0},
        {"Bearer " CALLER ",Bearer " CALLER, 0, 0},
        {"Bearer \"" CALLER "\"", 0, 0},
        {"Bearer " CALLER "\xc3\xa9", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = 0;
        const char *token = auth_token(cases[i].value, &length);
        ck_assert_msg((token != NULL) == (cases[i].length > 0), "%s", cases[i].value);
        if (!token)
            continue;
        ck_assert_ptr_eq(token, cases[i].value + cases[i].from);
        ck_assert_uint_eq(length, cases[i].length);
    }

    char text[7 + KEY_MOST_BYTES + 2] = "Bearer ";
    size_t length;
    memset(text + 7, 'x', KEY_MOST_BYTES);
    ck_assert_ptr_nonnull(auth_token(text, &length));
    text[7 + KEY_MOST_BYTES] = 'x';
    ck_assert_ptr_null(auth_token(text, &length));
}
END_TEST

START_TEST(a_key_opens_the_paths_of_its_roles)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        {POST BEARER(CALLER) BODY, "200"},
        {POST "aUTHORIZATION: bEARER " CALLER "\r\n" BODY, "200"},
        {POST BEARER(CHIEF) BODY, "200"},
        {POST BEARER(SCRAPER) BODY, "403"},
        {GET("/v1/info") BEARER(CALLER) "\r\n", "200"},
        {GET("/v1/info") BEARER(SCRAPER) "\r\n", "200"},
        {GET("/v1/info") BEARER(CHIEF) "\r\n", "200"},
        {GET("/v1/info") "\r\n", "401"},
        {GET("/metrics") BEARER(SCRAPER) "\r\n", "200"},
        {GET("/metrics") BEARER(CHIEF) "\r\n", "200"},
        {GET("/metrics") BEARER(CALLER) "\r\n", "403"},
        {GET("/metrics") "\r\n", "401"},
        {"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "401"},
        {GET("/metrics/requests") BEARER(SCRAPER) "\r\n", "200"},
        {GET("/metrics/requests") BEARER(CHIEF) "\r\n", "200"},
        {GET("/metrics/requests") BEARER(CALLER) "\r\n", "403"},
        {GET("/metrics/requests") "\r\n", "401"},
        /* Public, and a key that is wrong does no harm there. */
        {GET("/livez") "\r\n", "200"},
        {GET("/readyz") "\r\n", "200"},
        {GET("/readyz") BEARER(UNKNOWN) "\r\n", "200"},
        {GET("/openapi.json") "\r\n", "200"},
        {GET("/openapi.yaml") "\r\n", "200"},
        {"OPTIONS /v1/attention HTTP/1.1\r\nHost: a\r\n\r\n", "204"},
        {GET("/nothing") "\r\n", "404"},
        {GET("/v1/attention") "\r\n", "405"},
    };
    start_with_keys();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[32];
        snprintf(line, sizeof line, "HTTP/1.1 %s ", cases[i].status);
        int fd = client_open(&f);
        client_send(fd, cases[i].request);
        const char *answer = client_hear_head_only(fd);
        ck_assert_msg(strncmp(answer, line, strlen(line)) == 0, "%s\n-> %s",
                      cases[i].request, answer);
        ck_assert_msg(!strstr(answer, "\r\nWWW-Authenticate: Bearer\r\n") ==
                          (strcmp(cases[i].status, "401") != 0),
                      "%s", answer);
        close(fd);
    }
    end();
}
END_TEST

/* Without what differs in every answer: the date and the id. */
static char *without_names(const char *answer)
{
    char *text = strdup(answer);
    ck_assert_ptr_nonnull(text);
    static const char *const marks[] = {"Date: ", "X-Request-Id: ", "\"instance\":\""};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        char *at = strstr(text, marks[i]);
        ck_assert_ptr_nonnull(at);
        at += strlen(marks[i]);
        memset(at, '-', strcspn(at, "\r\""));
    }
    return text;
}

/* threat 111 */
START_TEST(a_missing_a_wrong_and_an_unknown_key_get_the_same_words)
{
    static const char *const requests[] = {
        POST BEARER(UNKNOWN) BODY,
        POST BODY,
        POST BEARER("caller-1234567890123456789012345678900") BODY,
        POST BEARER("caller-123456789012345678901234567890") BODY,
        POST BEARER("caller") BODY,
        POST BEARER("") BODY,
        POST "Authorization: Basic " CALLER "\r\n" BODY,
        POST "Authorization: " CALLER "\r\n" BODY,
        POST BEARER(CALLER) BEARER(CALLER) BODY,
        POST "Proxy-Authorization: Bearer " CALLER "\r\n" BODY,
        POST "Cookie: key=" CALLER "\r\n" BODY,
        "POST /v1/attention?key=" CALLER " HTTP/1.1\r\nHost: a\r\n"
        "Content-Type: application/json\r\nContent-Length: 7\r\n" BODY,
        "POST /v1/attention?access_token=" CALLER " HTTP/1.1\r\nHost: a\r\n"
        "Content-Type: application/json\r\nContent-Length: 7\r\n" BODY,
        /* Nothing else is told before the key is known. */
        POST "Content-Encoding: gzip\r\n" BODY,
        POST "Accept: image/gif\r\n" BODY,
        POST_HEAD "Content-Length: 99999999999\r\n\r\n",
        POST_HEAD "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n",
        POST_HEAD "Expect: tea\r\nContent-Length: 7\r\n\r\n",
    };
    start_with_keys();
    char *first = NULL;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char *answer = without_names(ask(&f, requests[i]));
        ASSERT_STARTS(answer, "HTTP/1.1 401 ");
        ASSERT_HAS(answer, "{\"type\":\"urn:attentiond:problem:unauthorized\"");
        ASSERT_HAS(answer, "\r\nWWW-Authenticate: Bearer\r\n");
        if (!first)
            first = strdup(answer);
        ck_assert_msg(strcmp(answer, first) == 0, "%s\n-> %s", requests[i], answer);
        free(answer);
    }
    free(first);
    ck_assert_uint_eq(atomic_load(&f.site.service->taken), 0);
    end();
}
END_TEST

START_TEST(who_may_not_is_told_which_role_it_takes)
{
    start_with_keys();
    const char *answer = ask(&f, GET("/metrics") BEARER(CALLER) "\r\n");
    ASSERT_HAS(answer, "{\"type\":\"urn:attentiond:problem:forbidden\"");
    ASSERT_HAS(answer, "which needs the role admin or metrics");
    ASSERT_HAS_NOT(answer, CALLER);
    ASSERT_HAS(ask(&f, POST BEARER(SCRAPER) BODY), "which needs the role infer\"");
    end();
}
END_TEST

static int hold_one(const char *request, size_t taken)
{
    int fd = client_open(&f);
    client_send(fd, request);
    await(atomic_load(&f.site.service->taken) == taken);
    return fd;
}

/* threat 90 */
START_TEST(a_key_has_so_many_requests_in_progress_and_no_more)
{
    start_with_keys();
    atomic_store(&f.site.service->hold, true);
    int one = hold_one(POST BEARER(CALLER) BODY, 1);
    int two = hold_one(POST BEARER(CALLER) BODY, 2);

    const char *answer = ask(&f, POST BEARER(CALLER) BODY);
    ASSERT_STARTS(answer, "HTTP/1.1 429 ");
    ASSERT_HAS(answer, "{\"type\":\"urn:attentiond:problem:rate-limited\"");
    ASSERT_HAS(answer, "2 requests of this key are in progress");
    ASSERT_HAS(answer, "per_key_limit");
    ASSERT_HAS(answer, "\r\nRetry-After: 7\r\n");
    ASSERT_HAS(ask(&f, GET("/v1/info") BEARER(CALLER) "\r\n"), "HTTP/1.1 429 ");
    ASSERT_HAS(ask(&f, GET("/readyz") BEARER(CALLER) "\r\n"), "HTTP/1.1 200 ");

    /* Others are not concerned. */
    int other = hold_one(POST BEARER(CHIEF) BODY, 3);
    ASSERT_STARTS(ask(&f, GET("/metrics") BEARER(SCRAPER) "\r\n"), "HTTP/1.1 200 ");

    /* One that leaves makes room, and one that is answered. */
    close(two);
    await(atomic_load(&f.site.service->cancelled) == 1);
    await(strncmp(ask(&f, GET("/v1/info") BEARER(CALLER) "\r\n"), "HTTP/1.1 200", 12) ==
          0);
    atomic_store(&f.site.service->hold, false);
    ASSERT_STARTS(client_hear(one), "HTTP/1.1 200 ");
    ASSERT_STARTS(client_hear(other), "HTTP/1.1 200 ");
    for (size_t i = 0; i < 5; i++) {
        await(strncmp(ask(&f, POST BEARER(CALLER) BODY), "HTTP/1.1 200", 12) == 0);
        client_send(one, POST BEARER(CALLER) BODY);
        ASSERT_STARTS(client_hear(one), "HTTP/1.1 200 ");
    }
    close(one);
    close(other);
    end();
}
END_TEST

/* Requests in whatever state are given back once: what was refused after its key was
 * taken, and what never came whole. */
START_TEST(a_key_is_given_back_however_a_request_ends)
{
    static const char *const requests[] = {
        POST BEARER(CALLER) "Content-Encoding: gzip\r\n" BODY,
        POST BEARER(CALLER) "Expect: tea\r\n" BODY,
        POST_HEAD BEARER(CALLER) "Content-Length: 99999999999\r\n\r\n",
        POST_HEAD BEARER(CALLER) "\r\n",
        GET("/v1/info") BEARER(CALLER) "Accept: image/gif\r\n\r\n",
        POST BEARER(CALLER) "\r\n{", /* cut at its deadline */
    };
    write_keys(true);
    const char *const flags[] = {"--keys-file", path, "--body-timeout", "100ms", NULL};
    fixture_start(&f, flags);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        for (size_t n = 0; n < 3; n++) {
            int fd = client_open(&f);
            client_send(fd, requests[i]);
            ASSERT_STARTS(client_hear(fd), "HTTP/1.1 4");
            close(fd);
            await(atomic_load(&f.site.in_flight) == 0);
            ASSERT_STARTS(ask(&f, GET("/v1/info") BEARER(CALLER) "\r\n"),
                          "HTTP/1.1 200 ");
        }
    end();
}
END_TEST

START_TEST(keys_are_replaced_while_requests_go_on)
{
    start_with_keys();
    atomic_store(&f.site.service->hold, true);
    int fd = hold_one(POST BEARER(CALLER) BODY, 1);
    write_keys(false);
    site_reload(&f.site);
    ASSERT_STARTS(ask(&f, POST BEARER(CALLER) BODY), "HTTP/1.1 401 ");
    ASSERT_STARTS(ask(&f, GET("/metrics") BEARER(SCRAPER) "\r\n"), "HTTP/1.1 200 ");

    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("nonsense\n", file);
    fclose(file);
    log_configure(open("/dev/null", O_WRONLY), LOG_TEXT, LOG_ERROR);
    site_reload(&f.site); /* which says what is wrong, and changes nothing */
    ASSERT_STARTS(ask(&f, GET("/metrics") BEARER(SCRAPER) "\r\n"), "HTTP/1.1 200 ");

    write_keys(true);
    chmod(path, 0604); /* a warning */
    site_reload(&f.site);
    ASSERT_STARTS(ask(&f, GET("/v1/info") BEARER(CALLER) "\r\n"), "HTTP/1.1 200 ");

    atomic_store(&f.site.service->hold, false);
    ASSERT_STARTS(client_hear(fd), "HTTP/1.1 200 ");
    close(fd);
    end();
}
END_TEST

START_TEST(without_a_file_nobody_is_asked)
{
    static const char *const no_flags[] = {NULL};
    fixture_start(&f, no_flags);
    ck_assert_ptr_null(f.site.keys);
    site_reload(&f.site);
    ASSERT_STARTS(ask(&f, POST BODY), "HTTP/1.1 200 ");
    ASSERT_STARTS(ask(&f, POST BEARER(UNKNOWN) BODY), "HTTP/1.1 200 ");
    ASSERT_STARTS(ask(&f, GET("/metrics") "\r\n"), "HTTP/1.1 200 ");
    fixture_end(&f, false);
}
END_TEST

/* threat 120 */
START_TEST(what_cannot_be_used_stops_the_start)
{
    static struct settings s;
    struct site site;
    const struct machine machine = {.cpus = 1, .memory = (size_t)1 << 30};
    struct error e = {0};
    write_keys(true);
    strcpy(s.bind, "127.0.0.1");
    snprintf(s.keys_file, sizeof s.keys_file, "%s", path);
    ck_assert_msg(site_check(&s, &e), "%s", e.message);
    unlink(path);
    ck_assert(!site_check(&s, &e));
    ck_assert_str_eq(e.path, "keys_file");
    ck_assert(!site_open(&site, &s, &machine, &e));
    site_close(&site);

    struct error f_ = {0};
    s.keys_file[0] = '\0';
    strcpy(s.cors_origins, "https://a.example/");
    ck_assert(!site_check(&s, &f_));
    ck_assert_str_eq(f_.path, "cors_origins");
    ck_assert(!site_open(&site, &s, &machine, &f_));
    site_close(&site);
}
END_TEST

TEST_PROGRAM("auth", a_token_is_what_follows_bearer, a_key_opens_the_paths_of_its_roles,
             a_missing_a_wrong_and_an_unknown_key_get_the_same_words,
             who_may_not_is_told_which_role_it_takes,
             a_key_has_so_many_requests_in_progress_and_no_more,
             a_key_is_given_back_however_a_request_ends,
             keys_are_replaced_while_requests_go_on, without_a_file_nobody_is_asked,
             what_cannot_be_used_stops_the_start)
