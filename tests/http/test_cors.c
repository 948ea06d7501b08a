#include "http/cors.h"

#include "http/site_fixture.h"

static struct fixture f;

START_TEST(an_origin_is_allowed_that_is_listed)
{
    static struct cors cors;
    struct error e = {0};
    ck_assert(cors_read("https://a.example, http://b:81,http://[::1]:8080", &cors, &e));
    ck_assert_uint_eq(cors.count, 3);
    ck_assert(cors_varies(&cors));
    const char *asked = "http://b:81";
    const char *allowed = cors_allowed(&cors, asked);
    ck_assert_str_eq(allowed, asked);
    ck_assert_msg(allowed != asked, "what is sent back is the setting's");
    ck_assert_str_eq(cors_allowed(&cors, "https://a.example"), "https://a.example");
    ck_assert_str_eq(cors_allowed(&cors, "http://[::1]:8080"), "http://[::1]:8080");
    static const char *const others[] = {
        "",
        "null",
        "*",
        "http://a.example",
        "https://a.example:443",
        "https://A.example",
        "https://a.example.evil.example",
        "https://evil.example/https://a.example",
        "http://b:8",
        "http://b:811",
        "https://a.example, http://b:81",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!cors_allowed(&cors, others[i]), "%s", others[i]);
    ck_assert_ptr_null(cors_allowed(&cors, NULL));
}
END_TEST

START_TEST(a_star_is_every_origin)
{
    static struct cors cors;
    struct error e = {0};
    ck_assert(cors_read("*", &cors, &e));
    ck_assert_str_eq(cors_allowed(&cors, "https://a.example"), "*");
    ck_assert_str_eq(cors_allowed(&cors, "null"), "*");
    ck_assert_ptr_null(cors_allowed(&cors, NULL));
    ck_assert(!cors_varies(&cors));
}
END_TEST

START_TEST(an_empty_list_allows_nobody)
{
    static struct cors cors;
    struct error e = {0};
    ck_assert(cors_read("", &cors, &e));
    ck_assert_uint_eq(cors.count, 0);
    ck_assert(!cors_varies(&cors));
    ck_assert_ptr_null(cors_allowed(&cors, "https://a.example"));
    ck_assert_ptr_null(cors_allowed(&cors, ""));
}
END_TEST

START_TEST(what_no_browser_sends_as_an_origin_is_refused)
{
    static const char *const wrong[] = {
        "null",
        "a.example",
        "https:",
        "https://",
        "://a",
        "https:/a.example",
        "https://a.example/",
        "https://a.example/x",
        "HTTPS://a.example",
        "https://A.example",
        "https://a.example:",
        "https://a.example:x",
        "https://a.example:123456",
        "https://a.example:1/",
        "https://:1",
        "https://[::1",
        "https://[::g]",
        "https://[]x",
        "https://*.example",
        "https://a.example ",
        "https://a.example,",
        ",",
        "https://a.example,,https://b.example",
        "https://u@a.example",
        "https://a\r\nb",
        "**",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        static struct cors cors;
        struct error e = {0};
        ck_assert_msg(!cors_read(wrong[i], &cors, &e), "%s", wrong[i]);
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(e.path, "cors_origins");
    }
}
END_TEST

START_TEST(so_many_origins_and_no_more)
{
    static struct cors cors;
    struct error e = {0};
    char text[SETTING_TEXT_BYTES] = "http://a:1";
    for (size_t i = 1; i < CORS_ORIGINS; i++)
        strcat(text, ",http://a:1");
    ck_assert_msg(cors_read(text, &cors, &e), "%s", e.message);
    ck_assert_uint_eq(cors.count, CORS_ORIGINS);
    strcat(text, ",http://a:1");
    ck_assert(!cors_read(text, &cors, &e));
}
END_TEST

#define PREFLIGHT                                       \
    "OPTIONS /v1/attention HTTP/1.1\r\nHost: a\r\n"     \
    "Access-Control-Request-Method: POST\r\n"           \
    "Access-Control-Request-Headers: authorization\r\n" \
    "Origin: "

/* threat 118 */
START_TEST(by_default_there_is_no_header_of_this_protocol)
{
    static const char *const no_flags[] = {NULL};
    fixture_start(&f, no_flags);
    const char *answer = ask(&f, PREFLIGHT "https://a.example\r\n\r\n");
    ASSERT_HAS(answer, "HTTP/1.1 204 ");
    ASSERT_HAS(answer, "\r\nAllow: POST, OPTIONS\r\n");
    ASSERT_HAS(answer, "\r\nVary: Accept\r\n");
    ASSERT_HAS_NOT(answer, "Access-Control");
    answer = ask(
        &f, "GET /v1/info HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n\r\n");
    ASSERT_HAS(answer, "HTTP/1.1 200 ");
    ASSERT_HAS(answer, "\r\nVary: Accept\r\n");
    ASSERT_HAS_NOT(answer, "Access-Control");
    fixture_end(&f, false);
}
END_TEST

