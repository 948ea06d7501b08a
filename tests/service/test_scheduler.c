#include "service/scheduler.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "service/clock.h"
#include "service/log.h"
#include "support/test.h"

enum { STAGES = 3, LONGEST_LOG = 4096 };

/* What ran, in order; the letter of a trial a task. For one worker. */
struct diary {
    char text[LONGEST_LOG];
    size_t length;
};

/* A job that does as it is told and remembers what was done with it. */
struct trial {
    struct job job;
    size_t tasks[STAGES]; /* 0: no such stage */
    size_t scratch_bytes;
    char letter;
    struct diary *diary;
    void (*act)(struct trial *t, size_t task, void *scratch); /* in every task */
    struct trial *other;
    struct scheduler *scheduler;
    sem_t *hold;         /* a task waits for it */
    uint64_t later_cost; /* what its first task finds out; 0: nothing */
    struct error refusal;

    size_t stage;
    unsigned char *marks; /* one a task: the last stage it ran in; 255: ran twice */
    size_t wrong;
    const void *thread; /* where the last task ran */
    _Atomic size_t started, ran;
    _Atomic bool left;
    _Atomic int finished;
    enum error_code why;
};

static void trial_run(struct job *job, size_t task, void *scratch)
{
    struct trial *t = (struct trial *)job;
    t->started++;
    if (t->diary)
        t->diary->text[t->diary->length++] = t->letter;
    if (t->marks)
        t->marks[task] = t->marks[task] == t->stage ? 255 : (unsigned char)t->stage;
    if (t->hold)
        sem_wait(t->hold);
    if (t->act)
        t->act(t, task, scratch);
    if (t->stage == 1 && t->later_cost)
        job->cost = t->later_cost;
    t->ran++;
}

static bool trial_next(struct job *job)
{
    struct trial *t = (struct trial *)job;
    t->why = (enum error_code)job->stopped;
    if (t->marks && t->stage > 0 && t->why == ERROR_NONE)
        for (size_t i = 0; i < t->tasks[t->stage - 1]; i++)
            t->wrong += t->marks[i] != t->stage;
    if (t->why != ERROR_NONE || t->stage == STAGES || t->tasks[t->stage] == 0)
        return false;

    job->run = trial_run;
    job->tasks = t->tasks[t->stage++];
    job->scratch_bytes = t->scratch_bytes;
    return true;
}

static void trial_finished(struct job *job)
{
    struct trial *t = (struct trial *)job;
    if (t->diary)
        t->diary->text[t->diary->length++] = '.';
    t->finished++;
}

static void trial_init(struct trial *t, size_t tasks)
{
    *t = (struct trial){.tasks = {tasks}, .letter = '?'};
    t->job.cost = 1;
    t->job.next = trial_next;
    t->job.finished = trial_finished;
    t->job.deadline_ns = clock_now_ns() + 60 * NS_PER_S;
    t->job.cancelled = &t->left;
    t->job.error = &t->refusal;
}

static int64_t patience_ns = 60 * NS_PER_S;

static struct scheduler *pool(size_t workers, size_t queue_depth)
{
    const struct scheduler_options options = {.workers = workers,
                                              .queue_depth = queue_depth,
                                              .queue_wait_ns = 60 * NS_PER_S,
                                              .scratch_limit = 1 << 20,
                                              .patience_ns = patience_ns};
    struct error e = {0};
    struct scheduler *s = scheduler_new(&options, &e);
    ck_assert_msg(s != NULL, "%s", e.message);
    return s;
}

static void submit(struct scheduler *s, struct trial *t)
{
    struct error e = {0};
    t->scheduler = s;
    ck_assert_msg(scheduler_submit(s, &t->job, &e), "%s", e.message);
}

/* Waits until everything accepted has finished. */
static void settle(struct scheduler *s)
{
    ck_assert(scheduler_drain(s, clock_now_ns() + 60 * NS_PER_S));
}

/* One worker, kept in a task until sem_post(). */
static struct scheduler *held_pool(struct trial *holder, sem_t *hold,
                                   size_t queue_depth)
{
    struct scheduler *s = pool(1, queue_depth);
    sem_init(hold, 0, 0);
    trial_init(holder, 1);
    holder->hold = hold;
    submit(s, holder);
    while (!holder->started && clock_now_ns() < holder->job.deadline_ns)
        sched_yield();
    return s;
}

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

static void spin_1_ms(struct trial *t, size_t task, void *scratch)
{
    (void)t, (void)task, (void)scratch;
    int64_t until = clock_now_ns() + NS_PER_MS;
    while (clock_now_ns() < until)
        ;
}

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

static void leave_at_10(struct trial *t, size_t task, void *scratch)
{
    (void)scratch;
    if (task == 10)
        t->left = true;
}

