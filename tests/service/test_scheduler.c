#include <pthread.h>

#include "service/metric_series.h"
#include "service/scheduler_trial.h"

START_TEST(every_task_of_every_stage_runs_once_and_is_seen_by_the_next_stage)
{
    enum { MOST = 3000 };
    static unsigned char marks[MOST];
    struct scheduler *s = pool(7, 10);
    struct trial t;
    trial_init(&t, MOST);
    t.tasks[1] = 1;
    t.tasks[2] = 17;
    t.marks = marks;
    submit(s, &t);
    settle(s);
    ck_assert_uint_eq(t.wrong, 0);
    ck_assert_uint_eq(t.ran, MOST + 1 + 17);
    ck_assert_int_eq(t.finished, 1);
    ck_assert_int_eq(t.why, ERROR_NONE);
    scheduler_delete(s);
}
END_TEST

START_TEST(what_comes_back_after_the_drain_is_stopped)
{
    struct scheduler *s = pool(2, 10);
    struct trial t;
    trial_init(&t, 3);
    submit(s, &t);
    scheduler_close(s);
    settle(s);
    ck_assert_int_eq(t.why, ERROR_NONE);
    trial_init(&t, 3);
    scheduler_resubmit(s, &t.job);
    settle(s);
    ck_assert_int_eq(t.finished, 1);
    ck_assert_int_eq(t.why, ERROR_SHUTTING_DOWN);
    scheduler_delete(s);
}
END_TEST

static void outlast_the_deadline_at_10(struct trial *t, size_t task, void *scratch)
{
    (void)scratch;
    while (task == 10 && clock_now_ns() < t->job.deadline_ns)
        sched_yield();
}

START_TEST(a_running_job_is_stopped_between_tasks)
{
    struct {
        void (*act)(struct trial *t, size_t task, void *scratch);
        int64_t time_ns;
        enum error_code why;
    } cases[] = {{leave_at_10, 60 * NS_PER_S, ERROR_CANCELLED},
                 {outlast_the_deadline_at_10, 100 * NS_PER_MS, ERROR_DEADLINE},
                 {stop_at_10, 60 * NS_PER_S, ERROR_INVALID_INPUT}};

    for (size_t i = 0; i < 3; i++) {
        struct scheduler *s = pool(1, 10);
        struct trial t;
        trial_init(&t, 100);
        t.tasks[1] = 5;
        t.act = cases[i].act;
        t.job.deadline_ns = clock_now_ns() + cases[i].time_ns;
        submit(s, &t);
        settle(s);
        ck_assert_int_eq(t.why, cases[i].why);
        ck_assert_int_eq(t.finished, 1);
        /* On a busy machine the deadline may come before the tenth task does. */
        ck_assert_uint_le(t.ran, 11);
        ck_assert(t.ran == 11 || t.why == ERROR_DEADLINE);
        scheduler_delete(s);
    }
}
END_TEST

static void stop_at_500(struct trial *t, size_t task, void *scratch)
{
    (void)scratch;
    if (task == 500)
        job_stop(&t->job, ERROR_INVALID_INPUT);
}

START_TEST(every_task_before_the_one_that_stopped_its_job_has_run)
{
    static unsigned char marks[3000];
    struct scheduler *s = pool(7, 10);
    struct trial t;
    memset(marks, 0, sizeof marks);
    trial_init(&t, 3000);
    t.act = stop_at_500;
    t.marks = marks;
    submit(s, &t);
    settle(s);
    for (size_t i = 0; i <= 500; i++)
        ck_assert_uint_eq(marks[i], 1);
    ck_assert_uint_lt(t.ran, 3000);
    scheduler_delete(s);
}
END_TEST

START_TEST(a_closed_scheduler_refuses_and_finishes_what_it_has)
{
    sem_t hold;
    struct trial holder, waiting, late;
    struct scheduler *s = held_pool(&holder, &hold, 10);
    struct error e = {0};
    trial_init(&waiting, 5);
    trial_init(&late, 1);
    submit(s, &waiting);
    scheduler_close(s);
    ck_assert(!scheduler_submit(s, &late.job, &e));
    ck_assert_int_eq(e.code, ERROR_SHUTTING_DOWN);
    sem_post(&hold);
    settle(s);
    ck_assert_uint_eq(waiting.ran, 5);
    ck_assert_int_eq(waiting.why, ERROR_NONE);
    ck_assert_int_eq(late.finished, 0);
    scheduler_delete(s);
}
END_TEST

