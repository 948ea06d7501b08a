#include "service/job_list.h"

#include "support/test.h"

enum { JOBS = 5 };

START_TEST(jobs_leave_in_the_order_they_came)
{
    struct job job[JOBS] = {0};
    struct job_list list;
    job_list_init(&list);
    ck_assert_ptr_null(job_list_pop(&list));
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < JOBS; i++)
            job_list_push(&list, &job[i]);
        ck_assert_uint_eq(list.length, JOBS);
        for (size_t i = 0; i < JOBS; i++)
            ck_assert_ptr_eq(job_list_pop(&list), &job[i]);
        ck_assert_ptr_null(job_list_pop(&list));
        ck_assert_uint_eq(list.length, 0);
    }
}
END_TEST

/* `context` holds a bit for each job that leaves; `cost` is the job's number. */
static bool is_chosen(struct job *job, void *context)
{
    const unsigned *chosen = context;
    return *chosen >> job->cost & 1;
}

START_TEST(a_sift_takes_any_of_them_and_keeps_both_orders)
{
    for (unsigned chosen = 0; chosen < 1U << JOBS; chosen++) {
        struct job job[JOBS] = {0};
        struct job_list from, to, *list[2] = {&from, &to};
        job_list_init(&from);
        job_list_init(&to);
        for (size_t i = 0; i < JOBS; i++) {
            job[i].cost = i;
            job_list_push(&from, &job[i]);
        }
        job_list_sift(&from, is_chosen, &chosen, &to);
        for (size_t i = 0; i < JOBS; i++)
            ck_assert_ptr_eq(job_list_pop(list[chosen >> i & 1]), &job[i]);
        ck_assert_uint_eq(from.length + to.length, 0);
    }
}
END_TEST

TEST_PROGRAM("job_list", jobs_leave_in_the_order_they_came,
             a_sift_takes_any_of_them_and_keeps_both_orders)
