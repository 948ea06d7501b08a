#include "service/attention_call.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "service/answer_windows.h"
#include "service/clock.h"
#include "support/test.h"

static const char worked_example[] =
    "{\"sequences\":[[1,0,0],[0,1,0],[0,0,1]],\"weights\":{"
    "\"wq\":[[1,1],[1,0],[0,1]],\"wk\":[[1,0],[0,1],[1,1]],\"wv\":[[1,1],[0,1],[1,0]]}"
    "}";

static struct attention_service_options defaults(size_t workers)
{
    return (struct attention_service_options){.workers = workers,
                                              .queue_depth = 100,
                                              .queue_wait_ns = 60 * NS_PER_S,
                                              .timeout_ns = 60 * NS_PER_S,
                                              .limits = {.max_batch = 256,
                                                         .max_tokens = 8192,
                                                         .max_width = 4096,
                                                         .max_heads = 128,
                                                         .max_map_numbers = 64 << 20,
                                                         .answer_limit = 256 << 20}};
}

static struct attention_service *service(const struct attention_service_options *o)
{
    struct error e = {0};
    struct attention_service *s = attention_service_new(o, &e);
    ck_assert_msg(s != NULL, "%s", e.message);
    return s;
}

/* A call and what its owner knows of it. */
struct visit {
    struct attention_call call;
    sem_t given_back;
    sem_t *hold; /* done() waits for it: the worker is kept */
    _Atomic bool holding;
    char *answer;
    size_t windows; /* it came in */
};

static void visit_done(struct attention_call *call)
{
    struct visit *v = call->owner;
    v->holding = true;
    if (v->hold)
        sem_wait(v->hold);
    sem_post(&v->given_back);
}

static void visit_init(struct visit *v, const char *body)
{
    memset(v, 0, sizeof *v);
    arena_init(&v->call.arena, (size_t)1 << 30, NULL);
    v->call.body = body;
    v->call.body_length = strlen(body);
    memcpy(v->call.id, "generated", sizeof "generated");
    v->call.received_ns = v->call.complete_ns = clock_now_ns();
    v->call.done = visit_done;
    v->call.owner = v;
    sem_init(&v->given_back, 0, 0);
}

static void visit_submit(struct attention_service *s, struct visit *v)
{
    struct error e = {0};
    ck_assert_msg(attention_service_submit(s, &v->call, &e), "%s", e.message);
}

static void visit_wait_for_done(struct visit *v)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    while (sem_timedwait(&v->given_back, &until) != 0)
        ck_assert_int_eq(errno, EINTR);
}

/* Adds what was handed out; returns how long the answer now is. */
static size_t visit_collect(struct visit *v, size_t length)
{
    v->windows++;
    v->answer = realloc(v->answer, length + v->call.answer_bytes + 1);
    ck_assert_ptr_nonnull(v->answer);
    char *at = v->answer + length;
    for (size_t i = 0; i < v->call.piece_count; i++) {
        memcpy(at, v->call.pieces[i].iov_base, v->call.pieces[i].iov_len);
        at += v->call.pieces[i].iov_len;
    }
    length += v->call.answer_bytes;
    ck_assert_uint_eq((size_t)(at - v->answer), length);
    *at = '\0';
    return length;
}

/* Waits for the answer; v->answer is its text, or NULL when it was refused. */
static void visit_wait(struct visit *v)
{
    visit_wait_for_done(v);
    if (v->call.error.code == ERROR_NONE)
        ck_assert(!v->call.more);
    if (v->call.error.code == ERROR_NONE)
        visit_collect(v, 0);
}

/* The same for an answer that comes in windows. */
static void visit_wait_on(struct attention_service *s, struct visit *v)
{
    size_t length = 0;
    visit_wait_for_done(v);
    while (v->call.error.code == ERROR_NONE) {
        length = visit_collect(v, length);
        if (!v->call.more)
            return;
        attention_service_go_on(s, &v->call);
        visit_wait_for_done(v);
    }
}

static void visit_free(struct visit *v)
{
    free(v->answer);
    arena_free(&v->call.arena);
    sem_destroy(&v->given_back);
}

static void visit(struct attention_service *s, struct visit *v, const char *body)
{
    visit_init(v, body);
    visit_submit(s, v);
    visit_wait(v);
}

