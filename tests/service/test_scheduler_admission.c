#include "service/metric_series.h"
#include "service/scheduler_trial.h"

START_TEST(a_full_queue_refuses_at_once)
{
    sem_t hold;
    struct trial holder, waiting[3];
    struct scheduler *s = held_pool(&holder, &hold, 2);
    struct error e = {0};
    for (size_t i = 0; i < 3; i++)
        trial_init(&waiting[i], 1);
    submit(s, &waiting[0]);
    submit(s, &waiting[1]);
    ck_assert(!scheduler_submit(s, &waiting[2].job, &e));
    ck_assert_int_eq(e.code, ERROR_OVERLOADED);
    ck_assert_str_eq(e.message, "2 requests are waiting, at most 2 may (queue_depth)");

    sem_post(&hold);
    settle(s);
    ck_assert_int_eq(waiting[1].finished, 1);
    ck_assert_int_eq(waiting[2].finished, 0);
    scheduler_delete(s);
}
END_TEST

START_TEST(a_long_predicted_wait_refuses)
{
    const struct scheduler_options options = {
        .workers = 1, .queue_depth = 100, .queue_wait_ns = 1000};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    struct trial first, second, third;
    sem_t hold;
    sem_init(&hold, 0, 0);
    trial_init(&first, 1);
    first.act = spin_1_ms;
    submit(s, &first);
    settle(s);
    ck_assert_int_eq(scheduler_predicted_wait_ns(s), 0);

    trial_init(&second, 1);
    second.hold = &hold;
    submit(s, &second);
    trial_init(&third, 1);
    ck_assert(!scheduler_submit(s, &third.job, &e));
    ck_assert_int_eq(e.code, ERROR_OVERLOADED);
    ck_assert_ptr_nonnull(strstr(e.message, "(queue_wait)"));
    sem_post(&hold);
    settle(s);
    scheduler_delete(s);
}
END_TEST

START_TEST(the_predicted_wait_grows_with_the_cost_before_it)
{
    sem_t hold;
    struct trial holder, first, second;
    struct scheduler *s = pool(1, 10);
    trial_init(&first, 1);
    first.act = spin_1_ms;
    first.job.cost = 1000;
    submit(s, &first);
    settle(s);

    sem_init(&hold, 0, 0);
    trial_init(&holder, 1);
    holder.hold = &hold;
    holder.job.cost = 100;
    submit(s, &holder);
    int64_t before = scheduler_predicted_wait_ns(s);
    ck_assert_int_ge(before, NS_PER_MS / 10);
    trial_init(&second, 1);
    second.job.cost = 900;
    submit(s, &second);
    ck_assert_close(scheduler_predicted_wait_ns(s), 10 * before, 0, 10);
    sem_post(&hold);
    settle(s);
    scheduler_delete(s);
}
END_TEST

START_TEST(what_comes_back_to_go_on_teaches_nothing_of_those_that_are_guessed)
{
    sem_t hold;
    struct trial holder, one;
    struct scheduler *s = pool(1, 10);
    trial_init(&one, 1);
    one.act = spin_1_ms;
    one.job.cost = 1000;
    submit(s, &one);
    settle(s);
    for (size_t i = 0; i < 50; i++) { /* much work, in no time */
        trial_init(&one, 1);
        one.job.cost = 100000000;
        one.scheduler = s;
        scheduler_resubmit(s, &one.job);
        settle(s);
        ck_assert_int_eq(one.finished, 1);
    }
    sem_init(&hold, 0, 0);
    trial_init(&holder, 1);
    holder.hold = &hold;
    holder.job.cost = 1000;
    submit(s, &holder);
    ck_assert_int_ge(scheduler_predicted_wait_ns(s), NS_PER_MS / 2);
    sem_post(&hold);
    settle(s);
    scheduler_delete(s);
}
END_TEST

START_TEST(a_job_without_a_cost_teaches_nothing)
{
    sem_t hold;
    struct trial first, holder, second;
    struct scheduler *s = pool(1, 10);
    trial_init(&first, 1);
    first.act = spin_1_ms;
    first.job.cost = 0;
    submit(s, &first);
    settle(s);

    sem_init(&hold, 0, 0);
    trial_init(&holder, 1);
    holder.hold = &hold;
    holder.job.cost = 0;
    submit(s, &holder);
    ck_assert_int_lt(scheduler_predicted_wait_ns(s), 1000);
    trial_init(&second, 1);
    second.job.cost = 6400000; /* 64 a nanosecond, before anything is known */
    submit(s, &second);
    ck_assert_close(scheduler_predicted_wait_ns(s), NS_PER_MS / 10, 0, 10);
    sem_post(&hold);
    settle(s);
    scheduler_delete(s);
}
END_TEST

