#include "http/pace.h"

#include "service/clock.h"
#include "support/test.h"

static const struct settings set = {
    .body_timeout = 30000, .body_rate = 1000, .write_timeout = 8000};

/* threats 14, 92 */
START_TEST(a_body_must_keep_its_rate_after_a_while)
{
    static const struct {
        uint64_t timeout_ms, rate, bytes;
        int64_t late_ms;
    } cases[] = {
        {30000, 1000, 0, 5000},       {30000, 1000, 1, 5001},
        {30000, 1000, 10000, 15000},  {30000, 1000, 25000, 30000},
        {30000, 1000, 900000, 30000}, {4000, 1000, 0, 4000},
        {30000, 0, 0, 30000},         {30000, 0, UINT64_MAX, 30000},
        {3600000, 1, 3000, 3005000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings s = {.body_timeout = cases[i].timeout_ms,
                             .body_rate = cases[i].rate};
        ck_assert_int_eq(pace_body_deadline(&s, 77, cases[i].bytes),
                         77 + cases[i].late_ms * NS_PER_MS);
    }
    /* Far more than the body_timeout could have brought. */
    ck_assert_int_eq(pace_body_deadline(&set, 0, UINT64_C(1) << 40), 30 * NS_PER_S);
}
END_TEST

/* threat 93 */
START_TEST(an_answer_that_is_not_taken_is_cut)
{
    ck_assert_int_eq(pace_look_ns(&set), NS_PER_S);
    struct sending s = {0};
    int64_t now = 100 * NS_PER_S;
    ck_assert(pace_sending(&s, &set, now, 5000, 1, false));
    ck_assert(pace_sending(&s, &set, now + 7 * NS_PER_S, 5000, 1, false));
    ck_assert(!pace_sending(&s, &set, now + 8 * NS_PER_S, 5000, 1, false));
}
END_TEST

START_TEST(a_slow_reader_is_kept_as_long_as_it_reads)
{
    struct sending s = {0};
    int64_t now = 100 * NS_PER_S;
    for (uint64_t i = 0; i < 100; i++, now += 7 * NS_PER_S)
        ck_assert(pace_sending(&s, &set, now, 5000 + i, 1, false));
}
END_TEST

START_TEST(who_waits_for_us_is_not_slow)
{
    struct sending s = {0};
    int64_t now = 100 * NS_PER_S;
    for (uint64_t i = 0; i < 10; i++, now += 7 * NS_PER_S)
        ck_assert(pace_sending(&s, &set, now, 5000, 0, false));
    ck_assert(pace_sending(&s, &set, now, 5000, 1, false));
}
END_TEST

START_TEST(while_memory_is_scarce_an_answer_has_a_rate_too)
{
    struct settings any = set;
    any.body_rate = 0;
    static const struct {
        uint64_t bytes; /* in 10 s, of 10,000 */
        bool stays;
    } cases[] = {{10000, true}, {12000, true}, {9999, false}, {1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sending s = {0}, other = {0};
        int64_t now = 100 * NS_PER_S;
        ck_assert(pace_sending(&s, &set, now, 5000, 1, true));
        ck_assert(pace_sending(&s, &set, now + 7 * NS_PER_S, 5001, 1, true));
        now += 10 * NS_PER_S;
        other = s;
        ck_assert(pace_sending(&other, &any, now, 5000 + cases[i].bytes, 1, true));
        other = s;
        ck_assert(pace_sending(&other, &set, now, 5000 + cases[i].bytes, 1, false));
        ck_assert(pace_sending(&s, &set, now, 5000 + cases[i].bytes, 1, true) ==
                  cases[i].stays);
    }
}
END_TEST

TEST_PROGRAM("pace", a_body_must_keep_its_rate_after_a_while,
             an_answer_that_is_not_taken_is_cut,
             a_slow_reader_is_kept_as_long_as_it_reads, who_waits_for_us_is_not_slow,
             while_memory_is_scarce_an_answer_has_a_rate_too)