static void end(struct attention_service *s)
{
    attention_service_close(s);
    ck_assert(attention_service_drain(s, clock_now_ns() + 60 * NS_PER_S));
    attention_service_delete(s);
}

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

/* {"sequences": [B][T][width] of random numbers, `more`}, on the heap. */
static char *random_body(unsigned long long seed, size_t B, size_t T, size_t width,
                         const char *more)
{
    struct test_random random = {seed};
    struct buffer text;
    size_t length;
    buffer_init(&text, 64 << 20);
    for (size_t i = 0; i < B * T * width; i++) {
        const char *opens = i == 0                 ? "{\"sequences\":[[["
                            : i % (T * width) == 0 ? "]],[["
                            : i % width == 0       ? "],["
                                                   : ",";
        buffer_text(&text, opens);
        buffer_printf(&text, "%.6g", (double)test_random_float(&random));
    }
    buffer_printf(&text, "]]]%s}", more);
    char *body = buffer_take(&text, &length);
    ck_assert_ptr_nonnull(body);
    return body;
}

/* What must not change from one time to the next: all but the timing. */
static char *lasting_part(const struct visit *v)
{
    ck_assert_msg(v->answer != NULL, "%s", v->call.error.message);
    char *timing = strstr(v->answer, "\"timing\"");
    ck_assert_ptr_nonnull(timing);
    *timing = '\0';
    return v->answer;
}

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

START_TEST(the_id_is_the_headers_else_the_bodys_else_the_generated_one)
{
    static const struct {
        const char *body;
        bool header;
        const char *id;
    } cases[] = {
        {"{\"sequences\":[[1]],\"id\":\"mine\"}", false, "mine"},
        {"{\"sequences\":[[1]],\"id\":\"mine\"}", true, "generated"},
        {"{\"sequences\":[[1]]}", false, "generated"},
        {"{\"id\":\"mine\",\"sequences\":[[1],[]]}", false, "mine"},
    };
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct visit v;
        char member[64];
        visit_init(&v, cases[i].body);
        v.call.id_given = cases[i].header;
        visit_submit(s, &v);
        visit_wait(&v);
        ck_assert_str_eq(v.call.id, cases[i].id);
        snprintf(member, sizeof member, "\"%s\"", cases[i].id);
        ck_assert(!v.answer || strstr(v.answer, member));
        visit_free(&v);
    }
    end(s);
}
END_TEST

