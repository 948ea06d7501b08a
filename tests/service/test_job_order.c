#include "service/job_order.h"

#include "support/test.h"

enum { MOST_JOBS = 64 };

static const bool anybody[LENGTH_COUNT] = {true, true};

static struct job *pop(struct job_order *o)
{
    enum job_line line;
    return job_order_pop(o, anybody, &line);
}

START_TEST(the_least_work_goes_first)
{
    /* Each in a class of its own; pushed largest first. */
    static const uint64_t costs[] = {1,
                                     SHORT_JOB_COST / 64 + 1,
                                     SHORT_JOB_COST / 16 + 1,
                                     SHORT_JOB_COST / 4 + 1,
                                     SHORT_JOB_COST + 1,
                                     (uint64_t)SHORT_JOB_COST * 4 + 1,
                                     1000000000000000,
                                     UINT64_MAX};
    enum { COUNT = sizeof costs / sizeof *costs };
    struct job job[COUNT] = {0};
    struct job_order o;
    job_order_init(&o);
    ck_assert_ptr_null(pop(&o));
    for (size_t i = COUNT; i-- > 0;) {
        job[i].counted = costs[i];
        job_order_push(&o, i % 2 ? LINE_WAITING : LINE_SHARED, &job[i]);
    }
    for (size_t i = 0; i < 7; i++)
        ck_assert_ptr_eq(pop(&o), &job[i]);
    ck_assert_ptr_eq(pop(&o), &job[7]);
    ck_assert_ptr_null(pop(&o));
    ck_assert_uint_eq(o.length[LINE_WAITING] + o.length[LINE_SHARED], 0);
}
END_TEST

START_TEST(a_class_ends_where_its_header_says)
{
    ck_assert_int_eq(job_length_of(0), LENGTH_SHORT);
    ck_assert_int_eq(job_length_of(SHORT_JOB_COST), LENGTH_SHORT);
    ck_assert_int_eq(job_length_of(SHORT_JOB_COST + 1), LENGTH_LONG);

    /* Of one class: in turn. Of two: the smaller one, though it came later. */
    for (uint64_t end = SHORT_JOB_COST >> 6; end < (uint64_t)1 << 62; end *= 4) {
        struct job job[3] = {{.counted = end + 1}, {.counted = end}, {.counted = end}};
        job[2].counted = end / 4 + 1;
        struct job_order o;
        job_order_init(&o);
        for (size_t i = 0; i < 3; i++)
            job_order_push(&o, LINE_WAITING, &job[i]);
        ck_assert_ptr_eq(pop(&o), &job[1]);
        ck_assert_ptr_eq(pop(&o), &job[2]);
        ck_assert_ptr_eq(pop(&o), &job[0]);
    }
}
END_TEST

START_TEST(likes_take_turns_begun_or_not)
{
    struct job job[4] = {
        {.counted = 5}, {.counted = 5}, {.counted = 5}, {.counted = 5}};
    struct job_order o;
    enum job_line line;
    job_order_init(&o);
    for (size_t i = 0; i < 4; i++)
        job_order_push(&o, i % 2 ? LINE_SHARED : LINE_WAITING, &job[i]);
    for (size_t i = 0; i < 20; i++) {
        ck_assert_ptr_eq(job_order_pop(&o, anybody, &line), &job[i % 4]);
        ck_assert_int_eq(line, i % 2 ? LINE_SHARED : LINE_WAITING);
        job_order_push(&o, line, &job[i % 4]);
    }
}
END_TEST

START_TEST(who_has_stood_longest_is_passed_a_bounded_number_of_times)
{
    enum { LARGE = 5 };
    struct job large[LARGE] = {0}, small = {.counted = 1};
    struct job_order o;
    job_order_init(&o);
    for (size_t i = 0; i < LARGE; i++) {
        large[i].counted = 1000000000 << i;
        job_order_push(&o, LINE_WAITING, &large[i]);
    }
    bool stands = false; /* there is always a small one */
    for (size_t turn = 1; turn <= LARGE * (PASSED_AT_MOST + 1); turn++) {
        if (!stands)
            job_order_push(&o, LINE_SHARED, &small);
        const struct job *next = pop(&o);
        stands = next != &small;
        if (turn % (PASSED_AT_MOST + 1))
            ck_assert_ptr_eq(next, &small);
        else
            ck_assert_ptr_eq(next, &large[turn / (PASSED_AT_MOST + 1) - 1]);
    }
}
END_TEST

