/* Every call of the pool that may fail does so once, and then from there on. */
#include "faults/failing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "service/attention_service.h"
#include "service/clock.h"
#include "service/kept_memory.h"
#include "service/machine.h"
#include "service/metrics.h"
#include "service/process.h"
#include "service/request_log.h"
#include "service/ticker.h"
#include "support/test.h"

static struct attention_service_options defaults(struct metrics *metrics)
{
    return (struct attention_service_options){.workers = 2,
                                              .queue_depth = 8,
                                              .queue_wait_ns = 60 * NS_PER_S,
                                              .timeout_ns = 60 * NS_PER_S,
                                              .limits = {.max_batch = 256,
                                                         .max_tokens = 8192,
                                                         .max_width = 4096,
                                                         .max_heads = 128,
                                                         .max_map_numbers = 64 << 20,
                                                         .answer_limit = 64 << 20},
                                              .metrics = metrics};
}

static void end(struct attention_service *s)
{
    attention_service_close(s);
    ck_assert(attention_service_drain(s, clock_now_ns() + 10 * NS_PER_S));
    attention_service_delete(s);
}

/* threat 88 */
START_TEST(a_pool_that_cannot_be_had_says_why)
{
    unsigned calls, k = 0;
    do {
        struct error e = {0};
        failing_begin(++k, _i);
        struct metrics *m = metrics_new(NULL, 0);
        const struct attention_service_options options = defaults(m);
        struct attention_service *s = m ? attention_service_new(&options, &e) : NULL;
        calls = failing_end();
        ck_assert(s != NULL || !m || (e.code != ERROR_NONE && e.message[0]));
        ck_assert(s != NULL || k <= calls);
        if (s)
            end(s);
        metrics_delete(m);
    } while (k <= calls);
    ck_assert_uint_gt(k, 6);
}
END_TEST

static void post(struct attention_call *call)
{
    atomic_store((_Atomic bool *)call->owner, true);
}

/* The whole answer up to its times, or NULL with the error in *e; `small` where it may
 * be answered on this thread. */
static size_t room = (size_t)1 << 28; /* of the call's arena */

static char *ask(struct attention_service *s, const char *body, enum answer_form form,
                 bool small, size_t *length, struct error *e)
{
    static struct attention_call call;
    _Atomic bool done = false;
    memset(&call, 0, sizeof call);
    arena_init(&call.arena, room, NULL);
    call.body = body;
    call.body_length = strlen(body);
    call.form = form;
    call.received_ns = call.complete_ns = clock_now_ns();
    call.done = post;
    call.owner = &done;

    bool handed = !small || !attention_service_answer_small(s, &call);
    if (handed && attention_service_submit(s, &call, &call.error))
        while (!atomic_load(&done))
            nanosleep(&(struct timespec){0, 50000}, NULL);
    failing_end(); /* what is collected below is the test's */
    char *answer = NULL;
    *length = 0;
    if (call.error.code == ERROR_NONE) {
        ck_assert(!call.more);
        answer = malloc(call.answer_bytes);
        for (size_t i = 0; i < call.piece_count; i++) {
            memcpy(answer + *length, call.pieces[i].iov_base, call.pieces[i].iov_len);
            *length += call.pieces[i].iov_len;
        }
        /* Every answer has its own times. */
        const char *timing = memmem(answer, *length, "\"timing\"", 8);
        *length = timing ? (size_t)(timing - answer) : *length;
    }
    *e = call.error;
    arena_free(&call.arena);
    return answer;
}

static const char worked_example[] =
    "{\"sequences\":[[1,0,0],[0,1,0],[0,0,1]],\"labels\":[\"a\",\"b\","
    "\"c\"],\"weights\":{\"wq\":[[1,1],[1,0],[0,1]],\"wk\":[[1,0],[0,1],[1,1]],"
    "\"wv\":[[1,1],[0,1],[1,0]]},\"return\":[\"statistics\",\"lse\"]}";

/* [[...], ...]: {"sequences": TOKENS rows}, long enough to need room of its own. */
static char crowd[64 * 1024];

static void write_crowd(void)
{
    enum { TOKENS = 200, WIDTH = 16 };
    size_t length = (size_t)sprintf(crowd, "{\"sequences\":[");
    for (size_t i = 0; i < TOKENS * WIDTH; i++)
        length += (size_t)sprintf(crowd + length, "%s%zu%s", i % WIDTH ? "," : "[",
                                  i * i % 7, i % WIDTH == WIDTH - 1 ? "]," : "");
    sprintf(crowd + length - 1, "]}");
}

