#include <stdio.h>

#include "service/attention_visit.h"

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

TEST_PROGRAM("attention_call",
             the_id_is_the_headers_else_the_bodys_else_the_generated_one,
             a_deadline_says_which_limit_it_was, a_client_that_left_is_not_computed_for,
             what_is_small_is_answered_on_the_callers_thread_with_the_same_bytes,
             sixteen_tokens_are_answered_on_the_callers_thread_and_long_bodies_are_not,
             a_short_body_with_much_to_do_goes_to_the_pool_with_its_plan,
             a_short_body_with_a_long_answer_goes_to_the_pool_with_its_plan,
             the_log_can_name_a_call_at_any_stage, what_a_worker_hangs_in_is_not_freed)
