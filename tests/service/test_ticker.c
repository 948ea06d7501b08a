#include "service/ticker.h"

#include <stdatomic.h>
#include <time.h>

#include "service/clock.h"
#include "support/scarce.h"
#include "support/test.h"

static void count(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static void wait_for(atomic_int *counter, int least)
{
    int64_t until = clock_now_ns() + 5 * NS_PER_S;
    while (atomic_load(counter) < least && clock_now_ns() < until)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    ck_assert_int_ge(atomic_load(counter), least);
}

START_TEST(it_calls_again_and_again)
{
    atomic_int ticks = 0;
    struct error e = {0};
    struct ticker *t = ticker_new(1, count, &ticks, &e);
    ck_assert_ptr_nonnull(t);
    wait_for(&ticks, 5);
    ticker_delete(t);

    int at_the_end = atomic_load(&ticks);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    ck_assert_int_eq(atomic_load(&ticks), at_the_end);
}
END_TEST

START_TEST(it_ends_at_once_however_long_the_period)
{
    atomic_int ticks = 0;
    struct error e = {0};
    struct ticker *t = ticker_new(3600000, count, &ticks, &e);
    ck_assert_ptr_nonnull(t);
    int64_t before = clock_now_ns();
    ticker_delete(t);
    ck_assert_int_lt(clock_now_ns() - before, NS_PER_S);
    ck_assert_int_eq(atomic_load(&ticks), 0);
}
END_TEST

START_TEST(a_tick_does_not_run_while_the_lock_is_held)
{
    atomic_int ticks = 0;
    struct error e = {0};
    struct ticker *t = ticker_new(1, count, &ticks, &e);
    ck_assert_ptr_nonnull(t);
    wait_for(&ticks, 1);

    ticker_lock(t);
    int held = atomic_load(&ticks);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    ck_assert_int_eq(atomic_load(&ticks), held);
    ticker_unlock(t);

    wait_for(&ticks, held + 1);
    ticker_delete(t);
}
END_TEST

/* Takes longer than two periods, the first time. */
static void be_late_once(void *context)
{
    if (atomic_fetch_add((atomic_int *)context, 1) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 250000000}, NULL);
}

START_TEST(a_late_tick_is_not_followed_by_a_burst)
{
    atomic_int ticks = 0;
    struct error e = {0};
    struct ticker *t = ticker_new(100, be_late_once, &ticks, &e);
    ck_assert_ptr_nonnull(t);
    wait_for(&ticks, 1);
    ticker_lock(t); /* the late tick is over */
    int after = atomic_load(&ticks);
    ticker_unlock(t);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    ck_assert_int_eq(atomic_load(&ticks), after);
    ticker_delete(t);
}
END_TEST

START_TEST(deleting_nothing_is_fine)
{
    ticker_delete(NULL);
}
END_TEST

static void start_in_need(bool (*begin)(void), void (*end)(void), enum error_code want)
{
    atomic_int ticks = 0;
    struct error e = {0};
    if (!begin())
        return;
    struct ticker *t = ticker_new(1, count, &ticks, &e);
    end();
    ck_assert_ptr_null(t);
    ck_assert_int_eq(e.code, want);
}

START_TEST(without_memory_or_threads_it_is_not_started)
{
    start_in_need(scarce_memory_begin, scarce_memory_end, ERROR_OUT_OF_MEMORY);
    start_in_need(scarce_pages_begin, scarce_pages_end, ERROR_INTERNAL);
}
END_TEST

TEST_PROGRAM("ticker", it_calls_again_and_again,
             it_ends_at_once_however_long_the_period,
             a_tick_does_not_run_while_the_lock_is_held,
             a_late_tick_is_not_followed_by_a_burst, deleting_nothing_is_fine,
             without_memory_or_threads_it_is_not_started)
