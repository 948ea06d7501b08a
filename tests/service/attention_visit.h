/* attention_visit.h - a service, and calls of it as a visitor makes them. */
#ifndef TESTS_SERVICE_ATTENTION_VISIT_H
#define TESTS_SERVICE_ATTENTION_VISIT_H

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>

#include "service/attention_call.h"
#include "service/clock.h"
#include "support/test.h"

static const char worked_example[] =
    "{\"sequences\":[[1,0,0],[0,1,0],[0,0,1]],\"weights\":{"
    "\"wq\":[[1,1],[1,0],[0,1]],\"wk\":[[1,0],[0,1],[1,1]],\"wv\":[[1,1],[0,1],[1,0]]}"
    "}";

static inline struct attention_service_options defaults(size_t workers)
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

static inline struct attention_service *service(
    const struct attention_service_options *o)
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

static inline void visit_done(struct attention_call *call)
{
    struct visit *v = call->owner;
    v->holding = true;
    if (v->hold)
        sem_wait(v->hold);
    sem_post(&v->given_back);
}

static inline void visit_init(struct visit *v, const char *body)
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

static inline void visit_submit(struct attention_service *s, struct visit *v)
{
    struct error e = {0};
    ck_assert_msg(attention_service_submit(s, &v->call, &e), "%s", e.message);
}

static inline void visit_wait_for_done(struct visit *v)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    while (sem_timedwait(&v->given_back, &until) != 0)
        ck_assert_int_eq(errno, EINTR);
}

/* Adds what was handed out; returns how long the answer now is. */
static inline size_t visit_collect(struct visit *v, size_t length)
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
static inline void visit_wait(struct visit *v)
{
    visit_wait_for_done(v);
    if (v->call.error.code == ERROR_NONE)
        ck_assert(!v->call.more);
    if (v->call.error.code == ERROR_NONE)
        visit_collect(v, 0);
}

/* The same for an answer that comes in windows. */
static inline void visit_wait_on(struct attention_service *s, struct visit *v)
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

static inline void visit_free(struct visit *v)
{
    free(v->answer);
    arena_free(&v->call.arena);
    sem_destroy(&v->given_back);
}

static inline void visit(struct attention_service *s, struct visit *v, const char *body)
{
    visit_init(v, body);
    visit_submit(s, v);
    visit_wait(v);
}

static inline void end(struct attention_service *s)
{
    attention_service_close(s);
    ck_assert(attention_service_drain(s, clock_now_ns() + 60 * NS_PER_S));
    attention_service_delete(s);
}

/* {"sequences": [B][T][width] of random numbers, `more`}, on the heap. */
static inline char *random_body(unsigned long long seed, size_t B, size_t T,
                                size_t width, const char *more)
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
static inline char *lasting_part(const struct visit *v)
{
    ck_assert_msg(v->answer != NULL, "%s", v->call.error.message);
    char *timing = strstr(v->answer, "\"timing\"");
    ck_assert_ptr_nonnull(timing);
    *timing = '\0';
    return v->answer;
}

/* One worker, kept in the done() of a first call. */
static inline struct attention_service *held_service(
    struct attention_service_options *o, struct visit *holder, sem_t *hold)
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

static inline void release(struct visit *holder, sem_t *hold)
{
    sem_post(hold);
    visit_wait(holder);
    visit_free(holder);
    sem_destroy(hold);
}

#endif