/* A short job does not wait for what is long, and so is not refused for it. */
START_TEST(the_predicted_wait_of_a_short_job_counts_short_ones_only)
{
    const struct scheduler_options options = {.workers = 1,
                                              .queue_depth = 100,
                                              .queue_wait_ns = NS_PER_MS,
                                              .scratch_limit = 1 << 20};
    sem_t hold;
    struct error e = {0};
    struct trial holder, small, large;
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_ptr_nonnull(s);
    sem_init(&hold, 0, 0);
    trial_init(&holder, 1);
    holder.hold = &hold;
    holder.job.cost = (uint64_t)SHORT_JOB_COST * 1000;
    submit(s, &holder);
    trial_init(&large, 1);
    large.job.cost = SHORT_JOB_COST + 1;
    ck_assert(!scheduler_submit(s, &large.job, &e));
    ck_assert_str_eq(e.message, "the wait would be about 524 ms, at most 1 ms are "
                                "allowed (queue_wait)");
    trial_init(&small, 1);
    small.job.cost = SHORT_JOB_COST;
    submit(s, &small);
    sem_post(&hold);
    settle(s);
    ck_assert_uint_eq(small.ran, 1);
    scheduler_delete(s);
}
END_TEST

/* One worker, kept by a job of that cost; at most 1000 altogether. */
static struct scheduler *bounded_pool(struct metrics *m, struct trial *holder,
                                      sem_t *hold, uint64_t cost)
{
    const struct scheduler_options options = {.workers = 1,
                                              .queue_depth = 100,
                                              .queue_wait_ns = 60 * NS_PER_S,
                                              .queue_work = 1000,
                                              .scratch_limit = 1 << 20,
                                              .metrics = m};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_msg(s != NULL, "%s", e.message);
    ck_assert_double_eq(series(m, "attentiond_queue_work_flops"), 0);
    sem_init(hold, 0, 0);
    trial_init(holder, 1);
    holder->hold = hold;
    holder->job.cost = cost;
    submit(s, holder);
    ck_assert(wait_for(&holder->started, 1));
    ck_assert_double_eq(series(m, "attentiond_queue_work_flops"), (double)cost);
    return s;
}

static const struct {
    uint64_t cost;
    enum error_code code;
    const char *message;
} bounds[] = {
    {599, ERROR_NONE, ""},
    {600, ERROR_NONE, ""},
    {601, ERROR_OVERLOADED,
     "the predicted work of all requests would be 1001 floating-point operations, at "
     "most 1000 are allowed (queue_work)"},
    {1000, ERROR_OVERLOADED,
     "the predicted work of all requests would be 1400 floating-point operations, at "
     "most 1000 are allowed (queue_work)"},
    {1001, ERROR_TOO_LARGE,
     "the predicted work is 1001 floating-point operations, at most 1000 are allowed "
     "(queue_work)"},
    {UINT64_MAX, ERROR_TOO_LARGE,
     "the predicted work is 18446744073709551615 floating-point operations, at most "
     "1000 are allowed (queue_work)"},
};
enum { BOUNDS = sizeof bounds / sizeof *bounds };

START_TEST(work_up_to_its_bound_is_let_in_and_no_more)
{
    static const char *const routes[] = {"/"};
    for (size_t i = 0; i < BOUNDS; i++) {
        struct metrics *m = metrics_new(routes, 1);
        struct trial holder, t;
        struct error e = {0};
        sem_t hold;
        struct scheduler *s = bounded_pool(m, &holder, &hold, 400);
        trial_init(&t, 1);
        t.job.cost = bounds[i].cost;
        bool fits = bounds[i].code == ERROR_NONE;
        ck_assert_int_eq(scheduler_submit(s, &t.job, &e), fits);
        ck_assert_int_eq(e.code, bounds[i].code);
        ck_assert_str_eq(e.message, bounds[i].message);
        ck_assert_double_eq(series(m, "attentiond_queue_work_flops"),
                            fits ? 400 + (double)t.job.cost : 400);
        sem_post(&hold);
        settle(s);
        ck_assert_int_eq(t.finished, fits);
        ck_assert_double_eq(series(m, "attentiond_queue_work_flops"), 0);
        scheduler_delete(s);
        metrics_delete(m);
    }
}
END_TEST

