#include <jansson.h>
#include <stdio.h>

#include "service/answer_windows.h"
#include "service/attention_visit.h"

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

/* Of a large answer, of which there is more. Returns the body, to be freed after the
 * visit. */
static char *write_first_window(struct attention_service *s, struct visit *v)
{
    char *body = large_body();
    visit_init(v, body);
    visit_submit(s, v);
    visit_wait_for_done(v);
    ck_assert(v->call.more);
    return body;
}

START_TEST(a_client_that_leaves_between_windows_is_not_written_for)
{
    struct attention_service_options o = defaults(1);
    struct attention_service *s = service(&o);
    struct visit v;
    char *body = write_first_window(s, &v);
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
    struct visit v;
    char *body = write_first_window(s, &v);
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

TEST_PROGRAM("answer_windows",
             a_large_answer_comes_in_windows_with_the_same_bytes_for_any_workers,
             the_room_for_an_answer_does_not_grow_with_it,
             a_piece_longer_than_a_window_is_one,
             a_client_that_leaves_between_windows_is_not_written_for,
             an_answer_that_has_begun_is_late_no_more_but_ends_with_the_service)
