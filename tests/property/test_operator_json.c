/* Requests that mix all options as the JSON texts of clients: decoded, computed and
 * answered as JSON again. What the answer's text says is what float64 gives, and to
 * the bit what was computed. */
#include <float.h>
#include <stdio.h>

#include "codec/attention_response.h"
#include "core/blas.h"
#include "property/operator_check.h"
#include "property/operator_json.h"
#include "property/operator_random.h"
#include "property/settings.h"

/* Everything about one request on its way there and back. */
struct trip {
    const struct attention_input *asked;
    struct operator_form form;
    char what[64];
    struct arena arena;
};

static void *room(struct trip *t, size_t bytes)
{
    struct error e = {0};
    void *p = arena_alloc(&t->arena, bytes, 1, &e);
    ck_assert(p != NULL);
    return p;
}

/* All pieces, one after another. */
static char *answer(struct trip *t, const struct attention_response *response,
                    size_t *length)
{
    static const struct attention_timing timing = {1, 2, 3, 4};
    size_t pieces = attention_response_pieces(response), bound = 0;
    for (size_t n = 0; n < pieces; n++)
        bound += attention_response_bound(response, n);
    char *text = room(t, bound);
    *length = 0;
    for (size_t n = 0; n < pieces; n++) {
        size_t wrote =
            n + 1 < pieces
                ? attention_response_write(response, n, text + *length)
                : attention_response_finish(response, &timing, text + *length);
        ck_assert_uint_le(wrote, attention_response_bound(response, n));
        *length += wrote;
    }
    return text;
}

/* What the text may say of x: x itself, or x with so many digits. */
static float as_written(const struct trip *t, float x)
{
    char text[32];
    if (t->form.packed_answer || t->form.precision == 0 || isinf(x))
        return x;
    snprintf(text, sizeof text, "%.*g", (int)t->form.precision, (double)x);
    return strtof(text, NULL);
}

static void check_bits(const struct trip *t, const char *name, const float *read,
                       const float *computed, size_t count)
{
    ck_assert_msg((read != NULL) == (computed != NULL), "%s: %s", t->what, name);
    for (size_t i = 0; read && i < count; i++) {
        float want = as_written(t, computed[i]);
        ck_assert_msg(memcmp(&read[i], &want, sizeof want) == 0,
                      "%s: %s %zu was written as %.9g, is %.9g", t->what, name, i,
                      (double)read[i], (double)want);
    }
}

static void check_sequence(const struct trip *t, const struct multi_head_result *m,
                           const struct sequence_result *read,
                           const struct sequence_result *s)
{
    size_t past =
        m->G * (t->asked->past.given
                    ? s->S - t->asked->past.key.extent[t->asked->past.key.rank - 2]
                    : s->S);
    size_t cells = (m->mean_map ? 1 : m->map_heads) * s->T;
    check_bits(t, "output", read->output, s->output,
               (m->split_heads ? m->H : 1) * s->T * m->width);
    check_bits(t, "maps", read->maps, s->maps, cells * s->map_columns);
    check_bits(t, "top values", read->top_values, s->top_values, cells * m->top);
    for (size_t n = 0; s->top_indices && n < cells * m->top; n++)
        ck_assert_int_eq(read->top_indices[n], s->top_indices[n]);
    check_bits(t, "query", read->query, s->query, m->H * s->T * m->dk);
    check_bits(t, "key", read->key, s->key, past * m->dk);
    check_bits(t, "value", read->value, s->value, past * m->dv);
    check_bits(t, "lse", read->lse, s->lse, m->H * s->T);
    check_bits(t, "present key", read->present_key, s->present_key,
               m->G * s->S * m->dk);
    check_bits(t, "present value", read->present_value, s->present_value,
               m->G * s->S * m->dv);
    check_bits(t, "entropy", read->entropy, s->entropy, m->H * s->T * 2);
    check_bits(t, "received", read->received, s->received, m->H * s->S);
}

