#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

#include "service/attention_visit.h"
#include "service/metric_series.h"

START_TEST(the_worked_example_is_answered)
{
    struct attention_service_options o = defaults(2);
    struct attention_service *s = service(&o);
    struct visit v;
    visit(s, &v, worked_example);
    ck_assert_msg(v.answer != NULL, "%s", v.call.error.message);

    json_t *answer = json_loads(v.answer, 0, NULL);
    ck_assert_msg(answer != NULL, "%s", v.answer);
    ck_assert_str_eq(json_string_value(json_object_get(answer, "id")), "generated");
    /* The first row of scores is (1, 1, 2) / sqrt(2). */
    double near = exp(1 / sqrt(2)), far = exp(2 / sqrt(2)), sum = 2 * near + far;
    const json_t *row = json_array_get(json_object_get(answer, "outputs"), 0);
    ck_assert_close(json_number_value(json_array_get(row, 0)), (near + far) / sum, 0,
                    1e-6);
    ck_assert_close(json_number_value(json_array_get(row, 1)), 2 * near / sum, 0, 1e-6);
    static const char *const times[] = {"parse_ms", "queue_ms", "compute_ms",
                                        "total_ms"};
    for (size_t i = 0; i < 4; i++) {
        const json_t *ms = json_object_get(json_object_get(answer, "timing"), times[i]);
        ck_assert_msg(json_is_number(ms) && json_number_value(ms) >= 0, "%s", times[i]);
    }
    json_decref(answer);

    ck_assert_uint_eq(v.call.batch, 1);
    ck_assert_uint_eq(v.call.tokens, 3);
    ck_assert_uint_eq(v.call.width, 3);
    ck_assert_uint_eq(v.call.heads, 1);
    ck_assert_double_ge(v.call.queue_ms, 0);
    ck_assert_double_gt(v.call.parse_ms, 0);
    ck_assert_double_gt(v.call.compute_ms, 0);
    ck_assert_double_gt(v.call.serialize_ms, 0);
    visit_free(&v);
    end(s);
}
END_TEST

START_TEST(a_picture_is_drawn_on_request)
{
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    struct visit v;
    visit_init(&v, worked_example);
    v.call.form = ANSWER_TEXT;
    visit_submit(s, &v);
    visit_wait(&v);
    ck_assert_msg(v.answer != NULL, "%s", v.call.error.message);
    ck_assert_uint_gt(v.call.answer_bytes, 9);
    ck_assert_ptr_null(strstr(v.answer, "\"outputs\""));
    visit_free(&v);
    end(s);
}
END_TEST

START_TEST(an_answer_over_its_limit_is_refused_in_either_form)
{
    struct attention_service_options o = defaults(1);
    o.limits.answer_limit = 100;
    struct attention_service *s = service(&o);
    static const enum answer_form forms[] = {ANSWER_JSON, ANSWER_TEXT};
    for (size_t i = 0; i < 2; i++) {
        struct visit v;
        visit_init(&v, worked_example);
        v.call.form = forms[i];
        visit_submit(s, &v);
        visit_wait(&v);
        ck_assert_int_eq(v.call.error.code, ERROR_TOO_LARGE);
        ck_assert_ptr_nonnull(strstr(v.call.error.message, "(answer_limit)"));
        visit_free(&v);
    }
    end(s);
}
END_TEST

enum { BODIES = 4 };

static void make_bodies(char *body[BODIES])
{
    body[0] = random_body(1, 1, 150, 32, ",\"heads\":4,\"return\":[\"lse\"]");
    body[1] = random_body(2, 3, 33, 8, ",\"causal\":true,\"maps\":\"mean\"");
    body[2] = random_body(3, 1, 3, 2, "");
    body[3] = random_body(4, 1, 70, 16, ",\"heads\":2,\"tensor_format\":\"base64\"");
}

