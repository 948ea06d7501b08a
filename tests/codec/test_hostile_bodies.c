/* Bodies that were right and are so no longer: cut off, with a bit or a byte changed.
 * Each is refused with its place, or computed, and then answered in JSON. */
#include <stdio.h>

#include "codec/attention_response.h"
#include "codec/picture_text.h"
#include "core/blas.h"
#include "property/operator_json.h"
#include "property/operator_random.h"
#include "support/test.h"

enum { BODIES = 200, FLIPPED = 20, MOST_BYTES = 400 };

static const struct attention_limits limits = {.max_batch = 8,
                                               .max_tokens = 32,
                                               .max_width = 256,
                                               .max_heads = 16,
                                               .max_map_numbers = 20000,
                                               .answer_limit = 1 << 20};

/* What random requests do not have: text, methods, every way to write a tensor. */
static const char *const written[] = {
    "{\"id\":\"a.B_9:-\",\"labels\":[\"the\",\"c\\u0061t "
    "\\uD83D\\uDE00\",\"\xC3\xA9\"],"
    "\"timeout_ms\":12.5,\"sequences\":[[1,-2.5e-1],[0.75,3E2],[5,6]],\"causal\":true}",
    "{\"sequences\":{\"dtype\":\"f16\",\"shape\":[2,2],\"data\":\"ADwAvAA4AMA=\"},"
    "\"mask\":{\"shape\":[2],\"dtype\":\"bool\",\"data\":\"AQA=\"},\"precision\":3}",
    "{\"sequences\":[[1,2],[3,4]],\"method\":{\"name\":\"linformer\",\"rank\":2,"
    "\"seed\":7,\"compare\":true},\"return\":[\"lse\"]}",
    "{\"sequences\":[[1,2],[3,4]],\"method\":{\"name\":\"nystrom\",\"landmarks\":1}}",
    "{\"sequences\":[[1,2],[3,4]],\"method\":{\"name\":\"performer\",\"features\":8}}",
    "{\"sequences\":[[1,2],[3,4]],\"method\":{\"name\":\"linear\",\"rule\":\"gated\","
    "\"decay\":[[0.5],[0.25]],\"state\":[[[1,0],[0,1]]]},\"return\":[\"present\"]}",
    "{\"sequences\":[[1,2],[3,4]],\"method\":{\"name\":\"block_sparse\",\"block\":1,"
    "\"layout\":{\"row_starts\":[0,1,3],\"columns\":[0,0,1]}}}",
    "{\"sequences\":[[1,2],[3,4]],\"method\":{\"name\":\"longformer\",\"window\":1,"
    "\"global\":[1]},\"maps\":\"mean\"}",
    "{\"sequences\":[[1,2],[3,4]],\"method\":{\"name\":\"bigbird\",\"block\":1,"
    "\"global\":1,\"random\":1,\"seed\":3},\"maps\":\"top_k\",\"top_k\":2}",
    "{\"query\":[[[[1,2]]]],\"key\":[[[[1,2],[3,4]]]],\"value\":[[[[1],[2]]]],"
    "\"mask\":[[0,\"-Infinity\"]],\"rope\":{\"base\":5e3,\"positions\":[[1]]}}",
};
enum { WRITTEN = sizeof written / sizeof *written };

static char *random_body(struct test_random *r)
{
    struct arena arena;
    arena_init(&arena, (size_t)1 << 24, NULL);
    const struct attention_input in = random_operator(r, 2, 3, &arena);
    const struct operator_form form = {(unsigned)test_random_size(r, 0, 2) * 50,
                                       test_random_size(r, 0, 1),
                                       (unsigned)test_random_size(r, 0, 6)};
    char *body = operator_json_write(&in, &form, r);
    arena_free(&arena);
    return body;
}

/* Small enough for all that is done with each. Owned by the caller. */
static char *body_of(size_t n)
{
    if (n < WRITTEN)
        return strdup(written[n]);
    struct test_random r = {n * 0x9E3779B97F4A7C15};
    for (;;) {
        char *body = random_body(&r);
        if (strlen(body) <= MOST_BYTES)
            return body;
        free(body);
    }
}

/* Writes the answer, piece by piece, and reads it. */
static bool answer(const struct attention_request *request,
                   const struct multi_head_result *result, struct arena *arena,
                   struct error *e)
{
    static const struct attention_timing timing = {1, 2, 3, 4};
    const struct json_text id = {"1", 1};
    struct attention_response *r =
        attention_response_plan(request, result, id, &limits, arena, e);
    if (!r)
        return false;

    char *text = arena_alloc(arena, attention_response_most(r), 1, e);
    size_t length = 0, pieces = attention_response_pieces(r);
    if (!text)
        return false;
    for (size_t i = 0; i + 1 < pieces; i++)
        length += attention_response_write(r, i, text + length);
    length += attention_response_finish(r, &timing, text + length);
    ck_assert_msg(json_check(text, length, arena, e), "%.*s", (int)length, text);
    return true;
}

static bool serve(const char *body, size_t length, struct arena *arena, struct error *e)
{
    struct attention_request request;
    if (!attention_request_decode(body, length, &limits, arena, &request, e))
        return false;
    struct multi_head *m = multi_head_plan(&request.input, &limits, arena, e);
    if (!m || !multi_head_run_all(m, arena, e) ||
        !answer(&request, multi_head_result(m), arena, e))
        return false;

    struct buffer picture;
    buffer_init(&picture, PICTURE_TEXT_BYTES + 1);
    picture_text_draw(&request, multi_head_result(m), &picture);
    ck_assert(!picture.failed);
    buffer_free(&picture);
    return true;
}