/* What came back, which is in t->arena. */
static struct multi_head_result travel(struct trip *t, const char *body)
{
    struct error e = {0};
    struct attention_request request;
    bool decoded = attention_request_decode(body, strlen(body), &property_limits,
                                            &t->arena, &request, &e);
    ck_assert_msg(decoded, "%s: decode: %s: %s", t->what, e.path, e.message);
    struct multi_head *m =
        multi_head_plan(&request.input, &property_limits, &t->arena, &e);
    ck_assert_msg(m != NULL, "%s: plan: %s: %s", t->what, e.path, e.message);
    const struct multi_head_result *got = multi_head_result(m);
    struct attention_response *response = attention_response_plan(
        &request, got, (struct json_text){"1", 1}, &property_limits, &t->arena, &e);
    ck_assert_msg(response && multi_head_run_all(m, &t->arena, &e), "%s: %s: %s",
                  t->what, e.path, e.message);

    size_t length, past = t->asked->past.key.rank;
    char *text = answer(t, response, &length);
    past = past ? t->asked->past.key.extent[past - 2] : 0;
    struct multi_head_result read =
        operator_json_read(text, length, got, past, t->what, &t->arena);
    /* Rounded numbers may be equal that were not, and are then in no order. */
    operator_check(t->asked, float64_operator(t->asked, &t->arena),
                   t->form.precision ? got : &read, t->what);
    for (size_t b = 0; b < got->B; b++)
        check_sequence(t, got, &read.sequence[b], &got->sequence[b]);
    return read;
}

START_TEST(a_request_says_the_same_as_json_and_so_does_its_answer)
{
    static const unsigned packed_percent[] = {0, 0, 50, 100};
    struct error e = {0};
    ck_assert(blas_init(&e));
    size_t seed = property_setting("ATTENTIOND_PROPERTY_SEED", 23);
    size_t cases = property_setting("ATTENTIOND_PROPERTY_CASES", 3000) / 6;
    for (size_t n = 0; n < cases; n++) {
        struct test_random r = property_random(seed, n);
        struct trip t = {.form = {packed_percent[n % 4], n % 3 == 0,
                                  n % 5 ? 0 : 6 + (unsigned)(n % 4)}};
        arena_init(&t.arena, (size_t)1 << 28, NULL);
        snprintf(t.what, sizeof t.what, "seed %zu, case %zu", seed, n);
        struct attention_input in = random_operator(&r, 4, n % 20 ? 9 : 40, &t.arena);
        t.asked = &in;
        char *body = operator_json_write(&in, &t.form, &r);
        travel(&t, body);
        free(body);
        arena_free(&t.arena);
    }
}
END_TEST

START_TEST(minus_zero_and_the_smallest_numbers_come_back)
{
    static const float numbers[] = {-0.0f,   0x1p-149f, -0x1p-149f, 0x1.fffffcp-127f,
                                    FLT_MIN, -FLT_MIN,  0.0f,       1e30f};
    const struct tensor rows = {numbers, 2, {1, 8}};
    /* The scale keeps the score of 1e30 with itself within float32. */
    const struct attention_input in = {.sequences = {1, true, &rows},
                                       .scale_given = true,
                                       .scale = 1e-30f,
                                       .want_projections = true,
                                       .want_present = true};
    struct error e = {0};
    ck_assert(blas_init(&e));
    for (unsigned n = 0; n < 4; n++) {
        struct test_random r = {1};
        struct trip t = {&in, {n % 2 ? 100 : 0, n / 2, 0}, "smallest", {0}};
        arena_init(&t.arena, (size_t)1 << 24, NULL);
        char *body = operator_json_write(&in, &t.form, &r);
        struct multi_head_result read = travel(&t, body);
        ck_assert_mem_eq(read.sequence->query, numbers, sizeof numbers);
        ck_assert_mem_eq(read.sequence->key, numbers, sizeof numbers);
        ck_assert_mem_eq(read.sequence->present_value, numbers, sizeof numbers);
        free(body);
        arena_free(&t.arena);
    }
}
END_TEST

TEST_PROGRAM("operator_json", a_request_says_the_same_as_json_and_so_does_its_answer,
             minus_zero_and_the_smallest_numbers_come_back)