START_TEST(only_lengths_that_may_start_are_asked_of_those_not_begun)
{
    struct job short_one = {.counted = 1}, long_one = {.counted = 1000000000},
               begun = {.counted = 2000000000};
    static const bool may_start[4][LENGTH_COUNT] = {
        {false, false}, {true, false}, {false, true}, {true, true}};
    const struct job *const first[4] = {&begun, &short_one, &long_one, &short_one};
    for (size_t i = 0; i < 4; i++) {
        struct job_order o;
        enum job_line line;
        job_order_init(&o);
        job_order_push(&o, LINE_WAITING, &long_one);
        job_order_push(&o, LINE_SHARED, &begun);
        job_order_push(&o, LINE_WAITING, &short_one);
        ck_assert_ptr_eq(job_order_pop(&o, may_start[i], &line), first[i]);
        ck_assert_int_eq(line, i == 0 ? LINE_SHARED : LINE_WAITING);
    }
}
END_TEST

/* The rule of the header, over a plain list in the order they came. */
static size_t next_of(struct job *const *list, const enum job_line *line, size_t count,
                      bool long_may_start, unsigned *passed)
{
    size_t oldest = count, smallest = count;
    unsigned least = 100;
    for (size_t i = 0; i < count; i++) {
        unsigned size = 0;
        while (size < 23 && list[i]->counted > (uint64_t)1 << (19 + 2 * size))
            size++;
        if (line[i] == LINE_WAITING && size > 3 && !long_may_start)
            continue;
        if (oldest == count)
            oldest = i;
        if (size < least) {
            least = size;
            smallest = i;
        }
    }
    if (oldest == count)
        return count;
    size_t next = *passed < 7 ? smallest : oldest;
    *passed = next == oldest ? 0 : *passed + 1;
    return next;
}

START_TEST(any_coming_and_going_is_in_the_order_of_the_rule)
{
    struct test_random random = {7};
    struct job job[MOST_JOBS] = {0}, *list[MOST_JOBS], *idle[MOST_JOBS];
    enum job_line line[MOST_JOBS], from;
    struct job_order o;
    size_t count = 0, free_jobs = MOST_JOBS;
    unsigned passed = 0;
    job_order_init(&o);
    for (size_t i = 0; i < MOST_JOBS; i++)
        idle[i] = &job[i];
    for (size_t step = 0; step < 20000; step++) {
        if (free_jobs > 0 && test_random_size(&random, 0, 99) < 55) {
            struct job *new = idle[--free_jobs];
            new->counted = (uint64_t)1 << test_random_size(&random, 0, 62);
            new->counted += test_random_size(&random, 0, 1);
            line[count] = test_random_size(&random, 0, 1) ? LINE_SHARED : LINE_WAITING;
            list[count] = new;
            job_order_push(&o, line[count++], new);
            continue;
        }
        const bool may_start[LENGTH_COUNT] = {true,
                                              test_random_size(&random, 0, 3) > 0};
        size_t at = next_of(list, line, count, may_start[LENGTH_LONG], &passed);
        struct job *next = job_order_pop(&o, may_start, &from);
        ck_assert_ptr_eq(next, at < count ? list[at] : NULL);
        if (!next)
            continue;
        ck_assert_int_eq(from, line[at]);
        idle[free_jobs++] = next;
        count--;
        memmove(list + at, list + at + 1, (count - at) * sizeof *list);
        memmove(line + at, line + at + 1, (count - at) * sizeof *line);
    }
    ck_assert_uint_eq(o.length[LINE_WAITING] + o.length[LINE_SHARED], count);
}
END_TEST

static bool is_odd(struct job *job, void *context)
{
    (void)context;
    return job->counted % 2;
}

START_TEST(a_sift_takes_out_of_all_classes_but_not_what_was_begun)
{
    struct job job[8] = {0};
    struct job_list to;
    struct job_order o;
    job_list_init(&to);
    job_order_init(&o);
    for (size_t i = 0; i < 8; i++) {
        job[i].counted = ((uint64_t)1 << (8 * (i / 2))) * 2 + i % 2;
        job_order_push(&o, i < 6 ? LINE_WAITING : LINE_SHARED, &job[i]);
    }
    job_order_sift(&o, is_odd, NULL, &to);
    ck_assert_uint_eq(to.length, 3);
    ck_assert_uint_eq(o.length[LINE_WAITING], 3);
    ck_assert_uint_eq(o.length[LINE_SHARED], 2);
    for (size_t i = 1; i < 6; i += 2)
        ck_assert_ptr_eq(job_list_pop(&to), &job[i]);
}
END_TEST

TEST_PROGRAM("job_order", the_least_work_goes_first, a_class_ends_where_its_header_says,
             likes_take_turns_begun_or_not,
             who_has_stood_longest_is_passed_a_bounded_number_of_times,
             only_lengths_that_may_start_are_asked_of_those_not_begun,
             any_coming_and_going_is_in_the_order_of_the_rule,
             a_sift_takes_out_of_all_classes_but_not_what_was_begun)