/* Long after the drain, even on a busy machine, has found that its time is over. */
static void *post_after_a_while(void *hold)
{
    const struct timespec pause = {.tv_nsec = 200 * NS_PER_MS};
    nanosleep(&pause, NULL);
    sem_post(hold);
    return NULL;
}

START_TEST(a_drain_past_its_time_stops_what_is_left)
{
    sem_t hold;
    struct trial holder, waiting;
    struct scheduler *s = held_pool(&holder, &hold, 10);
    holder.tasks[1] = 3; /* read when its first stage is over */
    trial_init(&waiting, 5);
    submit(s, &waiting);
    scheduler_close(s);
    pthread_t poster;
    ck_assert_int_eq(pthread_create(&poster, NULL, post_after_a_while, &hold), 0);
    ck_assert(!scheduler_drain(s, clock_now_ns()));
    pthread_join(poster, NULL);
    ck_assert_int_eq(holder.why, ERROR_SHUTTING_DOWN);
    ck_assert_uint_eq(holder.ran, 1);
    ck_assert_int_eq(waiting.why, ERROR_SHUTTING_DOWN);
    ck_assert_int_eq(waiting.finished, 1);
    ck_assert_uint_eq(waiting.ran, 0);
    scheduler_delete(s);
}
END_TEST

enum { CLIENTS = 4, JOBS_EACH = 500 };

struct client {
    struct scheduler *scheduler;
    struct trial trials[JOBS_EACH];
    size_t accepted;
};

static void *client_main(void *argument)
{
    struct client *c = argument;
    for (size_t i = 0; i < JOBS_EACH; i++) {
        struct trial *t = &c->trials[i];
        struct error e = {0};
        trial_init(t, 1 + i % 5);
        t->tasks[1] = i % 3;
        t->left = i % 50 == 49;
        c->accepted += scheduler_submit(c->scheduler, &t->job, &e);
    }
    return NULL;
}

START_TEST(many_threads_may_submit)
{
    static struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    struct scheduler *s = pool(7, 64);
    size_t accepted = 0, finished = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].scheduler = s;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, client_main, &clients[i]),
                         0);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    settle(s);
    for (size_t i = 0; i < CLIENTS; i++) {
        accepted += clients[i].accepted;
        for (size_t j = 0; j < JOBS_EACH; j++) {
            const struct trial *t = &clients[i].trials[j];
            finished += (size_t)t->finished;
            if (t->finished && t->why == ERROR_NONE)
                ck_assert_uint_eq(t->ran, t->tasks[0] + t->tasks[1]);
        }
    }
    ck_assert_uint_gt(accepted, 0);
    ck_assert_uint_eq(accepted, finished);
    scheduler_delete(s);
}
END_TEST

START_TEST(the_pool_shows_in_the_metrics)
{
    static const char *const routes[] = {"/"};
    struct metrics *m = metrics_new(routes, 1);
    const struct scheduler_options options = {.workers = 2,
                                              .queue_depth = 5,
                                              .queue_wait_ns = 60 * NS_PER_S,
                                              .scratch_limit = 1,
                                              .metrics = m};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_ptr_nonnull(s);
    struct trial t[3];
    sem_t hold;
    sem_init(&hold, 0, 0);
    for (size_t i = 0; i < 3; i++) {
        trial_init(&t[i], 1);
        t[i].hold = &hold;
        t[i].act = spin_1_ms;
        submit(s, &t[i]);
    }
    while ((!t[0].started || !t[1].started) && clock_now_ns() < t[0].job.deadline_ns)
        sched_yield();
    ck_assert_double_eq(series(m, "attentiond_queue_depth"), 1);
    ck_assert_double_eq(series(m, "attentiond_queue_capacity"), 5);
    ck_assert_double_eq(series(m, "attentiond_workers"), 2);
    ck_assert_double_eq(series(m, "attentiond_workers_busy"), 2);

    for (size_t i = 0; i < 3; i++)
        sem_post(&hold);
    settle(s);
    scheduler_delete(s);
    ck_assert_double_eq(series(m, "attentiond_queue_depth"), 0);
    ck_assert_double_ge(series(m, "attentiond_worker_busy_seconds_total"), 0.003);
    metrics_delete(m);
}
END_TEST

TEST_PROGRAM("scheduler",
             every_task_of_every_stage_runs_once_and_is_seen_by_the_next_stage,
             what_comes_back_after_the_drain_is_stopped,
             a_running_job_is_stopped_between_tasks,
             every_task_before_the_one_that_stopped_its_job_has_run,
             a_closed_scheduler_refuses_and_finishes_what_it_has,
             a_drain_past_its_time_stops_what_is_left, many_threads_may_submit,
             the_pool_shows_in_the_metrics)