START_TEST(an_answer_is_the_same_with_1_2_and_7_workers_alone_and_in_a_crowd)
{
    enum { CROWD = 24 };
    static const size_t workers[] = {1, 2, 7};
    struct visit first[BODIES];
    char *body[BODIES];
    make_bodies(body);

    for (size_t w = 0; w < 3; w++) {
        struct attention_service_options o = defaults(workers[w]);
        struct attention_service *s = service(&o);
        for (size_t i = 0; i < BODIES; i++) {
            struct visit alone;
            visit(s, &alone, body[i]);
            lasting_part(&alone);
            if (w == 0) {
                first[i] = alone;
                continue;
            }
            ck_assert_str_eq(alone.answer, first[i].answer);
            visit_free(&alone);
        }
        static struct visit crowd[CROWD];
        for (size_t i = 0; i < CROWD; i++) {
            visit_init(&crowd[i], body[i % BODIES]);
            visit_submit(s, &crowd[i]);
        }
        for (size_t i = 0; i < CROWD; i++) {
            visit_wait(&crowd[i]);
            ck_assert_str_eq(lasting_part(&crowd[i]), first[i % BODIES].answer);
            visit_free(&crowd[i]);
        }
        end(s);
    }
    for (size_t i = 0; i < BODIES; i++) {
        visit_free(&first[i]);
        free(body[i]);
    }
}
END_TEST

START_TEST(a_wrong_request_is_refused_and_the_next_one_answered)
{
    static const struct {
        const char *body;
        enum error_code code;
        const char *path;
    } cases[] = {
        {"", ERROR_EMPTY_BODY, ""},
        {"{\"sequences\":", ERROR_INVALID_JSON, ""},
        {"{\"sequences\":[[1,2],[3]]}", ERROR_INVALID_INPUT, "/sequences/1"},
        {"{\"sequence\":[[1,2]]}", ERROR_INVALID_INPUT, "/sequence"},
        {"{\"sequences\":[[1,2,3]],\"heads\":2}", ERROR_INVALID_INPUT, "/heads"},
        {"{\"sequences\":[[1e38,3e38]],\"weights\":{\"wq\":[[1],[1]],"
         "\"wk\":[[1],[1]],\"wv\":[[1],[1]]}}",
         ERROR_INVALID_INPUT, "/weights/wq"},
    };
    struct attention_service_options o = defaults(2);
    struct attention_service *s = service(&o);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct visit v;
        visit(s, &v, cases[i].body);
        ck_assert_msg(v.call.error.code == cases[i].code &&
                          strcmp(v.call.error.path, cases[i].path) == 0,
                      "%s: %s at '%s': %s", cases[i].body,
                      error_slug(v.call.error.code), v.call.error.path,
                      v.call.error.message);
        ck_assert_double_eq(v.call.serialize_ms, -1);
        visit_free(&v);
        visit(s, &v, worked_example);
        ck_assert_ptr_nonnull(v.answer);
        visit_free(&v);
    }
    end(s);
}
END_TEST

START_TEST(of_many_tasks_that_fail_the_first_is_told_of)
{
    /* Both the keys and, in later tasks, the values leave float32's range. */
    char *body = random_body(5, 60, 40, 2,
                             ",\"weights\":{\"wq\":[[1],[1]],\"wk\":[[3e38],[3e38]],"
                             "\"wv\":[[3e38],[3e38]]}");
    char message[320] = "", path[256] = "";
    static const size_t workers[] = {1, 7, 7, 7};
    for (size_t w = 0; w < 4; w++) {
        struct attention_service_options o = defaults(workers[w]);
        struct attention_service *s = service(&o);
        struct visit v;
        visit(s, &v, body);
        ck_assert_int_eq(v.call.error.code, ERROR_INVALID_INPUT);
        if (w > 0) {
            ck_assert_str_eq(v.call.error.message, message);
            ck_assert_str_eq(v.call.error.path, path);
        }
        memcpy(message, v.call.error.message, sizeof message);
        memcpy(path, v.call.error.path, sizeof path);
        visit_free(&v);
        end(s);
    }
    free(body);
}
END_TEST