START_TEST(a_deadline_says_which_limit_it_was)
{
    static const struct {
        const char *body;
        int64_t timeout_ns;
        const char *message;
    } cases[] = {
        {"{\"sequences\":[[1]]}", 1, "not finished within 1e-06 ms (timeout)"},
        {"{\"sequences\":[[1]],\"timeout_ms\":0.001}", NS_PER_S,
         "not finished within 0.001 ms (timeout_ms)"},
        {"{\"sequences\":[[1]],\"timeout_ms\":1e9}", NS_PER_S, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct attention_service_options o = defaults(1);
        o.timeout_ns = cases[i].timeout_ns;
        struct attention_service *s = service(&o);
        struct visit v;
        visit(s, &v, cases[i].body);
        ck_assert_int_eq(v.call.error.code,
                         cases[i].message ? ERROR_DEADLINE : ERROR_NONE);
        if (cases[i].message)
            ck_assert_str_eq(v.call.error.message, cases[i].message);
        visit_free(&v);
        end(s);
    }
}
END_TEST

/* One worker, kept in the done() of a first call. */
static struct attention_service *held_service(struct attention_service_options *o,
                                              struct visit *holder, sem_t *hold)
{
    o->workers = 1;
    struct attention_service *s = service(o);
    sem_init(hold, 0, 0);
    visit_init(holder, worked_example);
    holder->hold = hold;
    visit_submit(s, holder);
    int64_t until = clock_now_ns() + 60 * NS_PER_S;
    while (!holder->holding && clock_now_ns() < until)
        sched_yield();
    return s;
}

static void release(struct visit *holder, sem_t *hold)
{
    sem_post(hold);
    visit_wait(holder);
    visit_free(holder);
    sem_destroy(hold);
}

START_TEST(a_client_that_left_is_not_computed_for)
{
    struct attention_service_options o = defaults(1);
    struct visit holder, v;
    sem_t hold;
    struct attention_service *s = held_service(&o, &holder, &hold);
    visit_init(&v, worked_example);
    visit_submit(s, &v);
    v.call.cancelled = true;
    release(&holder, &hold);
    visit_wait(&v);
    ck_assert_int_eq(v.call.error.code, ERROR_CANCELLED);
    ck_assert_double_ge(v.call.queue_ms, 0);
    ck_assert_double_eq(v.call.parse_ms, -1);
    visit_free(&v);
    end(s);
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

/* On this thread when it is small, else by the pool. */
static bool visit_here(struct attention_service *s, struct visit *v, const char *body)
{
    visit_init(v, body);
    bool here = attention_service_answer_small(s, &v->call);
    if (here)
        visit_done(&v->call);
    else
        visit_submit(s, v);
    visit_wait(v);
    return here;
}

START_TEST(what_is_small_is_answered_on_the_callers_thread_with_the_same_bytes)
{
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    struct visit here, pooled;
    ck_assert(visit_here(s, &here, worked_example));
    visit(s, &pooled, worked_example);
    ck_assert_str_eq(lasting_part(&here), lasting_part(&pooled));
    ck_assert_double_ge(here.call.serialize_ms, 0);
    ck_assert_uint_eq(here.call.tokens, 3);
    visit_free(&here);
    visit_free(&pooled);

    ck_assert(visit_here(s, &here, "{\"heads\":0}"));
    ck_assert_str_eq(here.call.error.path, "/heads");
    visit_free(&here);
    ck_assert(visit_here(s, &here, "{\"sequences\":[[1]],\"timeout_ms\":1e-6}"));
    ck_assert_int_eq(here.call.error.code, ERROR_DEADLINE);
    visit_free(&here);
    end(s);
}
END_TEST

START_TEST(sixteen_tokens_are_answered_on_the_callers_thread_and_long_bodies_are_not)
{
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    struct visit here, pooled;
    char *body = random_body(5, 1, 16, 16, ""), padded[8193 + 1];
    ck_assert(visit_here(s, &here, body));
    ck_assert_msg(here.answer != NULL, "%s", here.call.error.message);
    for (size_t length = 8192; length <= 8193; length++) {
        snprintf(padded, sizeof padded, "%-*s", (int)length, body);
        ck_assert_int_eq(visit_here(s, &pooled, padded), length <= 8192);
        visit_free(&pooled);
    }
    visit_free(&here);
    free(body);
    end(s);
}
END_TEST

/* 200 tokens of one number: a short body, and 40,000 cells of a map. */
START_TEST(a_short_body_with_much_to_do_goes_to_the_pool_with_its_plan)
{
    char body[1024] = "{\"sequences\":[[1]";
    for (int i = 1; i < 200; i++)
        strcat(body, ",[1]");
    strcat(body, "]}");
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    struct visit handed, pooled;
    ck_assert(!visit_here(s, &handed, body));
    visit(s, &pooled, body);
    ck_assert_str_eq(lasting_part(&handed), lasting_part(&pooled));
    ck_assert_double_gt(handed.call.parse_ms, 0);
    ck_assert_double_ge(handed.call.queue_ms, 0);
    visit_free(&handed);
    visit_free(&pooled);
    end(s);
}
END_TEST

/* Few cells, but all of them are asked for. */
START_TEST(a_short_body_with_a_long_answer_goes_to_the_pool_with_its_plan)
{
    char tokens[512] = "[[1]", body[2048];
    for (int i = 1; i < 60; i++)
        strcat(tokens, ",[1]");
    snprintf(body, sizeof body, "{\"query\":%s],\"key\":%s],\"value\":%s]}", tokens,
             tokens, tokens);
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    struct visit handed, pooled;
    ck_assert(!visit_here(s, &handed, body));
    visit(s, &pooled, body);
    ck_assert_str_eq(lasting_part(&handed), lasting_part(&pooled));
    ck_assert_double_ge(handed.call.queue_ms, 0);
    visit_free(&handed);
    visit_free(&pooled);
    end(s);
}
END_TEST

/* Its map alone takes more than WHOLE_ANSWER. */
enum { MANY_TOKENS = 800 };

static char *large_body(void)
{
    return random_body(5, 1, MANY_TOKENS, 4, ",\"id\":\"large\"");
}

START_TEST(a_large_answer_comes_in_windows_with_the_same_bytes_for_any_workers)
{
    char *body = large_body(), *first = NULL;
    for (size_t workers = 1; workers < 4; workers++) {
        struct attention_service_options o = defaults(workers);
        struct attention_service *s = service(&o);
        struct visit v;
        visit_init(&v, body);
        visit_submit(s, &v);
        visit_wait_on(s, &v);
        ck_assert_msg(v.answer != NULL, "%s", v.call.error.message);
        ck_assert_uint_gt(v.windows, 5);
        ck_assert_double_gt(v.call.serialize_ms, 0);

        json_t *answer = json_loads(v.answer, 0, NULL);
        ck_assert_ptr_nonnull(answer);
        const json_t *maps = json_object_get(answer, "attention_maps"); /* [B][H] */
        const json_t *map = json_array_get(json_array_get(maps, 0), 0);
        ck_assert_uint_eq(json_array_size(map), MANY_TOKENS);
        ck_assert_uint_eq(json_array_size(json_array_get(map, MANY_TOKENS - 1)),
                          MANY_TOKENS);
        json_decref(answer);

        lasting_part(&v);
        if (!first)
            first = strdup(v.answer);
        ck_assert_str_eq(v.answer, first);
        visit_free(&v);
        end(s);
    }
    free(first);
    free(body);
}
END_TEST

START_TEST(the_room_for_an_answer_does_not_grow_with_it)
{
    struct attention_service_options o = defaults(2);
    struct attention_service *s = service(&o);
    char *body = large_body();
    struct visit v;
    visit_init(&v, body);
    visit_submit(s, &v);
    visit_wait_on(s, &v);
    const size_t map = (size_t)MANY_TOKENS * MANY_TOKENS * sizeof(float);
    ck_assert_uint_gt(v.call.answer_bound, WHOLE_ANSWER);
    ck_assert_uint_lt(v.call.arena.used, map + 3 * ANSWER_WINDOW);
    visit_free(&v);
    free(body);
    end(s);
}
END_TEST

START_TEST(a_piece_longer_than_a_window_is_one)
{
    struct attention_service_options o = defaults(1);
    o.limits.max_tokens = 200000; /* one row of a map is a piece of 3 MB */
    struct attention_service *s = service(&o);
    enum { KEYS = 150000, ROWS = 5 };
    char *body = malloc(12 * KEYS), *at = body;
    ck_assert_ptr_nonnull(body);
    at += sprintf(at, "{\"query\":[[1],[1],[1],[1],[1]],\"key\":[[1]");
    for (size_t i = 1; i < KEYS; i++)
        at += sprintf(at, ",[1]");
    at += sprintf(at, "],\"value\":{\"dtype\":\"f32\",\"shape\":[%d,1],\"data\":\"",
                  KEYS);
    memset(at, 'A', (size_t)KEYS * 4 * 4 / 3); /* zeros */
    at += (size_t)KEYS * 4 * 4 / 3;
    sprintf(at, "\"}}");
    struct visit v;
    visit_init(&v, body);
    visit_submit(s, &v);
    visit_wait_on(s, &v);
    ck_assert_msg(v.answer != NULL, "%s", v.call.error.message);
    ck_assert_uint_ge(v.windows, ROWS);
    const size_t row = (size_t)KEYS * 16;
    ck_assert_uint_lt(v.call.arena.used, 2 * row + (size_t)KEYS * 104);
    visit_free(&v);
    free(body);
    end(s);
}
END_TEST

START_TEST(a_client_that_leaves_between_windows_is_not_written_for)
{
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    char *body = large_body();
    struct visit v;
    visit_init(&v, body);
    visit_submit(s, &v);
    visit_wait_for_done(&v);
    ck_assert(v.call.more);
    v.call.cancelled = true;
    attention_service_go_on(s, &v.call);
    visit_wait_for_done(&v);
    ck_assert_int_eq(v.call.error.code, ERROR_CANCELLED);
    ck_assert(!v.call.more);
    visit_free(&v);
    free(body);
    end(s);
}
END_TEST

START_TEST(an_answer_that_has_begun_is_late_no_more_but_ends_with_the_service)
{
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    char *body = large_body();
    struct visit v;
    visit_init(&v, body);
    visit_submit(s, &v);
    visit_wait_for_done(&v);
    v.call.job.deadline_ns = clock_now_ns() - 1;
    attention_service_go_on(s, &v.call);
    visit_wait_for_done(&v);
    ck_assert_int_eq(v.call.error.code, ERROR_NONE);
    ck_assert(v.call.more);

    attention_service_close(s); /* what was begun goes on, until the drain is over */
    attention_service_go_on(s, &v.call);
    visit_wait_for_done(&v);
    ck_assert_int_eq(v.call.error.code, ERROR_NONE);
    ck_assert(attention_service_drain(s, clock_now_ns() + 60 * NS_PER_S));
    attention_service_delete(s);
    visit_free(&v);
    free(body);
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

START_TEST(the_log_can_name_a_call_at_any_stage)
{
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    struct visit v;
    visit_init(&v, "{\"sequences\": [[1]], \"id\": \"mine\"}");
    visit_submit(s, &v);
    visit_wait(&v);
    struct job_label label = v.call.job.label(&v.call.job);
    ck_assert_str_eq(label.id, "mine");
    ck_assert_str_eq(label.stage, "write");
    v.call.state->phase = CALL_COMPUTING;
    ck_assert_str_eq(v.call.job.label(&v.call.job).stage, "compute");
    v.call.state->phase = CALL_PARSING;
    label = v.call.job.label(&v.call.job);
    ck_assert_str_eq(label.id, "generated");
    ck_assert_str_eq(label.stage, "parse");
    visit_free(&v);
    end(s);
}
END_TEST

START_TEST(what_a_worker_hangs_in_is_not_freed)
{
    struct attention_service_options o = defaults(1);
    struct visit holder;
    sem_t hold;
    o.patience_ns = NS_PER_MS;
    o.task_timeout_ns = NS_PER_MS;
    struct attention_service *s = held_service(&o, &holder, &hold);
    ck_assert(!attention_service_idle(s));
    attention_service_close(s);
    ck_assert(!attention_service_drain(s, clock_now_ns()));
    ck_assert(!attention_service_idle(s));
    attention_service_delete(s);
    ck_assert_uint_eq(attention_service_stuck(s), 0); /* it is in no task, but there */

    release(&holder, &hold);
    (void)attention_service_drain(s, clock_now_ns() + 60 * NS_PER_S);
    ck_assert(attention_service_idle(s));
    attention_service_delete(s);
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

TEST_PROGRAM(
    "attention_service", the_worked_example_is_answered, a_picture_is_drawn_on_request,
    an_answer_over_its_limit_is_refused_in_either_form,
    an_answer_is_the_same_with_1_2_and_7_workers_alone_and_in_a_crowd,
    a_wrong_request_is_refused_and_the_next_one_answered,
    of_many_tasks_that_fail_the_first_is_told_of,
    the_id_is_the_headers_else_the_bodys_else_the_generated_one,
    a_deadline_says_which_limit_it_was, a_client_that_left_is_not_computed_for,
    a_full_queue_gives_the_call_back_at_once, what_a_drain_cannot_finish_is_told_so,
    a_drain_in_the_middle_gives_every_accepted_call_back_once,
    every_small_budget_is_refused_or_enough,
    what_is_small_is_answered_on_the_callers_thread_with_the_same_bytes,
    sixteen_tokens_are_answered_on_the_callers_thread_and_long_bodies_are_not,
    a_short_body_with_much_to_do_goes_to_the_pool_with_its_plan,
    a_short_body_with_a_long_answer_goes_to_the_pool_with_its_plan,
    a_large_answer_comes_in_windows_with_the_same_bytes_for_any_workers,
    the_room_for_an_answer_does_not_grow_with_it, a_piece_longer_than_a_window_is_one,
    a_client_that_leaves_between_windows_is_not_written_for,
    an_answer_that_has_begun_is_late_no_more_but_ends_with_the_service,
    what_was_computed_is_counted, the_log_can_name_a_call_at_any_stage,
    what_a_worker_hangs_in_is_not_freed, a_service_without_its_threads_does_not_start)