static void outlast_the_deadline_at_10(struct trial *t, size_t task, void *scratch)
{
    (void)scratch;
    while (task == 10 && clock_now_ns() < t->job.deadline_ns)
        sched_yield();
}

static void stop_at_10(struct trial *t, size_t task, void *scratch)
{
    (void)scratch;
    if (task == 10)
        job_stop(&t->job, ERROR_INVALID_INPUT);
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

static bool wait_for(_Atomic size_t *count, size_t least)
{
    int64_t until = clock_now_ns() + 60 * NS_PER_S;
    while (*count < least && clock_now_ns() < until)
        sched_yield();
    return *count >= least;
}

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

static void note_thread(struct trial *t, size_t task, void *scratch)
{
    static _Thread_local char here;
    (void)task, (void)scratch;
    t->wrong += t->stage > 1 && t->thread != &here;
    t->thread = &here;
}

START_TEST(stages_of_one_task_stay_on_one_worker)
{
    struct scheduler *s = pool(4, 200);
    static struct trial t[100];
    for (size_t i = 0; i < 100; i++) {
        trial_init(&t[i], 1);
        t[i].tasks[1] = t[i].tasks[2] = 1;
        t[i].act = note_thread;
        submit(s, &t[i]);
    }
    settle(s);
    for (size_t i = 0; i < 100; i++) {
        ck_assert_uint_eq(t[i].wrong, 0);
        ck_assert_uint_eq(t[i].ran, 3);
    }
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

static void fill_scratch(struct trial *t, size_t task, void *scratch)
{
    (void)task;
    t->wrong += (uintptr_t)scratch % 64 != 0;
    memset(scratch, 1, t->scratch_bytes);
}

START_TEST(scratch_grows_up_to_its_limit)
{
    struct {
        size_t bytes;
        enum error_code why;
    } cases[] = {{100, ERROR_NONE},
                 {4096, ERROR_NONE},
                 {1 << 20, ERROR_NONE},
                 {(1 << 20) + 1, ERROR_OUT_OF_MEMORY},
                 {SIZE_MAX, ERROR_OUT_OF_MEMORY}};
    struct scheduler *s = pool(1, 10);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trial t;
        trial_init(&t, 2);
        t.scratch_bytes = cases[i].bytes;
        t.act = fill_scratch;
        submit(s, &t);
        settle(s);
        ck_assert_int_eq(t.why, cases[i].why);
        ck_assert_uint_eq(t.ran, cases[i].why ? 0 : 2);
        ck_assert_uint_eq(t.wrong, 0);
    }
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

/* The value of a series in Prometheus text. */
static double series(struct metrics *m, const char *name)
{
    struct buffer text;
    size_t length;
    buffer_init(&text, 1 << 20);
    metrics_write(m, METRICS_PROMETHEUS, &text);
    char *all = buffer_take(&text, &length), line[100];
    ck_assert_ptr_nonnull(all);
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(all, line);
    ck_assert_msg(at != NULL, "no %s", name);
    double value = strtod(at + strlen(line), NULL);
    free(all);
    return value;
}

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

START_TEST(threads_that_cannot_be_had_are_an_error)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    puts("skipped: a sanitizer needs more address space than the test leaves");
#else
    const struct scheduler_options options = {.workers = 256};
    const struct rlimit room = {512 << 20, 512 << 20}; /* of stacks, 8 MiB each */
    struct error e = {0};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
    ck_assert_ptr_null(scheduler_new(&options, &e));
    ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
    ck_assert_ptr_nonnull(strstr(e.message, "of 256 (workers)"));
#endif
}
END_TEST

static struct job_label label_of(const struct job *job)
{
    (void)job;
    return (struct job_label){.id = "the one", .stage = "compute"};
}

START_TEST(a_worker_in_one_task_for_long_is_told_of_once)
{
    struct trial holder, other;
    sem_t hold;
    int ends[2];
    char text[4096];
    struct scheduler *s = held_pool(&holder, &hold, 4);
    holder.job.label = label_of;
    ck_assert_int_eq(pipe(ends), 0);
    log_configure(ends[1], LOG_TEXT, LOG_INFO);
    ck_assert_uint_eq(scheduler_stuck(s, 60 * NS_PER_S), 0);
    nanosleep(&(struct timespec){0, 2 * NS_PER_MS}, NULL);
    ck_assert_uint_eq(scheduler_stuck(s, NS_PER_MS), 1);
    ck_assert_uint_eq(scheduler_stuck(s, NS_PER_MS), 1);
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_INFO);
    close(ends[1]);
    ssize_t length = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    const char *line = strstr(text, " level=error event=worker_stuck worker=1 "
                                    "id=\"the one\" stage=compute ms=");
    ck_assert_msg(line != NULL, "%s", text);
    ck_assert_ptr_eq(strchr(line, '\n'), text + length - 1);

    sem_post(&hold);
    settle(s);
    ck_assert_uint_eq(scheduler_stuck(s, 0), 0);
    trial_init(&other, 1);
    submit(s, &other);
    settle(s);
    scheduler_delete(s);
}
END_TEST