START_TEST(a_full_queue_gives_the_call_back_at_once)
{
    struct attention_service_options o = defaults(1);
    o.queue_depth = 4;
    struct visit holder, v[5], late;
    sem_t hold;
    struct error e = {0};
    struct attention_service *s = held_service(&o, &holder, &hold);
    for (size_t i = 0; i < 5; i++)
        visit_init(&v[i], worked_example);
    ck_assert(attention_service_has_room(s, 1 << 20, &e));
    for (size_t i = 0; i < 4; i++)
        visit_submit(s, &v[i]);
    ck_assert(!attention_service_has_room(s, 1 << 20, &e));
    ck_assert_int_eq(e.code, ERROR_OVERLOADED);
    e = (struct error){0};
    ck_assert(attention_service_has_room(s, 100, &e)); /* it may be answered at once */
    ck_assert(!attention_service_submit(s, &v[4].call, &e));
    ck_assert_int_eq(e.code, ERROR_OVERLOADED);
    ck_assert_uint_ge(attention_service_retry_after(s), 1);
    ck_assert_uint_le(attention_service_retry_after(s), 60);

    attention_service_close(s);
    e = (struct error){0};
    visit_init(&late, worked_example);
    ck_assert(!attention_service_submit(s, &late.call, &e));
    ck_assert_int_eq(e.code, ERROR_SHUTTING_DOWN);
    visit_free(&late);

    release(&holder, &hold);
    for (size_t i = 0; i < 5; i++) {
        if (i < 4)
            visit_wait(&v[i]);
        visit_free(&v[i]);
    }
    end(s);
}
END_TEST

/* Long after the drain, even on a busy machine, has found that its time is over. */
static void *release_later(void *hold)
{
    const struct timespec pause = {.tv_nsec = 200 * NS_PER_MS};
    nanosleep(&pause, NULL);
    sem_post(hold);
    return NULL;
}

START_TEST(what_a_drain_cannot_finish_is_told_so)
{
    struct attention_service_options o = defaults(1);
    struct visit holder, v;
    sem_t hold;
    struct attention_service *s = held_service(&o, &holder, &hold);
    visit_init(&v, worked_example);
    visit_submit(s, &v);
    attention_service_close(s);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, release_later, &hold), 0);
    ck_assert(!attention_service_drain(s, clock_now_ns()));
    pthread_join(thread, NULL);
    visit_wait(&v);
    ck_assert_int_eq(v.call.error.code, ERROR_SHUTTING_DOWN);
    visit_free(&v);
    visit_wait(&holder);
    visit_free(&holder);
    attention_service_delete(s);
}
END_TEST

START_TEST(every_small_budget_is_refused_or_enough)
{
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    size_t refused = 0, answered = 0;
    for (size_t limit = 0; limit < 64 * 1024; limit += 61) {
        struct visit v;
        struct error e = {0};
        visit_init(&v, worked_example);
        v.call.arena.limit = limit;
        if (attention_service_submit(s, &v.call, &e))
            visit_wait(&v);
        else
            v.call.error = e;
        refused += v.call.error.code == ERROR_OUT_OF_MEMORY;
        answered += v.answer != NULL;
        ck_assert_msg(v.answer || v.call.error.code == ERROR_OUT_OF_MEMORY, "%s",
                      v.call.error.message);
        visit_free(&v);
    }
    ck_assert_uint_gt(refused, 10);
    ck_assert_uint_gt(answered, 10);
    end(s);
}
END_TEST

enum { CLIENTS = 4, VISITS_EACH = 40 };

struct client {
    struct attention_service *service;
    char **body;
    _Atomic size_t *accepted;
    size_t surprises;
};

static bool is_expected(const struct attention_call *call)
{
    return call->error.code == ERROR_NONE || call->error.code == ERROR_SHUTTING_DOWN ||
           (call->error.code == ERROR_CANCELLED && call->cancelled);
}

static void *client_main(void *argument)
{
    struct client *c = argument;
    for (size_t i = 0; i < VISITS_EACH; i++) {
        struct visit v;
        struct error e = {0};
        int more;
        visit_init(&v, c->body[i % BODIES]);
        if (attention_service_submit(c->service, &v.call, &e)) {
            ++*c->accepted;
            v.call.cancelled = i % 7 == 6;
            visit_wait(&v);
            sem_getvalue(&v.given_back, &more);
            c->surprises += more != 0 || !is_expected(&v.call);
        } else {
            c->surprises += e.code != ERROR_SHUTTING_DOWN;
        }
        visit_free(&v);
    }
    return NULL;
}

