/* test.h - the few lines every test program shares. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* libcheck writes down each assertion that held, to say how far a test came that
 * crashes or hangs. Of those in loops, millions, that is most of the time they take: so
 * a test's first ones have to do. */
static inline void test_mark(const char *file, int line)
{
    static _Thread_local unsigned marks; /* a test is a process */
    if (marks < 1000) {
        marks++;
        _mark_point(file, line);
    }
}
#define _mark_point(file, line) test_mark(file, line)

/* Fails unless |got - want| <= atol + rtol * |want|, as numpy.allclose. */
#define ck_assert_close(got, want, rtol, atol)                           \
    do {                                                                 \
        double got_ = (double)(got), want_ = (double)(want);             \
        ck_assert_msg(fabs(got_ - want_) <= (atol) + (rtol)*fabs(want_), \
                      "%s is %.9g, want %.9g", #got, got_, want_);       \
    } while (0)

#define ASSERT_STARTS(text, start)                                               \
    ck_assert_msg(strncmp((text), (start), strlen(start)) == 0, "%s\nis not %s", \
                  (text), (start))
#define ASSERT_HAS(text, part) \
    ck_assert_msg(strstr((text), (part)), "%s\nhas no %s", (text), (part))
#define ASSERT_HAS_NOT(text, part) \
    ck_assert_msg(!strstr((text), (part)), "%s\nhas %s", (text), (part))

/* A reproducible stream of numbers (xorshift64*), for random shapes and values. */
struct test_random {
    unsigned long long state; /* not 0 */
};

static inline unsigned long long test_random_next(struct test_random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 2685821657736338717ULL;
}

/* A whole number from `least` to `most`, both included. */
static inline size_t test_random_size(struct test_random *r, size_t least, size_t most)
{
    return least + (size_t)(test_random_next(r) >> 16) % (most - least + 1);
}

/* From -1 to 1. */
static inline float test_random_float(struct test_random *r)
{
    return (float)(test_random_next(r) >> 40) / 8388608.0f - 1.0f;
}

/* The main() of a test program: a name, then the tests in reading order. */
#define TEST_PROGRAM(name, ...)                                     \
    int main(void)                                                  \
    {                                                               \
        const TTest *const tests_[] = {__VA_ARGS__};                \
        TCase *tcase_ = tcase_create(name);                         \
        tcase_set_timeout(tcase_, 120);                             \
        for (size_t i = 0; i < sizeof tests_ / sizeof *tests_; i++) \
            tcase_add_test(tcase_, tests_[i]);                      \
        Suite *suite = suite_create(name);                          \
        suite_add_tcase(suite, tcase_);                             \
        SRunner *runner = srunner_create(suite);                    \
        srunner_run_all(runner, CK_ENV);                            \
        int failed = srunner_ntests_failed(runner);                 \
        srunner_free(runner);                                       \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                \
    }

#endif
