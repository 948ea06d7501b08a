#include "service/request_log.h"

#include <pthread.h>
#include <stdio.h>

#include "support/scarce.h"
#include "support/test.h"

static void add(struct request_log *log, unsigned status)
{
    struct request_record record = {.status = status, .route = "/v1/attention"};
    snprintf(record.id, sizeof record.id, "r%u", status);
    request_log_add(log, &record);
}

START_TEST(the_newest_comes_first)
{
    struct request_log *log = request_log_new(4);
    struct request_record out[8];
    ck_assert_uint_eq(request_log_read(log, out, 8), 0);

    add(log, 1);
    add(log, 2);
    ck_assert_uint_eq(request_log_read(log, out, 8), 2);
    ck_assert_str_eq(out[0].id, "r2");
    ck_assert_str_eq(out[1].id, "r1");
    ck_assert_str_eq(out[1].route, "/v1/attention");
    request_log_delete(log);
}
END_TEST

START_TEST(only_the_last_are_kept)
{
    struct request_log *log = request_log_new(3);
    struct request_record out[8];
    for (unsigned i = 1; i <= 100; i++)
        add(log, i);

    ck_assert_uint_eq(request_log_read(log, out, 8), 3);
    ck_assert_uint_eq(out[0].status, 100);
    ck_assert_uint_eq(out[1].status, 99);
    ck_assert_uint_eq(out[2].status, 98);
    request_log_delete(log);
}
END_TEST

START_TEST(no_more_are_read_than_asked_for)
{
    struct request_log *log = request_log_new(3);
    struct request_record out[2] = {{.status = 0}, {.status = 7}};
    for (unsigned i = 1; i <= 3; i++)
        add(log, i);

    ck_assert_uint_eq(request_log_read(log, out, 1), 1);
    ck_assert_uint_eq(out[0].status, 3);
    ck_assert_uint_eq(out[1].status, 7);
    ck_assert_uint_eq(request_log_read(log, out, 0), 0);
    request_log_delete(log);
}
END_TEST

START_TEST(a_size_that_cannot_be_had_is_refused)
{
    ck_assert_ptr_null(request_log_new(0));
    ck_assert_ptr_null(request_log_new(SIZE_MAX / 2));
    request_log_delete(NULL);
}
END_TEST

static void *add_many(void *log)
{
    for (unsigned i = 1; i <= 1000; i++)
        add(log, i);
    return NULL;
}

START_TEST(a_record_is_whole_while_others_are_added)
{
    struct request_log *log = request_log_new(4);
    struct request_record out[4];
    pthread_t writers[2];
    for (size_t i = 0; i < 2; i++)
        pthread_create(&writers[i], NULL, add_many, log);

    for (int i = 0; i < 200; i++) {
        size_t count = request_log_read(log, out, 4);
        for (size_t k = 0; k < count; k++) {
            char id[16];
            snprintf(id, sizeof id, "r%u", out[k].status);
            ck_assert_str_eq(out[k].id, id);
        }
    }
    for (size_t i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
    ck_assert_uint_eq(request_log_read(log, out, 4), 4);
    request_log_delete(log);
}
END_TEST

START_TEST(without_memory_there_is_no_log)
{
    if (!scarce_memory_begin())
        return;
    struct request_log *log = request_log_new(1);
    scarce_memory_end();
    ck_assert_ptr_null(log);
}
END_TEST

TEST_PROGRAM("request_log", the_newest_comes_first, only_the_last_are_kept,
             no_more_are_read_than_asked_for, a_size_that_cannot_be_had_is_refused,
             a_record_is_whole_while_others_are_added, without_memory_there_is_no_log)