/* The same bounds for what a job is found to cost, beside one of 400 that waits. */
START_TEST(work_that_is_found_out_later_is_bounded_as_well)
{
    static const char *const routes[] = {"/"};
    for (size_t i = 0; i < BOUNDS; i++) {
        struct metrics *m = metrics_new(routes, 1);
        struct trial holder, waiting;
        sem_t hold;
        struct scheduler *s = bounded_pool(m, &holder, &hold, 10);
        holder.tasks[1] = 3;
        holder.later_cost = bounds[i].cost;
        trial_init(&waiting, 1);
        waiting.job.cost = 400;
        submit(s, &waiting);
        for (size_t posts = 0; posts < 4; posts++)
            sem_post(&hold);
        settle(s);
        ck_assert_int_eq(holder.why, bounds[i].code);
        ck_assert_str_eq(holder.refusal.message, bounds[i].message);
        ck_assert_int_eq(holder.finished, 1);
        ck_assert_uint_eq(holder.ran, bounds[i].code == ERROR_NONE ? 4 : 1);
        ck_assert_uint_eq(waiting.ran, 1);
        ck_assert_double_eq(series(m, "attentiond_queue_work_flops"), 0);
        scheduler_delete(s);
        metrics_delete(m);
    }
}
END_TEST

static void submit_other(struct trial *t, size_t task, void *scratch)
{
    (void)task, (void)scratch;
    if (t->stage == 1 && t->other)
        submit(t->scheduler, t->other);
}

/* Each lets the next one in and is then found to be long; the last one stays short. Of
 * two that may wait and four that may run one more is refused. */
START_TEST(short_jobs_that_are_found_to_be_long_are_bounded_in_number)
{
    enum { JOBS = 8, MOST = RUNNING_PER_WORKER + 2 };
    struct trial t[JOBS];
    struct scheduler *s = pool(1, 2);
    for (size_t i = 0; i < JOBS; i++) {
        bool last = i + 1 == JOBS;
        trial_init(&t[i], 1);
        t[i].tasks[1] = 20;
        t[i].act = submit_other;
        t[i].other = last ? NULL : &t[i + 1];
        t[i].later_cost = last ? SHORT_JOB_COST : SHORT_JOB_COST + 1;
    }
    submit(s, &t[0]);
    settle(s);
    for (size_t i = 0; i < JOBS; i++) {
        ck_assert_int_eq(t[i].why, i == MOST ? ERROR_OVERLOADED : ERROR_NONE);
        ck_assert_uint_eq(t[i].ran, i == MOST ? 1 : 21);
    }
    ck_assert_str_eq(t[MOST].refusal.message,
                     "6 long requests are under way, at most 2 may wait behind those "
                     "that are computed (queue_depth)");
    scheduler_delete(s);
}
END_TEST

/* Jobs that end early in every way there is, before and after their work was known. */
START_TEST(whatever_happens_no_work_is_left_in_the_sum)
{
    enum { JOBS = 600 };
    static const char *const routes[] = {"/"};
    static struct trial t[JOBS];
    struct metrics *m = metrics_new(routes, 1);
    const struct scheduler_options options = {.workers = 3,
                                              .queue_depth = 50,
                                              .queue_wait_ns = 60 * NS_PER_S,
                                              .queue_work = (uint64_t)1 << 40,
                                              .scratch_limit = 1 << 20,
                                              .metrics = m};
    struct test_random random = {3};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_ptr_nonnull(s);
    size_t accepted = 0, finished = 0;
    for (size_t i = 0; i < JOBS; i++) {
        trial_init(&t[i], 1);
        t[i].tasks[1] = test_random_size(&random, 1, 20);
        t[i].job.cost = (uint64_t)1 << test_random_size(&random, 0, 41);
        t[i].later_cost = (uint64_t)1 << test_random_size(&random, 0, 41);
        t[i].act = i % 5 == 0 ? leave_at_10 : i % 7 == 0 ? stop_at_10 : NULL;
        t[i].left = i % 11 == 0;
        t[i].job.deadline_ns = i % 13 == 0 ? 1 : t[i].job.deadline_ns;
        bool let_in = scheduler_submit(s, &t[i].job, &(struct error){0});
        accepted += let_in;
        if (!let_in && i % 3 == 0)
            settle(s);
    }
    settle(s);
    for (size_t i = 0; i < JOBS; i++)
        finished += (size_t)t[i].finished;
    ck_assert_uint_gt(accepted, 50);
    ck_assert_uint_eq(accepted, finished);
    ck_assert_double_eq(series(m, "attentiond_queue_work_flops"), 0);
    ck_assert_double_eq(series(m, "attentiond_queue_depth"), 0);
    scheduler_delete(s);
    metrics_delete(m);
}
END_TEST

TEST_PROGRAM("scheduler_admission", a_full_queue_refuses_at_once,
             a_long_predicted_wait_refuses,
             the_predicted_wait_grows_with_the_cost_before_it,
             what_comes_back_to_go_on_teaches_nothing_of_those_that_are_guessed,
             a_job_without_a_cost_teaches_nothing,
             the_predicted_wait_of_a_short_job_counts_short_ones_only,
             work_up_to_its_bound_is_let_in_and_no_more,
             work_that_is_found_out_later_is_bounded_as_well,
             short_jobs_that_are_found_to_be_long_are_bounded_in_number,
             whatever_happens_no_work_is_left_in_the_sum)