static void check_place(const struct error *e, const char *body, size_t length)
{
    size_t line = 0, column = 0, byte = SIZE_MAX;
    if (e->code == ERROR_INVALID_JSON) {
        bool placed = sscanf(e->message, "line %zu, column %zu (byte %zu): ", &line,
                             &column, &byte) == 3 &&
                      line > 0 && column > 0 && byte <= length;
        ck_assert_msg(placed, "%.300s: %s", body, e->message);
    } else if (e->code != ERROR_NONE) {
        ck_assert_msg(e->code == ERROR_INVALID_INPUT || e->code == ERROR_TOO_LARGE,
                      "%.300s: %s: %s", body, error_slug(e->code), e->message);
        ck_assert_msg(e->path[0] == '/' || e->path[0] == '\0', "%s", e->path);
        ck_assert_uint_gt(strlen(e->message), 5);
    }
}

/* In a copy of its own length, so that what is read behind its end is seen. */
static enum error_code serve_copy(const char *body, size_t length)
{
    char *copy = malloc(length ? length : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, body, length);
    struct arena arena;
    struct error e = {0};
    arena_init(&arena, (size_t)16 << 20, NULL);
    ck_assert_int_eq(serve(copy, length, &arena, &e), e.code == ERROR_NONE);
    check_place(&e, body, length);
    arena_free(&arena);
    free(copy);
    return e.code;
}

/* Threat 52. */
START_TEST(every_truncation_of_200_bodies_is_no_json_and_says_where)
{
    size_t cuts = 0;
    for (size_t n = 0; n < BODIES; n++) {
        char *body = body_of(n);
        const size_t whole = strlen(body);
        ck_assert_msg(serve_copy(body, whole) == ERROR_NONE, "%.300s", body);
        for (size_t length = 1; length < whole; length++, cuts++)
            ck_assert_int_eq(serve_copy(body, length), ERROR_INVALID_JSON);
        free(body);
    }
    ck_assert_uint_gt(cuts, 30000);
}
END_TEST

/* Threats 53, 54, 56, 57, 64. */
START_TEST(every_flipped_bit_of_20_bodies_is_refused_or_computed)
{
    size_t flips = 0, computed = 0;
    for (size_t n = 0; n < FLIPPED; n++) {
        char *body = body_of(n);
        const size_t length = strlen(body);
        for (size_t i = 0; i < length; i++)
            for (unsigned bit = 0; bit < 8; bit++, flips++) {
                body[i] = (char)((unsigned char)body[i] ^ 1U << bit);
                computed += serve_copy(body, length) == ERROR_NONE;
                body[i] = (char)((unsigned char)body[i] ^ 1U << bit);
            }
        free(body);
    }
    ck_assert_uint_gt(flips, 20000);
    ck_assert_uint_gt(computed, flips / 50);
    ck_assert_uint_lt(computed, flips / 2);
}
END_TEST

/* Threats 53, 54, 57: in front of, in place of and behind every byte. */
START_TEST(bytes_that_mean_something_are_refused_or_computed_wherever_they_stand)
{
    static const char bytes[] = "\0\"\\[]{},:-.e09 \x80\xFF";
    for (size_t n = 0; n < WRITTEN; n++) {
        const size_t length = strlen(written[n]);
        char *body = malloc(length + 1);
        ck_assert_ptr_nonnull(body);
        for (size_t i = 0; i <= length; i++)
            for (size_t b = 0; b + 1 < sizeof bytes; b++) {
                memcpy(body, written[n], i);
                body[i] = bytes[b];
                memcpy(body + i + 1, written[n] + i, length - i);
                enum error_code code = serve_copy(body, length + 1);
                ck_assert(bytes[b] || code == ERROR_INVALID_JSON);
            }
        free(body);
    }
}
END_TEST

/* Threat 88. Every allocation fails once: the memory is what it says that it needs, so
 * that it comes as far as the next one. */
START_TEST(every_allocation_that_is_refused_says_so_and_what_it_needs)
{
    size_t refused = 0;
    for (size_t n = 0; n < FLIPPED; n++) {
        char *body = body_of(n);
        bool good = false;
        for (size_t room = 0, more = 1; !good && more > 0; room += more, refused++) {
            struct arena arena;
            struct error e = {0};
            size_t count = 0, size = 0, used = 0;
            arena_init(&arena, room, NULL);
            good = serve(body, strlen(body), &arena, &e);
            ck_assert_int_eq(e.code, good ? ERROR_NONE : ERROR_OUT_OF_MEMORY);
            ck_assert(good || sscanf(e.message, "needs %zu x %zu bytes beside %zu,",
                                     &count, &size, &used) == 3);
            more = used + count * size - room;
            ck_assert_msg(good || used + count * size > room, "%s", e.message);
            arena_free(&arena);
        }
        ck_assert(good);
        free(body);
    }
    ck_assert_uint_gt(refused, 20 * FLIPPED);
}
END_TEST

TEST_PROGRAM("hostile_bodies", every_truncation_of_200_bodies_is_no_json_and_says_where,
             every_flipped_bit_of_20_bodies_is_refused_or_computed,
             bytes_that_mean_something_are_refused_or_computed_wherever_they_stand,
             every_allocation_that_is_refused_says_so_and_what_it_needs)