START_TEST(a_listed_origin_may_read_what_is_answered)
{
    static const char *const flags[] = {"--cors-origins",
                                        "http://b:1,https://a.example", NULL};
    fixture_start(&f, flags);
    const char *answer = ask(&f, PREFLIGHT "https://a.example\r\n\r\n");
    ASSERT_HAS(answer, "HTTP/1.1 204 ");
    ASSERT_HAS(answer, "\r\nAccess-Control-Allow-Origin: https://a.example\r\n");
    ASSERT_HAS(answer, "\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n");
    ASSERT_HAS(answer, "\r\nAccess-Control-Allow-Headers: Authorization, "
                       "Content-Type, X-Request-Id, traceparent\r\n");
    ASSERT_HAS(answer, "\r\nAccess-Control-Max-Age: 600\r\n");
    ASSERT_HAS(answer, "\r\nVary: Accept, Origin\r\n");

    answer = ask(&f, POST_HEAD "Content-Length: 7\r\nOrigin: http://b:1\r\n"
                               "\r\n{\"a\":1}");
    ASSERT_HAS(answer, "HTTP/1.1 200 ");
    ASSERT_HAS(answer, "\r\nAccess-Control-Allow-Origin: http://b:1\r\n");
    ASSERT_HAS(answer, "\r\nAccess-Control-Expose-Headers: X-Request-Id, ");
    ASSERT_HAS(answer, "\r\nVary: Accept, Origin\r\n");
    ASSERT_HAS_NOT(answer, "Access-Control-Allow-Methods");
    ASSERT_HAS_NOT(answer, "Access-Control-Allow-Credentials");

    /* Why it was refused is an answer, too. */
    answer = ask(&f, "GET /nothing HTTP/1.1\r\nHost: a\r\nOrigin: http://b:1\r\n\r\n");
    ASSERT_HAS(answer, "HTTP/1.1 404 ");
    ASSERT_HAS(answer, "\r\nAccess-Control-Allow-Origin: http://b:1\r\n");
    fixture_end(&f, false);
}
END_TEST

/* threat 118 */
START_TEST(another_origin_gets_the_answer_without_a_word_of_it)
{
    static const char *const flags[] = {"--cors-origins", "https://a.example", NULL};
    static const char *const origins[] = {
        "https://b.example",
        "null",
        "https://a.example.evil.example",
        "https://a.example\r\nOrigin: https://a.example",
        "\r\nX-Origin: https://a.example",
    };
    fixture_start(&f, flags);
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        char request[512];
        snprintf(request, sizeof request, PREFLIGHT "%s\r\n\r\n", origins[i]);
        const char *answer = ask(&f, request);
        ASSERT_HAS(answer, "HTTP/1.1 204 ");
        ASSERT_HAS(answer, "\r\nVary: Accept, Origin\r\n");
        ASSERT_HAS_NOT(answer, "Access-Control");
        ASSERT_HAS_NOT(answer, "example");
    }
    fixture_end(&f, false);
}
END_TEST

START_TEST(with_a_star_the_answer_is_the_same_for_all)
{
    static const char *const flags[] = {"--cors-origins", "*", NULL};
    fixture_start(&f, flags);
    const char *answer = ask(&f, PREFLIGHT "https://whoever.example\r\n\r\n");
    ASSERT_HAS(answer, "\r\nAccess-Control-Allow-Origin: *\r\n");
    ASSERT_HAS(answer, "\r\nVary: Accept\r\n");
    ASSERT_HAS_NOT(answer, "whoever");
    ASSERT_HAS_NOT(ask(&f, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), "Access-Control");
    fixture_end(&f, false);
}
END_TEST

TEST_PROGRAM("cors", an_origin_is_allowed_that_is_listed, a_star_is_every_origin,
             an_empty_list_allows_nobody, what_no_browser_sends_as_an_origin_is_refused,
             so_many_origins_and_no_more,
             by_default_there_is_no_header_of_this_protocol,
             a_listed_origin_may_read_what_is_answered,
             another_origin_gets_the_answer_without_a_word_of_it,
             with_a_star_the_answer_is_the_same_for_all)
