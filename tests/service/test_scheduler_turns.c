#include "service/scheduler_trial.h"

/* Long enough that the next look at those who wait is due. */
static void outlast_the_sweep(void)
{
    int64_t until = clock_now_ns() + 20 * NS_PER_MS;
    while (clock_now_ns() < until)
        sched_yield();
}

START_TEST(who_waits_in_vain_is_finished_before_its_turn)
{
    struct {
        bool leaves;
        int64_t deadline_ns;
        enum error_code why;
    } cases[] = {{true, INT64_MAX, ERROR_CANCELLED}, {false, 1, ERROR_DEADLINE}};

    for (size_t i = 0; i < 2; i++) {
        sem_t hold;
        struct diary diary = {.length = 0};
        struct trial holder, patient, vain;
        struct scheduler *s = held_pool(&holder, &hold, 10);
        trial_init(&patient, 2);
        patient.diary = &diary;
        patient.letter = 'p';
        submit(s, &patient);
        trial_init(&vain, 2);
        vain.diary = &diary;
        vain.letter = 'v';
        vain.left = cases[i].leaves;
        vain.job.deadline_ns = cases[i].deadline_ns;
        submit(s, &vain);
        outlast_the_sweep();
        sem_post(&hold);
        settle(s);
        ck_assert_int_eq(vain.why, cases[i].why);
        ck_assert_int_eq(vain.finished, 1);
        ck_assert_uint_eq(vain.ran, 0);
        ck_assert_str_eq(diary.text, ".pp.");
        scheduler_delete(s);
    }
}
END_TEST

START_TEST(tasks_of_two_jobs_run_in_turn)
{
    sem_t hold;
    struct diary diary = {.length = 0};
    struct trial holder, a, b;
    struct scheduler *s = held_pool(&holder, &hold, 10);
    trial_init(&a, 40);
    trial_init(&b, 40);
    a.letter = 'a';
    b.letter = 'b';
    a.diary = b.diary = &diary;
    submit(s, &a);
    submit(s, &b);
    sem_post(&hold);
    settle(s);
    ck_assert_uint_eq(diary.length, 82);
    const char *from = strchr(diary.text, 'b'), *to = strchr(diary.text, '.');
    ck_assert_ptr_nonnull(from);
    ck_assert_int_gt(to - from, 60);
    for (const char *at = from; at + 1 < to; at++)
        ck_assert_int_ne(at[0], at[1]);
    scheduler_delete(s);
}
END_TEST

static void submit_other_at_5(struct trial *t, size_t task, void *scratch)
{
    (void)scratch;
    if (task == 5)
        submit(t->scheduler, t->other);
}

START_TEST(a_short_job_overtakes_a_long_one_and_those_that_wait)
{
    struct diary diary = {.length = 0};
    struct trial big, small, others[10];
    struct scheduler *s = pool(1, 100);
    trial_init(&small, 1);
    small.letter = 's';
    small.tasks[1] = 1;
    small.diary = &diary;
    trial_init(&big, 200);
    big.letter = 'b';
    big.job.cost = SHORT_JOB_COST + 1;
    big.diary = &diary;
    big.act = submit_other_at_5;
    big.other = &small;
    for (size_t i = 0; i < 10; i++) {
        trial_init(&others[i], 200);
        others[i].letter = 'o';
        others[i].job.cost = SHORT_JOB_COST + 1;
        others[i].diary = &diary;
    }
    submit(s, &big);
    for (size_t i = 0; i < 10; i++)
        submit(s, &others[i]);
    settle(s);

    size_t at = strcspn(diary.text, "s");
    ck_assert_mem_eq(diary.text + at, "ss.", 3);
    size_t bigs = 0;
    for (size_t i = 0; i < at; i++)
        bigs += diary.text[i] == 'b';
    ck_assert_uint_ge(bigs, 6);
    ck_assert_uint_le(bigs, 7);
    scheduler_delete(s);
}
END_TEST

START_TEST(the_least_work_goes_first_of_those_that_wait)
{
    sem_t hold;
    struct diary diary = {.length = 0};
    struct trial holder, t[4];
    static const uint64_t costs[] = {(uint64_t)SHORT_JOB_COST * 100, 1, SHORT_JOB_COST,
                                     (uint64_t)SHORT_JOB_COST * 5};
    struct scheduler *s = held_pool(&holder, &hold, 10);
    for (size_t i = 0; i < 4; i++) {
        trial_init(&t[i], 1);
        t[i].letter = (char)('a' + i);
        t[i].diary = &diary;
        t[i].job.cost = costs[i];
        submit(s, &t[i]);
    }
    sem_post(&hold);
    settle(s);
    ck_assert_str_eq(diary.text, "b.c.d.a.");
    scheduler_delete(s);
}
END_TEST

