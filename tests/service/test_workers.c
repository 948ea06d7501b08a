#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "service/log.h"
#include "service/scheduler_trial.h"

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

TEST_PROGRAM("workers", stages_of_one_task_stay_on_one_worker,
             scratch_grows_up_to_its_limit, threads_that_cannot_be_had_are_an_error,
             a_worker_in_one_task_for_long_is_told_of_once,
             a_job_stays_while_it_is_told_of, a_task_may_end_while_it_is_looked_at,
             what_waits_is_given_back_though_every_worker_hangs)
