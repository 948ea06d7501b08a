/* check.h - the few names of libcheck that tests/core uses, for machines that are only
 * cross-compiled for and have no libcheck. One process, no timeouts; the first failure
 * of a test ends that test. */
#ifndef TESTS_SUPPORT_CROSS_CHECK_H
#define TESTS_SUPPORT_CROSS_CHECK_H

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name;
    void (*run)(int loop);
} TTest;

enum { CHECK_MOST_TESTS = 64 };
enum { CK_ENV };

typedef struct {
    const char *name;
    const TTest *test[CHECK_MOST_TESTS];
    int count, failed;
} TCase;
typedef TCase Suite;
typedef TCase SRunner;

/* A test program is one suite of one case: its header is in one file only. */
static TCase check_case __attribute__((unused));
extern jmp_buf check_end __attribute__((weak));
jmp_buf check_end;

static inline TCase *tcase_create(const char *name)
{
    check_case.name = name;
    return &check_case;
}

#define tcase_set_timeout(tcase, seconds) ((void)(seconds))
#define tcase_add_test(tcase, added)      ((tcase)->test[(tcase)->count++] = (added))
#define suite_create(name)                (&check_case)
#define suite_add_tcase(suite, tcase)     ((void)(tcase))
#define srunner_create(suite)             (suite)
#define srunner_ntests_failed(runner)     ((runner)->failed)
#define srunner_free(runner)              ((void)(runner))

static inline void check_run_all(SRunner *runner)
{
    for (int n = 0; n < runner->count; n++) {
        if (setjmp(check_end) == 0)
            runner->test[n]->run(0);
        else
            runner->failed++;
    }
    printf("%s: %d tests, %d failures\n", runner->name, runner->count, runner->failed);
}
#define srunner_run_all(runner, mode) check_run_all(runner)

/* Nothing is kept of what held. */
static inline void _mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

#define START_TEST(name)                                   \
    static void name##_body(int _i);                       \
    static const TTest name##_test = {#name, name##_body}; \
    static const TTest *const name = &name##_test;         \
    static void name##_body(int _i __attribute__((unused)))
#define END_TEST

#define ck_abort_msg(...)                      \
    do {                                       \
        printf("%s:%d: ", __FILE__, __LINE__); \
        printf(__VA_ARGS__);                   \
        printf("\n");                          \
        longjmp(check_end, 1);                 \
    } while (0)
#define ck_assert_msg(condition, ...)  \
    do {                               \
        if (!(condition))              \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)
#define ck_assert(condition)           ck_assert_msg(condition, "%s", #condition)
#define ck_assert_ptr_nonnull(pointer) ck_assert((pointer) != NULL)
#define ck_assert_ptr_null(pointer)    ck_assert((pointer) == NULL)
#define ck_assert_ptr_eq(a, b)         ck_assert((a) == (b))
#define ck_assert_int_eq(a, b)         ck_assert((a) == (b))
#define ck_assert_uint_eq(a, b)        ck_assert((a) == (b))
#define ck_assert_uint_ne(a, b)        ck_assert((a) != (b))
#define ck_assert_uint_le(a, b)        ck_assert((a) <= (b))
#define ck_assert_uint_lt(a, b)        ck_assert((a) < (b))
#define ck_assert_str_eq(a, b)         ck_assert(strcmp(a, b) == 0)
#define ck_assert_mem_eq(a, b, size)   ck_assert(memcmp(a, b, size) == 0)

#endif
