#include "http/target.h"
#include "support/test.h"

static struct target parsed(const char *raw, const char *path, const char *query)
{
    struct target t;
    struct error e = {0};
    ck_assert_msg(target_parse(raw, &t, &e), "%s: %s", raw, e.message);
    ck_assert_uint_eq(t.path_length, strlen(path));
    ck_assert_int_eq(strncmp(t.path, path, t.path_length), 0);
    ck_assert_str_eq(t.query, query);
    return t;
}

START_TEST(a_target_is_a_path_and_a_query)
{
    static const struct {
        const char *raw, *path, *query;
    } cases[] = {
        {"/", "/", ""},
        {"/livez", "/livez", ""},
        {"/metrics/requests?limit=5", "/metrics/requests", "limit=5"},
        {"/a?", "/a", ""},
        {"/a?b?c/%zz", "/a", "b?c/%zz"},
        {"//livez", "//livez", ""},
        {"/../livez", "/../livez", ""},
        {"*", "*", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed(cases[i].raw, cases[i].path, cases[i].query);
    }
}
END_TEST

/* threats 36, 37 */
START_TEST(a_strange_target_is_refused)
{
    static const struct {
        const char *raw;
        enum error_code code;
    } cases[] = {
        {NULL, ERROR_BAD_REQUEST},
        {"", ERROR_BAD_REQUEST},
        {"*x", ERROR_BAD_REQUEST},
        {"livez", ERROR_BAD_REQUEST},
        {"example.org:443", ERROR_BAD_REQUEST},
        {"/livez%00", ERROR_BAD_REQUEST},
        {"/%6civez", ERROR_BAD_REQUEST},
        {"/%zz", ERROR_BAD_REQUEST},
        {"/%2e%2e%2flivez", ERROR_BAD_REQUEST},
        {"/..\\livez", ERROR_BAD_REQUEST},
        {"/livez#here", ERROR_BAD_REQUEST},
        {"/liv\x01z", ERROR_BAD_REQUEST},
        {"/l\xc3\xafvez", ERROR_BAD_REQUEST},
        {"/a?b\x7f", ERROR_BAD_REQUEST},
        {"/a?b\xff", ERROR_BAD_REQUEST},
        {"http:/livez", ERROR_BAD_REQUEST},
        {"http://", ERROR_BAD_REQUEST},
        {"http:///livez", ERROR_BAD_REQUEST},
        {"http://me@localhost/livez", ERROR_BAD_REQUEST},
        {"http://%6cocalhost/livez", ERROR_BAD_REQUEST},
        {"http://localhost#/livez", ERROR_BAD_REQUEST},
        {"http://localhost/%6civez", ERROR_BAD_REQUEST},
        {"ftp://localhost/livez", ERROR_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target t;
        struct error e = {0};
        ck_assert_msg(!target_parse(cases[i].raw, &t, &e), "%s", cases[i].raw);
        ck_assert_int_eq(e.code, cases[i].code);
    }
}
END_TEST

/* RFC 9112, 3.2.2 */
START_TEST(a_target_may_say_what_it_is_for)
{
    static const struct {
        const char *raw, *authority, *path, *query, *host;
        bool secure, matches;
    } cases[] = {
        {"http://a/livez", "a", "/livez", "", "a", false, true},
        {"HTTP://A.b:80/livez?c/d", "A.b:80", "/livez", "c/d", "a.B:80", false, true},
        {"https://[::1]:8/x", "[::1]:8", "/x", "", "[::1]:8", true, true},
        {"http://a", "a", "/", "", "a", false, true},
        {"http://a?b", "a", "/", "b", "a", false, true},
        {"http://a/livez", "a", "/livez", "", "ab", false, false},
        {"http://ab/livez", "ab", "/livez", "", "a", false, false},
        {"http://a/livez", "a", "/livez", "", "a a", false, false},
        {"http://a:80/livez", "a:80", "/livez", "", "a", false, false},
        {"http://a/livez", "a", "/livez", "", "", false, false},
        {"http://a/livez", "a", "/livez", "", NULL, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct target t = parsed(cases[i].raw, cases[i].path, cases[i].query);
        ck_assert_uint_eq(t.authority_length, strlen(cases[i].authority));
        ck_assert_int_eq(strncmp(t.authority, cases[i].authority, t.authority_length),
                         0);
        ck_assert(t.secure == cases[i].secure);
        ck_assert(target_is_for(t.authority, t.authority_length, cases[i].host) ==
                  cases[i].matches);
    }
}
END_TEST

TEST_PROGRAM("target", a_target_may_say_what_it_is_for, a_target_is_a_path_and_a_query,
             a_strange_target_is_refused)
