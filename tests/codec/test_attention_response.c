#include "codec/attention_response.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "codec/base64.h"
#include "support/test.h"

enum { MOST_SEQUENCES = 4 };

static const struct attention_limits no_limits = {.answer_limit = SIZE_MAX};
static const struct attention_timing timing = {0.0123, 0, 1.5, 1234.5678};
static const struct json_text id = {"r1", 2};

/* What is answered, and for sequences of which lengths. */
struct form {
    bool single, split_heads, mean_map, maps, projections, lse;
    size_t B, T[MOST_SEQUENCES], S[MOST_SEQUENCES];
    size_t H, G, dk, dv, width, map_heads;
    unsigned precision;
};

static const struct form forms[] = {
    {.single = true, .B = 1, .T = {1}, .S = {1}, .H = 1, .G = 1, .width = 1},
    {.single = true,
     .maps = true,
     .B = 1,
     .T = {3},
     .S = {3},
     .H = 1,
     .G = 1,
     .width = 2,
     .map_heads = 1},
    {.maps = true,
     .projections = true,
     .lse = true,
     .B = 3,
     .T = {3, 1, 7},
     .S = {3, 1, 7},
     .H = 4,
     .G = 2,
     .dk = 3,
     .dv = 5,
     .width = 20,
     .map_heads = 2},
    {.maps = true,
     .projections = true,
     .lse = true,
     .B = 2,
     .T = {5, 5},
     .S = {2, 3},
     .H = 2,
     .G = 1,
     .dk = 1,
     .dv = 2,
     .width = 3,
     .map_heads = 2},
    {.split_heads = true,
     .maps = true,
     .projections = true,
     .B = 2,
     .T = {4, 4},
     .S = {6, 6},
     .H = 3,
     .G = 3,
     .dk = 2,
     .dv = 1,
     .width = 3,
     .map_heads = 3},
    {.mean_map = true,
     .maps = true,
     .lse = true,
     .B = 4,
     .T = {2, 2, 2, 2},
     .S = {2, 2, 2, 2},
     .H = 2,
     .G = 2,
     .width = 1,
     .precision = 4},
    {.single = true,
     .mean_map = true,
     .maps = true,
     .projections = true,
     .lse = true,
     .B = 1,
     .T = {200},
     .S = {110},
     .H = 3,
     .G = 1,
     .dk = 9,
     .dv = 7,
     .width = 130},
    {.maps = true,
     .lse = true,
     .B = 2,
     .T = {13, 7},
     .S = {250, 331},
     .H = 3,
     .G = 3,
     .dk = 1,
     .dv = 1,
     .width = 9001, /* a row longer than a piece */
     .map_heads = 3,
     .precision = 2},
    {.B = 2, .T = {29, 29}, .S = {1, 1}, .H = 1, .G = 1, .width = 2503},
};
enum { FORMS = sizeof forms / sizeof *forms };

struct fixture {
    struct arena arena;
    struct test_random random;
    struct sequence_result sequence[MOST_SEQUENCES];
    struct multi_head_result result;
    struct attention_request request;
};