static struct job_label label_slowly(const struct job *job)
{
    const struct trial *t = (const struct trial *)job;
    sem_post(t->hold);
    nanosleep(&(struct timespec){0, 20 * NS_PER_MS}, NULL);
    ck_assert_int_eq(t->finished, 0);
    return label_of(job);
}

START_TEST(a_job_stays_while_it_is_told_of)
{
    struct trial holder;
    sem_t hold;
    struct scheduler *s = held_pool(&holder, &hold, 4);
    holder.job.label = label_slowly;
    nanosleep(&(struct timespec){0, 2 * NS_PER_MS}, NULL);
    ck_assert_uint_eq(scheduler_stuck(s, NS_PER_MS), 1);
    settle(s);
    ck_assert_int_eq(holder.finished, 1);
    scheduler_delete(s);
}
END_TEST

/* Its task would have to be read while it is told of. */
START_TEST(a_task_may_end_while_it_is_looked_at)
{
    struct scheduler *s = pool(2, 4096);
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_ERROR + 1);
    static struct trial trials[2000];
    for (size_t i = 0; i < 2000; i++) {
        trial_init(&trials[i], 3);
        trials[i].job.label = label_of;
        submit(s, &trials[i]);
        (void)scheduler_stuck(s, 0);
    }
    settle(s);
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_INFO);
    for (size_t i = 0; i < 2000; i++)
        ck_assert_uint_eq(trials[i].ran, 3);
    scheduler_delete(s);
}
END_TEST

START_TEST(what_waits_is_given_back_though_every_worker_hangs)
{
    enum { COUNT = 5 };
    struct trial holder, waiting[COUNT];
    sem_t hold;
    patience_ns = 5 * NS_PER_MS;
    struct scheduler *s = held_pool(&holder, &hold, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        trial_init(&waiting[i], 1 + i);
        submit(s, &waiting[i]);
    }
    scheduler_close(s);
    ck_assert(!scheduler_drain(s, clock_now_ns()));
    ck_assert(!scheduler_idle(s));
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(waiting[i].finished, 1);
        ck_assert_int_eq(waiting[i].why, ERROR_SHUTTING_DOWN);
        ck_assert_uint_eq(waiting[i].ran, 0);
    }
    ck_assert_int_eq(holder.finished, 0);

    sem_post(&hold);
    settle(s);
    ck_assert(scheduler_idle(s));
    ck_assert_int_eq(holder.finished, 1);
    scheduler_delete(s);
}
END_TEST

TEST_PROGRAM(
    "scheduler", every_task_of_every_stage_runs_once_and_is_seen_by_the_next_stage,
    a_full_queue_refuses_at_once, a_long_predicted_wait_refuses,
    the_predicted_wait_grows_with_the_cost_before_it,
    what_comes_back_to_go_on_teaches_nothing_of_those_that_are_guessed,
    what_comes_back_after_the_drain_is_stopped, a_job_without_a_cost_teaches_nothing,
    the_predicted_wait_of_a_short_job_counts_short_ones_only,
    who_waits_in_vain_is_finished_before_its_turn,
    a_running_job_is_stopped_between_tasks,
    every_task_before_the_one_that_stopped_its_job_has_run,
    tasks_of_two_jobs_run_in_turn, a_short_job_overtakes_a_long_one_and_those_that_wait,
    the_least_work_goes_first_of_those_that_wait,
    a_job_stands_by_what_it_was_found_to_cost, a_large_job_has_every_worker,
    one_worker_is_left_for_short_jobs_while_they_come,
    every_worker_reads_where_no_short_jobs_come, stages_of_one_task_stay_on_one_worker,
    a_closed_scheduler_refuses_and_finishes_what_it_has,
    a_drain_past_its_time_stops_what_is_left, scratch_grows_up_to_its_limit,
    many_threads_may_submit, the_pool_shows_in_the_metrics,
    work_up_to_its_bound_is_let_in_and_no_more,
    work_that_is_found_out_later_is_bounded_as_well,
    short_jobs_that_are_found_to_be_long_are_bounded_in_number,
    whatever_happens_no_work_is_left_in_the_sum,
    threads_that_cannot_be_had_are_an_error,
    a_worker_in_one_task_for_long_is_told_of_once, a_job_stays_while_it_is_told_of,
    a_task_may_end_while_it_is_looked_at,
    what_waits_is_given_back_though_every_worker_hangs)
