#include "http/accept.h"

#include <time.h>

#include "support/test.h"

enum { JSON, TEXT, NEITHER };

static size_t choose(const char *accept)
{
    static const char *const offers[] = {"application/json", "text/plain"};
    return accept_choose(&accept, 1, offers, 2);
}

START_TEST(the_best_quality_wins)
{
    static const struct {
        const char *accept;
        size_t choice;
    } cases[] = {
        {"", JSON},
        {" , ,", JSON},
        {"*/*", JSON},
        {"application/*", JSON},
        {"application/json", JSON},
        {"APPLICATION/JSON", JSON},
        {"application/json; charset=utf-8", JSON},
        {"text/plain", TEXT},
        {"text/*", TEXT},
        {"text/plain, application/json", JSON},
        {"text/plain, */*;q=0.8", TEXT},
        {"text/plain;q=0.5, application/json;q=0.4", TEXT},
        {"text/plain;q=0.5,application/json;q=0.501", JSON},
        {"text/html, application/xhtml+xml, */*;q=0.1", JSON},
        {"*/*, application/json;q=0", TEXT},
        {"text/plain ; format=flowed ; q=0.9 , application/json ; q=0.1", TEXT},
        {"text/plain;a=\"x,y;q=0\";q=1, application/json;q=0.5", TEXT},
        {"text/plain;q=1.000, application/json;q=0.999", TEXT},
        {"image/png", NEITHER},
        {"image/*, text/html", NEITHER},
        {"application/json;q=0", NEITHER},
        {"application/json;q=0.0, text/plain;q=0", NEITHER},
        {"application/jsonx", NEITHER},
        {"application/jso", NEITHER},
        {"*/json", NEITHER},
        {"json", NEITHER},
        {"application/json;q=2", NEITHER},
        {"application/json;q=0.1234", NEITHER},
        {"application/json;q=", NEITHER},
        {"application/json;q=x", NEITHER},
        {"application/json;q=1.1", NEITHER},
        {"application/json;q=0.a", NEITHER},
        {"application/json;q=0.:", NEITHER},
        {"application/json;q=1x", NEITHER},
        {"application/json;q=3.0", NEITHER},
        {"application/json;q", JSON},
        {"application/json;r=0", JSON},
        {"\ttext/plain\t,\t", TEXT},
        {"text/*, xpplication/*", TEXT},
        {"application/y", NEITHER},
        {"text/plain;a=\"x\\\",q=0\"", TEXT},
        {"text/plain;a=\"x\\", TEXT},
        {"text/plain;a=\"b\\c\";q=0, */*;q=0.1", JSON},
        {"text/plain;a=\"x;q=0\"", TEXT},
        {"text/plain;a=\"x;q=0\";q=0.5, application/json;q=0.4", TEXT},
        {"\"text/plain;q=1\", text/plain;q=0", NEITHER},
        {"\"a;b\",text/plain", TEXT},
        {"\";q=0\",text/plain;q=0.3", TEXT},
        {"text/plain;\"a", TEXT},
        {"text/plain;a=\"b ;q=0 ", TEXT},
        {"text/plain;q=0.5 , */* ; q=0.6 ", JSON},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(choose(cases[i].accept) == cases[i].choice, "%s: %zu, not %zu",
                      cases[i].accept, choose(cases[i].accept), cases[i].choice);
}
END_TEST

/* The processor time of the quickest of a few readings of `length` bytes. */
static double seconds_for(const char *element, size_t length)
{
    char *value = malloc(length + 1);
    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < length; i++)
        value[i] = element[i % strlen(element)];
    value[length] = '\0';
    double least = 1e9;
    for (int i = 0; i < 5; i++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        ck_assert_uint_eq(choose(value), NEITHER);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        double took = (double)(to.tv_sec - from.tv_sec) +
                      1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        least = took < least ? took : least;
    }
    free(value);
    return least;
}

/* A value 16 times as long takes some 16 times as long; it would be 256 times where
 * each element led to the end of the value. */
START_TEST(the_time_grows_as_the_value)
{
    static const char *const elements[] = {"\"\\\";\",", "\";\",", ";\"\\\",",
                                           "a/b;q=\"1,"};
    enum { SHORT = 16 * 1024, TIMES = 16, MOST = 64 };
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        double first = seconds_for(elements[i], SHORT);
        double second = seconds_for(elements[i], (size_t)SHORT * TIMES);
        ck_assert_msg(second < MOST * first, "%s: %g s, then %g s", elements[i], first,
                      second);
    }
}
END_TEST

START_TEST(no_more_than_four_offers_are_looked_at)
{
    static const char *const offers[] = {"a/a", "a/b", "a/c", "a/d", "a/e"};
    const char *last = "a/d", *beyond = "a/e";
    ck_assert_uint_eq(accept_choose(&last, 1, offers, 5), 3);
    ck_assert_uint_eq(accept_choose(&beyond, 1, offers, 5), 4);
}
END_TEST

START_TEST(without_an_accept_the_first_offer_is_taken)
{
    static const char *const offers[] = {"text/plain", "application/openmetrics-text"};
    ck_assert_uint_eq(accept_choose(NULL, 0, offers, 2), 0);
}
END_TEST

START_TEST(several_fields_count_as_one)
{
    static const char *const offers[] = {"application/json", "text/plain"};
    static const char *const accepts[] = {"image/png", "text/plain;q=0.3",
                                          "application/json;q=0.2"};
    ck_assert_uint_eq(accept_choose(accepts, 3, offers, 2), 1);
}
END_TEST

START_TEST(prometheus_gets_openmetrics)
{
    static const char *const offers[] = {"text/plain", "application/openmetrics-text"};
    static const char *const accepts[] = {
        "application/openmetrics-text;version=1.0.0;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=0.0.4;q=0.4,*/*;q=0.3"};
    ck_assert_uint_eq(accept_choose(accepts, 1, offers, 2), 1);
}
END_TEST

/* threats 41, 42 */
START_TEST(only_json_in_utf_8_is_json)
{
    static const struct {
        const char *type;
        bool json;
    } cases[] = {
        {"application/json", true},
        {"Application/JSON", true},
        {"application/json; charset=utf-8", true},
        {"application/json;charset=UTF-8", true},
        {"application/json; charset=\"utf-8\"", true},
        {"application/json; profile=x", true},
        {"application/json; charset", true},
        {"application/json; flavour=utf-16", true},
        {"application/json; charset=iso-8859-1", false},
        {"application/json; charset=utf-16", false},
        {"application/json; charset=", false},
        {"application/jsonl", false},
        {"application/problem+json", false},
        {"text/json", false},
        {"application/x-www-form-urlencoded", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(content_type_is_json(cases[i].type) == cases[i].json, "%s",
                      cases[i].type);
}
END_TEST

TEST_PROGRAM("accept", the_best_quality_wins, the_time_grows_as_the_value,
             no_more_than_four_offers_are_looked_at,
             without_an_accept_the_first_offer_is_taken, several_fields_count_as_one,
             prometheus_gets_openmetrics, only_json_in_utf_8_is_json)