/* Every kind of finite float32: all bit patterns but NaN and infinity. */
static float any_float(struct test_random *r)
{
    float value = 0;
    do {
        uint32_t bits = (uint32_t)(test_random_next(r) >> 32);
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static float *numbers(struct fixture *f, size_t count)
{
    struct error e = {0};
    float *x = arena_alloc(&f->arena, count, sizeof *x, &e);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < count; i++)
        x[i] = any_float(&f->random);
    return x;
}

static void set_up(struct fixture *f, const struct form *form,
                   enum tensor_format tensor_format)
{
    *f = (struct fixture){.random = {4711}};
    arena_init(&f->arena, SIZE_MAX, NULL);
    for (size_t b = 0; b < form->B; b++) {
        size_t T = form->T[b], S = form->S[b];
        struct sequence_result *s = &f->sequence[b];
        *s = (struct sequence_result){.T = T, .S = S, .map_columns = S};
        s->output =
            numbers(f, T * (form->split_heads ? form->H * form->dv : form->width));
        if (form->maps)
            s->maps = numbers(f, (form->mean_map ? 1 : form->map_heads) * T * S);
        if (form->projections) {
            s->query = numbers(f, form->H * T * form->dk);
            s->key = numbers(f, form->G * S * form->dk);
            s->value = numbers(f, form->G * S * form->dv);
        }
        if (form->lse) {
            float *lse = numbers(f, form->H * T);
            lse[0] = -INFINITY;
            s->lse = lse;
        }
    }
    f->result = (struct multi_head_result){
        .B = form->B,
        .single = form->single,
        .split_heads = form->split_heads,
        .mean_map = form->mean_map,
        .H = form->H,
        .G = form->G,
        .dk = form->dk,
        .dv = form->dv,
        .width = form->width,
        .map_heads = form->map_heads,
        .sequence = f->sequence,
    };
    f->request = (struct attention_request){.tensor_format = tensor_format,
                                            .precision = form->precision};
}

static struct attention_response *planned(struct fixture *f)
{
    struct error e = {0};
    struct attention_response *r =
        attention_response_plan(&f->request, &f->result, id, &no_limits, &f->arena, &e);
    ck_assert_msg(r != NULL, "%s", e.message);
    return r;
}

/* Writes the piece into room of exactly its bound, for AddressSanitizer to watch. */
static char *piece_written(const struct attention_response *r, size_t piece,
                           size_t *length)
{
    size_t bound = attention_response_bound(r, piece);
    char *out = malloc(bound ? bound : 1);
    *length = piece + 1 < attention_response_pieces(r)
                  ? attention_response_write(r, piece, out)
                  : attention_response_finish(r, &timing, out);
    ck_assert_uint_le(*length, bound);
    return out;
}

/* The whole answer, its pieces written first to last or last to first. */
static char *answer(const struct attention_response *r, bool backwards, size_t *length)
{
    size_t pieces = attention_response_pieces(r);
    char **text = calloc(pieces, sizeof *text);
    size_t *bytes = calloc(pieces, sizeof *bytes);
    *length = 0;
    for (size_t i = 0; i < pieces; i++) {
        size_t piece = backwards ? pieces - 1 - i : i;
        text[piece] = piece_written(r, piece, &bytes[piece]);
        *length += bytes[piece];
    }

    char *whole = malloc(*length + 1), *at = whole;
    for (size_t i = 0; i < pieces; i++) {
        memcpy(at, text[i], bytes[i]);
        at += bytes[i];
        free(text[i]);
    }
    *at = '\0';
    free(text);
    free(bytes);
    return whole;
}

static void check_number(const json_t *json, float want, unsigned precision)
{
    if (want == -INFINITY) {
        ck_assert_pstr_eq(json_string_value(json), "-Infinity");
        return;
    }
    ck_assert(json_is_real(json));
    if (precision) {
        char text[64];
        snprintf(text, sizeof text, "%.*g", (int)precision, (double)want);
        want = strtof(text, NULL);
    }
    float got = (float)json_real_value(json);
    ck_assert_msg(memcmp(&got, &want, sizeof got) == 0, "%.9g is not %.9g", (double)got,
                  (double)want);
}

/* Walks nested arrays; `*at` moves over the numbers. */
static void check_nested(const json_t *json, const size_t *extent, size_t rank,
                         const float **at, unsigned precision)
{
    if (rank == 0) {
        check_number(json, *(*at)++, precision);
        return;
    }
    ck_assert_uint_eq(json_array_size(json), extent[0]);
    for (size_t i = 0; i < extent[0]; i++)
        check_nested(json_array_get(json, i), extent + 1, rank - 1, at, precision);
}

/* `tensors` are one object: `axis` says whether their number stands in its shape. */
static void check_base64(const json_t *json, const struct tensor *tensors, size_t count,
                         bool axis)
{
    ck_assert_pstr_eq(json_string_value(json_object_get(json, "dtype")), "f32");
    const json_t *shape = json_object_get(json, "shape");
    ck_assert_uint_eq(json_array_size(shape), tensors->rank + axis);
    if (axis)
        ck_assert_double_eq(json_number_value(json_array_get(shape, 0)), (double)count);
    for (size_t i = 0; i < tensors->rank; i++)
        ck_assert_double_eq(json_number_value(json_array_get(shape, i + axis)),
                            (double)tensors->extent[i]);

    const json_t *data = json_object_get(json, "data");
    size_t bytes = 0, wrong = 0, each = tensor_count(tensors) * sizeof(float);
    ck_assert(base64_size(json_string_value(data), json_string_length(data), &bytes));
    ck_assert_uint_eq(bytes, count * each);
    char *decoded = malloc(bytes);
    ck_assert(base64_decode(json_string_value(data), json_string_length(data), decoded,
                            &wrong));
    for (size_t b = 0; b < count; b++)
        ck_assert_mem_eq(decoded + b * each, tensors[b].data, each);
    free(decoded);
}

/* One member of the answer against the tensors of the sequences. */
static void check_member(const json_t *json, const struct fixture *f,
                         const struct tensor *tensors)
{
    const struct multi_head_result *m = &f->result;
    bool base64 = f->request.tensor_format == TENSOR_BASE64, ragged = false;
    for (size_t b = 1; b < m->B; b++)
        ragged |= memcmp(tensors[b].extent, tensors->extent, sizeof tensors->extent);

    if (base64 && !ragged) {
        check_base64(json, tensors, m->B, !m->single);
        return;
    }
    if (!m->single)
        ck_assert_uint_eq(json_array_size(json), m->B);
    for (size_t b = 0; b < m->B; b++) {
        const json_t *item = m->single ? json : json_array_get(json, b);
        const float *at = tensors[b].data;
        if (base64)
            check_base64(item, &tensors[b], 1, false);
        else
            check_nested(item, tensors[b].extent, tensors[b].rank, &at,
                         f->request.precision);
    }
}

static void check_answer(const json_t *json, const struct fixture *f)
{
    const struct multi_head_result *m = &f->result;
    struct tensor outputs[MOST_SEQUENCES], maps[MOST_SEQUENCES], lse[MOST_SEQUENCES],
        query[MOST_SEQUENCES], key[MOST_SEQUENCES], value[MOST_SEQUENCES];
    for (size_t b = 0; b < m->B; b++) {
        const struct sequence_result *s = &m->sequence[b];
        outputs[b] = m->split_heads ? (struct tensor){s->output, 3, {m->H, s->T, m->dv}}
                                    : (struct tensor){s->output, 2, {s->T, m->width}};
        maps[b] = m->mean_map ? (struct tensor){s->maps, 2, {s->T, s->S}}
                              : (struct tensor){s->maps, 3, {m->map_heads, s->T, s->S}};
        lse[b] = (struct tensor){s->lse, 2, {m->H, s->T}};
        query[b] = (struct tensor){s->query, 3, {m->H, s->T, m->dk}};
        key[b] = (struct tensor){s->key, 3, {m->G, s->S, m->dk}};
        value[b] = (struct tensor){s->value, 3, {m->G, s->S, m->dv}};
    }
    const json_t *projections = json_object_get(json, "projections");
    const struct {
        const json_t *json;
        const struct tensor *tensors;
    } members[] = {
        {json_object_get(json, "outputs"), outputs},
        {json_object_get(json, "attention_maps"), maps},
        {json_object_get(json, "lse"), lse},
        {json_object_get(projections, "query"), query},
        {json_object_get(projections, "key"), key},
        {json_object_get(projections, "value"), value},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        ck_assert((members[i].json != NULL) == (members[i].tensors[0].data != NULL));
        if (members[i].json)
            check_member(members[i].json, f, members[i].tensors);
    }
}

START_TEST(every_form_of_answer_reads_back_bit_for_bit)
{
    const struct form *form = &forms[_i / 2];
    struct fixture f;
    set_up(&f, form, _i % 2 ? TENSOR_BASE64 : TENSOR_NESTED);

    size_t length = 0;
    char *text = answer(planned(&f), false, &length);
    json_error_t error;
    json_t *json = json_loadb(text, length,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    ck_assert_msg(json != NULL, "%s at %d", error.text, error.position);
    check_answer(json, &f);
    json_decref(json);
    free(text);
    arena_free(&f.arena);
}
END_TEST

START_TEST(pieces_may_be_written_in_any_order)
{
    struct fixture f;
    set_up(&f, &forms[_i / 2], _i % 2 ? TENSOR_BASE64 : TENSOR_NESTED);

    size_t length = 0, length_back = 0;
    char *text = answer(planned(&f), false, &length);
    char *back = answer(planned(&f), true, &length_back);
    ck_assert_uint_eq(length, length_back);
    ck_assert_mem_eq(text, back, length);
    free(text);
    free(back);
    arena_free(&f.arena);
}
END_TEST

START_TEST(members_stand_in_the_order_of_the_contract)
{
    static const float output[] = {1, -0.5f}, map[] = {0.25f, 0.75f}, q[] = {2},
                       k[] = {3, 4}, v[] = {5, 6}, lse[] = {-INFINITY};
    static const struct sequence_result sequence = {.T = 1,
                                                    .S = 2,
                                                    .map_columns = 2,
                                                    .output = output,
                                                    .maps = map,
                                                    .lse = lse,
                                                    .query = q,
                                                    .key = k,
                                                    .value = v};
    static const struct multi_head_result result = {.B = 1,
                                                    .single = true,
                                                    .H = 1,
                                                    .G = 1,
                                                    .dk = 1,
                                                    .dv = 1,
                                                    .width = 2,
                                                    .map_heads = 1,
                                                    .sequence = &sequence};
    static const struct json_text labels[] = {{"a\"b", 3}, {"\x1B", 1}};
    struct fixture f = {
        .result = result,
        .request = {.labels = labels, .label_count = 2, .labels_given = true}};
    arena_init(&f.arena, SIZE_MAX, NULL);

    size_t length = 0;
    char *text = answer(planned(&f), false, &length);
    ck_assert_pstr_eq(
        text,
        "{\"id\":\"r1\",\"outputs\":[[1,-0.5]],\"attention_maps\":[[[0.25,0.75]]],"
        "\"projections\":{\"query\":[[[2]]],\"key\":[[[3],[4]]],"
        "\"value\":[[[5],[6]]]},\"lse\":[[\"-Infinity\"]],"
        "\"labels\":[\"a\\\"b\",\"\\u001b\"],"
        "\"timing\":{\"parse_ms\":0.012,\"queue_ms\":0.000,\"compute_ms\":1.500,"
        "\"total_ms\":1234.568}}");
    free(text);
    arena_free(&f.arena);
}
END_TEST

START_TEST(a_small_answer_is_one_piece_and_a_large_one_is_many)
{
    static const struct {
        size_t form, most_nested, least_nested;
    } cases[] = {{1, 1, 1}, {2, 1, 1}, {6, 14, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        set_up(&f, &forms[cases[i].form], TENSOR_NESTED);
        size_t pieces = attention_response_pieces(planned(&f));
        ck_assert_uint_le(pieces, cases[i].most_nested);
        ck_assert_uint_ge(pieces, cases[i].least_nested);
        arena_free(&f.arena);
    }
}
END_TEST

START_TEST(an_answer_over_the_limit_is_refused_before_it_is_written)
{
    struct fixture f;
    set_up(&f, &forms[2], TENSOR_NESTED);
    const struct attention_response *r = planned(&f);
    struct attention_limits limits = {0};
    for (size_t i = 0; i < attention_response_pieces(r); i++)
        limits.answer_limit += attention_response_bound(r, i);

    struct error e = {0};
    ck_assert_ptr_nonnull(
        attention_response_plan(&f.request, &f.result, id, &limits, &f.arena, &e));

    char want[160];
    snprintf(want, sizeof want,
             "the answer may take %zu bytes, at most %zu are allowed (answer_limit)",
             limits.answer_limit, limits.answer_limit - 1);
    limits.answer_limit--;
    ck_assert_ptr_null(
        attention_response_plan(&f.request, &f.result, id, &limits, &f.arena, &e));
    ck_assert_int_eq(e.code, ERROR_TOO_LARGE);
    ck_assert_str_eq(e.message, want);
    ck_assert_str_eq(e.path, "");
    arena_free(&f.arena);
}
END_TEST

START_TEST(labels_count_towards_the_predicted_size)
{
    static char name[5000];
    memset(name, 1, sizeof name); /* each becomes six characters */
    const struct json_text label = {name, sizeof name};
    struct fixture f;
    set_up(&f, &forms[0], TENSOR_NESTED);
    f.request.labels = &label;
    f.request.label_count = 1;
    f.request.labels_given = true;

    const struct attention_limits limits = {.answer_limit = 6 * sizeof name};
    struct error e = {0};
    ck_assert_ptr_null(
        attention_response_plan(&f.request, &f.result, id, &limits, &f.arena, &e));
    ck_assert_int_eq(e.code, ERROR_TOO_LARGE);

    size_t length = 0;
    char *text = answer(planned(&f), false, &length);
    ck_assert_uint_gt(length, 6 * sizeof name);
    free(text);
    arena_free(&f.arena);
}
END_TEST

START_TEST(a_clock_gone_wild_still_fits)
{
    const struct attention_timing wild = {1e300, -5, INFINITY, (double)NAN};
    struct fixture f;
    set_up(&f, &forms[0], TENSOR_NESTED);
    const struct attention_response *r = planned(&f);
    char *out = malloc(attention_response_bound(r, 0));
    size_t length = attention_response_finish(r, &wild, out);
    ck_assert_uint_le(length, attention_response_bound(r, 0));
    json_t *json = json_loadb(out, length, 0, NULL);
    ck_assert_ptr_nonnull(json);
    json_decref(json);
    free(out);
    arena_free(&f.arena);
}
END_TEST

START_TEST(with_little_memory_a_plan_succeeds_or_says_so)
{
    struct fixture f;
    set_up(&f, &forms[3], _i ? TENSOR_BASE64 : TENSOR_NESTED);
    bool succeeded = false;
    for (size_t limit = 0; !succeeded; limit += 16) {
        struct arena arena;
        arena_init(&arena, limit, NULL);
        struct error e = {0};
        succeeded = attention_response_plan(&f.request, &f.result, id, &no_limits,
                                            &arena, &e) != NULL;
        if (!succeeded)
            ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
        arena_free(&arena);
        ck_assert_uint_lt(limit, 1 << 20);
    }
    arena_free(&f.arena);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("attention_response");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, every_form_of_answer_reads_back_bit_for_bit, 0,
                        2 * FORMS);
    tcase_add_loop_test(tcase, pieces_may_be_written_in_any_order, 0, 2 * FORMS);
    tcase_add_test(tcase, members_stand_in_the_order_of_the_contract);
    tcase_add_test(tcase, a_small_answer_is_one_piece_and_a_large_one_is_many);
    tcase_add_test(tcase, an_answer_over_the_limit_is_refused_before_it_is_written);
    tcase_add_test(tcase, labels_count_towards_the_predicted_size);
    tcase_add_test(tcase, a_clock_gone_wild_still_fits);
    tcase_add_loop_test(tcase, with_little_memory_a_plan_succeeds_or_says_so, 0, 2);
    Suite *suite = suite_create("attention_response");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