START_TEST(a_drain_in_the_middle_gives_every_accepted_call_back_once)
{
    char *body[BODIES];
    make_bodies(body);
    struct attention_service_options o = defaults(3);
    struct attention_service *s = service(&o);
    pthread_t thread[CLIENTS];
    struct client client[CLIENTS];
    _Atomic size_t accepted = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        client[i] = (struct client){s, body, &accepted, 0};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, client_main, &client[i]), 0);
    }
    int64_t until = clock_now_ns() + 60 * NS_PER_S;
    while (accepted < 50 && clock_now_ns() < until)
        sched_yield();
    attention_service_close(s);
    (void)attention_service_drain(s, clock_now_ns());
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_uint_eq(client[i].surprises, 0);
    }
    ck_assert_uint_ge(accepted, 50);
    attention_service_delete(s);
    for (size_t i = 0; i < BODIES; i++)
        free(body[i]);
}
END_TEST

START_TEST(what_was_computed_is_counted)
{
    static const char *const routes[] = {"/v1/attention"};
    struct metrics *m = metrics_new(routes, 1);
    struct attention_service_options o = defaults(1);
    o.metrics = m;
    struct visit holder, left, v;
    sem_t hold;
    struct attention_service *s = held_service(&o, &holder, &hold);
    visit_init(&left, worked_example);
    left.call.cancelled = true;
    visit_submit(s, &left);
    release(&holder, &hold);
    visit_wait(&left);
    visit_free(&left);
    visit(s, &v, "{\"sequences\":[[[1],[2]],[[3],[4],[5],[6]]]}");
    visit_free(&v);
    visit(s, &v, "{}");
    visit_free(&v);
    end(s);

    static const struct {
        const char *name;
        double value;
    } counts[] = {
        {"attentiond_sequences_total", 1 + 2},
        {"attentiond_tokens_total", 3 + 6},
        {"attentiond_sequence_length_tokens_count", 3},
        {"attentiond_sequence_length_tokens_sum", 9},
        {"attentiond_batch_size_sum", 3},
        {"attentiond_cancelled_total{stage=\"queue\"}", 1},
        {"attentiond_stage_duration_seconds_count{stage=\"queue\"}", 4},
        {"attentiond_stage_duration_seconds_count{stage=\"parse\"}", 3},
        {"attentiond_stage_duration_seconds_count{stage=\"compute\"}", 2},
        {"attentiond_stage_duration_seconds_count{stage=\"serialize\"}", 2},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        ck_assert_msg(series(m, counts[i].name) == counts[i].value, "%s is %g, want %g",
                      counts[i].name, series(m, counts[i].name), counts[i].value);
    ck_assert_double_gt(series(m, "attentiond_compute_flops_total"), 0);
    metrics_delete(m);
}
END_TEST

START_TEST(a_service_without_its_threads_does_not_start)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    puts("skipped: a sanitizer needs more address space than the test leaves");
#else
    struct attention_service_options o = defaults(256);
    const struct rlimit room = {512 << 20, 512 << 20}; /* of stacks, 8 MiB each */
    struct error e = {0};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
    ck_assert_ptr_null(attention_service_new(&o, &e));
    ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
    ck_assert_ptr_nonnull(strstr(e.message, "(workers)"));
#endif
}
END_TEST

TEST_PROGRAM("attention_service", the_worked_example_is_answered,
             a_picture_is_drawn_on_request,
             an_answer_over_its_limit_is_refused_in_either_form,
             an_answer_is_the_same_with_1_2_and_7_workers_alone_and_in_a_crowd,
             a_wrong_request_is_refused_and_the_next_one_answered,
             of_many_tasks_that_fail_the_first_is_told_of,
             a_full_queue_gives_the_call_back_at_once,
             what_a_drain_cannot_finish_is_told_so,
             every_small_budget_is_refused_or_enough,
             a_drain_in_the_middle_gives_every_accepted_call_back_once,
             what_was_computed_is_counted, a_service_without_its_threads_does_not_start)
