#include "http/routes.h"
#include "support/test.h"

enum { BOTH = SURFACE_API | SURFACE_METRICS };

static const struct route *find(const char *path, enum http_method method,
                                unsigned surfaces, bool *known)
{
    return routes_find(path, strlen(path), method, surfaces, known);
}

START_TEST(every_path_stands_once)
{
    for (size_t i = 0; i < route_count; i++)
        ck_assert_uint_eq(routes_label(routes[i].path, strlen(routes[i].path)), i);
}
END_TEST

START_TEST(head_works_wherever_get_does)
{
    for (size_t i = 0; i < route_count; i++) {
        bool known;
        bool get = find(routes[i].path, METHOD_GET, BOTH, &known) != NULL;
        ck_assert(known);
        ck_assert(get == (find(routes[i].path, METHOD_HEAD, BOTH, &known) != NULL));
    }
}
END_TEST

START_TEST(a_path_is_found_whole_or_not_at_all)
{
    static const char *const paths[] = {"/",       "",         "/live",  "/livezz",
                                        "/livez/", "//livez",  "/LIVEZ", "/v1/models",
                                        "/v2",     "/../livez"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        bool known;
        ck_assert_msg(!find(paths[i], METHOD_GET, BOTH, &known) && !known, "%s",
                      paths[i]);
        ck_assert_uint_eq(routes_label(paths[i], strlen(paths[i])), route_count);
    }
}
END_TEST

START_TEST(allow_comes_from_the_table)
{
    static const struct {
        const char *path, *allow;
    } cases[] = {
        {"/v1/attention", "POST, OPTIONS"},
        {"/livez", "GET, HEAD, OPTIONS"},
        {"/metrics/requests", "GET, HEAD, OPTIONS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char allow[ALLOW_BYTES];
        routes_allow(cases[i].path, strlen(cases[i].path), allow);
        ck_assert_str_eq(allow, cases[i].allow);
    }
}
END_TEST

START_TEST(another_method_is_not_another_path)
{
    bool known;
    ck_assert_ptr_null(find("/livez", METHOD_POST, BOTH, &known));
    ck_assert(known);
    ck_assert_ptr_null(find("/v1/attention", METHOD_GET, BOTH, &known));
    ck_assert(known);
}
END_TEST

START_TEST(metrics_can_have_a_listener_of_their_own)
{
    bool known;
    ck_assert_ptr_null(find("/metrics", METHOD_GET, SURFACE_API, &known));
    ck_assert(!known);
    ck_assert_ptr_nonnull(find("/metrics", METHOD_GET, SURFACE_METRICS, &known));
    ck_assert_ptr_null(find("/v1/info", METHOD_GET, SURFACE_METRICS, &known));
    ck_assert(!known);
}
END_TEST

START_TEST(methods_are_told_apart_by_case)
{
    ck_assert_int_eq(method_read("GET"), METHOD_GET);
    ck_assert_int_eq(method_read("CONNECT"), METHOD_CONNECT);
    ck_assert_int_eq(method_read("get"), METHOD_UNKNOWN);
    ck_assert_int_eq(method_read("BREW"), METHOD_UNKNOWN);
    ck_assert_int_eq(method_read(""), METHOD_UNKNOWN);
    ck_assert_str_eq(method_name(METHOD_UNKNOWN), "OTHER");
}
END_TEST

TEST_PROGRAM("routes", every_path_stands_once, head_works_wherever_get_does,
             a_path_is_found_whole_or_not_at_all, allow_comes_from_the_table,
             another_method_is_not_another_path,
             metrics_can_have_a_listener_of_their_own, methods_are_told_apart_by_case)