static const struct {
    const char *body;
    enum answer_form form;
    bool small;
} ways[] = {{worked_example, ANSWER_JSON, true},
            {worked_example, ANSWER_JSON, false},
            {worked_example, ANSWER_TEXT, false},
            {crowd, ANSWER_JSON, false},
            {crowd, ANSWER_TEXT, false}};
enum { WAYS = sizeof ways / sizeof *ways };

static bool same(const char *a, size_t a_length, const char *b, size_t b_length)
{
    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

/* threat 88 */
START_TEST(a_call_in_which_memory_fails_says_so_and_the_next_has_the_same_bytes)
{
    struct error e = {0};
    struct metrics *m = metrics_new(NULL, 0);
    const struct attention_service_options options = defaults(m);
    struct attention_service *s = attention_service_new(&options, &e);
    ck_assert_ptr_nonnull(s);
    write_crowd();
    const char *body = ways[_i / 2].body;
    const enum answer_form form = ways[_i / 2].form;
    const bool small = ways[_i / 2].small;
    size_t wanted_length, length;
    char *wanted = ask(s, body, form, small, &wanted_length, &e);
    ck_assert_msg(wanted != NULL, "%s", e.message);

    unsigned refused = 0;
    for (unsigned k = 1, good = 0; good < 3; k++) {
        failing_begin(k, _i % 2);
        char *answer = ask(s, body, form, small, &length, &e);
        if (answer) {
            ck_assert(same(answer, length, wanted, wanted_length));
            good++;
        } else {
            ck_assert_msg(e.code == ERROR_OUT_OF_MEMORY || e.code == ERROR_TOO_LARGE,
                          "call %u: %d %s", k, (int)e.code, e.message);
            refused++;
        }
        free(answer);
        answer = ask(s, body, form, small, &length, &e);
        ck_assert(answer && same(answer, length, wanted, wanted_length));
        free(answer);
    }
    ck_assert_uint_gt(refused, 0);
    free(wanted);
    end(s);
    metrics_delete(m);
}
END_TEST

/* Of a new pool, whose worker has no room yet. */
START_TEST(a_worker_that_gets_no_room_says_so)
{
    unsigned refused = 0;
    write_crowd();
    for (unsigned k = 1, good = 0; good < 2; k++) {
        struct error e = {0};
        struct attention_service_options options = defaults(NULL);
        options.workers = 1;
        struct attention_service *s = attention_service_new(&options, &e);
        ck_assert_ptr_nonnull(s);
        size_t length;
        failing_begin(k, false);
        char *answer = ask(s, crowd, ANSWER_JSON, false, &length, &e);
        good += answer != NULL;
        refused += strstr(e.message, "a worker has no room for the ") != NULL;
        free(answer);
        end(s);
    }
    ck_assert_uint_eq(refused, 1);
}
END_TEST

START_TEST(a_picture_has_room_or_says_that_it_has_none)
{
    struct error e = {0};
    const struct attention_service_options options = defaults(NULL);
    struct attention_service *s = attention_service_new(&options, &e);
    ck_assert_ptr_nonnull(s);
    write_crowd();
    char *answer = NULL;
    size_t length;
    for (room = 1 << 14; !answer; room += 1 << 12) {
        answer = ask(s, crowd, ANSWER_TEXT, false, &length, &e);
        ck_assert(answer || e.code == ERROR_OUT_OF_MEMORY);
    }
    ck_assert_uint_gt(length,
                      1 << 12); /* or a step could have missed the last refusal */
    free(answer);
    end(s);
}
END_TEST

static void do_nothing(void *context)
{
    (void)context;
}

START_TEST(small_parts_are_whole_or_not_there)
{
    for (unsigned k = 1; k < 8; k++) {
        struct error e = {0};
        struct machine machine;
        struct process_usage usage;
        failing_begin(k, _i);
        struct ticker *t = ticker_new(1000, do_nothing, NULL, &e);
        struct request_log *log = request_log_new(4);
        machine_inspect("", &machine);
        process_usage_read(&usage);
        kept_memory_return(0, SIZE_MAX, true);
        failing_end();
        ck_assert(t || e.code != ERROR_NONE);
        ck_assert_uint_ge(machine.cpus, 1);
        ticker_delete(t);
        if (log)
            request_log_delete(log);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("service_faults");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_pool_that_cannot_be_had_says_why, 0, 2);
    tcase_add_loop_test(
        tcase, a_call_in_which_memory_fails_says_so_and_the_next_has_the_same_bytes, 0,
        2 * WAYS);
    tcase_add_test(tcase, a_picture_has_room_or_says_that_it_has_none);
    tcase_add_test(tcase, a_worker_that_gets_no_room_says_so);
    tcase_add_loop_test(tcase, small_parts_are_whole_or_not_there, 0, 2);
    Suite *suite = suite_create("service_faults");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