/* A job whose work is found out to be large stands behind one that is small. */
START_TEST(a_job_stands_by_what_it_was_found_to_cost)
{
    sem_t hold;
    struct diary diary = {.length = 0};
    struct trial holder, grows, stays;
    struct scheduler *s = held_pool(&holder, &hold, 10);
    trial_init(&grows, 1);
    grows.tasks[1] = 3;
    grows.letter = 'g';
    grows.later_cost = (uint64_t)SHORT_JOB_COST * 1000;
    trial_init(&stays, 1);
    stays.tasks[1] = 3;
    stays.letter = 's';
    stays.job.cost = SHORT_JOB_COST + 1;
    grows.diary = stays.diary = &diary;
    submit(s, &grows);
    submit(s, &stays);
    sem_post(&hold);
    settle(s);
    ck_assert_str_eq(diary.text, "gssss.ggg.");
    scheduler_delete(s);
}
END_TEST

/* Each task waits until all are running. */
static void meet(struct trial *t, size_t task, void *scratch)
{
    (void)task, (void)scratch;
    if (!wait_for(&t->started, t->tasks[0]))
        t->wrong = 1;
}

START_TEST(a_large_job_has_every_worker)
{
    struct scheduler *s = pool(4, 10);
    struct trial t;
    trial_init(&t, 4);
    t.job.cost = (uint64_t)SHORT_JOB_COST * 1000;
    t.act = meet;
    submit(s, &t);
    settle(s);
    ck_assert_uint_eq(t.wrong, 0);
    scheduler_delete(s);
}
END_TEST

/* Of 3 workers 2 read, in stages of one task, while short jobs come. */
START_TEST(one_worker_is_left_for_short_jobs_while_they_come)
{
    const struct scheduler_options options = {.workers = 3,
                                              .queue_depth = 10,
                                              .queue_wait_ns = 60 * NS_PER_S,
                                              .keep_free_ns = 3600 * NS_PER_S,
                                              .scratch_limit = 1 << 20};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_msg(s != NULL, "%s", e.message);
    struct trial reader[3], small[2];
    sem_t hold;
    sem_init(&hold, 0, 0);
    trial_init(&small[0], 1);
    submit(s, &small[0]);
    settle(s);
    for (size_t i = 0; i < 3; i++) {
        trial_init(&reader[i], 1);
        reader[i].tasks[1] = 5;
        reader[i].job.cost = SHORT_JOB_COST + 1;
        reader[i].hold = &hold;
        submit(s, &reader[i]);
    }
    ck_assert(wait_for(&reader[0].started, 1) && wait_for(&reader[1].started, 1));
    trial_init(&small[1], 1);
    submit(s, &small[1]);
    ck_assert(wait_for(&small[1].ran, 1));
    ck_assert_uint_eq(reader[2].started, 0);
    for (size_t i = 0; i < 3 * 6; i++)
        sem_post(&hold);
    settle(s);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(reader[i].ran, 6);
    scheduler_delete(s);
}
END_TEST

START_TEST(every_worker_reads_where_no_short_jobs_come)
{
    struct scheduler *s = pool(3, 10);
    struct trial reader[3];
    sem_t hold;
    sem_init(&hold, 0, 0);
    for (size_t i = 0; i < 3; i++) {
        trial_init(&reader[i], 1);
        reader[i].job.cost = SHORT_JOB_COST + 1;
        reader[i].hold = &hold;
        submit(s, &reader[i]);
    }
    for (size_t i = 0; i < 3; i++)
        ck_assert(wait_for(&reader[i].started, 1));
    for (size_t i = 0; i < 3; i++)
        sem_post(&hold);
    settle(s);
    scheduler_delete(s);
}
END_TEST

TEST_PROGRAM("scheduler_turns", who_waits_in_vain_is_finished_before_its_turn,
             tasks_of_two_jobs_run_in_turn,
             a_short_job_overtakes_a_long_one_and_those_that_wait,
             the_least_work_goes_first_of_those_that_wait,
             a_job_stands_by_what_it_was_found_to_cost, a_large_job_has_every_worker,
             one_worker_is_left_for_short_jobs_while_they_come,
             every_worker_reads_where_no_short_jobs_come)
