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
    bool present, state, entropy, statistics, compared;
    size_t B, T[MOST_SEQUENCES], S[MOST_SEQUENCES];
    size_t H, G, dk, dv, width, map_heads;
    size_t past;        /* of the S keys */
    size_t top;         /* maps as the largest so many */
    size_t map_columns; /* 0: S */
    enum map_stage stage;
    enum method_name method;
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
    {.single = true,
     .maps = true,
     .projections = true,
     .present = true,
     .entropy = true,
     .statistics = true,
     .B = 1,
     .T = {3},
     .S = {8},
     .past = 5,
     .H = 4,
     .G = 2,
     .dk = 3,
     .dv = 2,
     .width = 8,
     .map_heads = 4,
     .stage = MAP_STAGE_BIASED},
    {.maps = true,
     .present = true,
     .entropy = true,
     .statistics = true,
     .compared = true,
     .B = 3,
     .T = {4, 2, 9},
     .S = {6, 4, 11},
     .past = 2,
     .H = 2,
     .G = 1,
     .dk = 2,
     .dv = 3,
     .width = 6,
     .map_heads = 2,
     .top = 3,
     .method = METHOD_BIGBIRD,
     .precision = 5},
    {.maps = true,
     .present = true,
     .entropy = true,
     .statistics = true,
     .compared = true,
     .B = 2,
     .T = {1100, 1100},
     .S = {90, 90},
     .H = 3,
     .G = 3,
     .dk = 2,
     .dv = 3,
     .width = 6,
     .map_heads = 1,
     .top = 2,
     .stage = MAP_STAGE_BIASED,
     .method = METHOD_TOP_K},
    {.single = true,
     .maps = true,
     .state = true,
     .B = 1,
     .T = {5},
     .S = {5},
     .map_columns = 2,
     .H = 2,
     .G = 2,
     .dk = 3,
     .dv = 4,
     .width = 8,
     .map_heads = 2,
     .method = METHOD_LINFORMER,
     .compared = true},
    {.mean_map = true,
     .maps = true,
     .state = true,
     .entropy = true,
     .B = 2,
     .T = {5, 5},
     .S = {5, 5},
     .H = 2,
     .G = 2,
     .dk = 3,
     .dv = 4,
     .width = 8,
     .stage = MAP_STAGE_SCORES,
     .method = METHOD_LINEAR},
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

static int32_t *integers(struct fixture *f, size_t count)
{
    struct error e = {0};
    int32_t *x = arena_alloc(&f->arena, count, sizeof *x, &e);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (int32_t)(uint32_t)test_random_next(&f->random);
    return x;
}

/* Any numbers, some of which stand for cells that are hidden. */
static const float *map_numbers(struct fixture *f, const struct form *form,
                                size_t count)
{
    float *map = numbers(f, count);
    for (size_t i = 0; form->stage != MAP_STAGE_WEIGHTS && i < count; i += 3)
        map[i] = -INFINITY;
    return map;
}

static const struct head_statistics *figures(struct fixture *f, size_t heads)
{
    struct error e = {0};
    struct head_statistics *x = arena_alloc(&f->arena, heads, sizeof *x, &e);
    ck_assert_ptr_nonnull(x);
    for (size_t h = 0; h < heads; h++) {
        double *figure = (double *)&x[h];
        for (size_t i = 0; i < sizeof *x / sizeof *figure; i++)
            figure[i] = (double)any_float(&f->random);
    }
    return x;
}

/* What only `return` and compare bring. */
static void set_up_extras(struct fixture *f, const struct form *form,
                          struct sequence_result *s)
{
    if (form->present) {
        s->present_key = numbers(f, form->G * s->S * form->dk);
        s->present_value = numbers(f, form->G * s->S * form->dv);
    }
    if (form->state)
        s->state = numbers(f, form->G * form->dk * form->dv);
    if (form->entropy)
        s->entropy = numbers(f, form->H * s->T * 2);
    if (form->statistics) {
        s->statistics = figures(f, form->H);
        s->received = numbers(f, form->H * s->S);
    }
    if (form->compared) {
        s->error_maximum = any_float(&f->random);
        s->error_mean = any_float(&f->random);
    }
}

static void set_up_maps(struct fixture *f, const struct form *form,
                        struct sequence_result *s)
{
    size_t rows = (form->mean_map ? 1 : form->map_heads) * s->T;
    if (form->top) {
        s->top_indices = integers(f, rows * form->top);
        s->top_values = map_numbers(f, form, rows * form->top);
    } else {
        s->maps = map_numbers(f, form, rows * s->map_columns);
    }
}

static void set_up(struct fixture *f, const struct form *form,
                   enum tensor_format tensor_format)
{
    *f = (struct fixture){.random = {4711}};
    arena_init(&f->arena, SIZE_MAX, NULL);
    for (size_t b = 0; b < form->B; b++) {
        size_t T = form->T[b], S = form->S[b];
        struct sequence_result *s = &f->sequence[b];
        *s = (struct sequence_result){
            .T = T, .S = S, .map_columns = form->map_columns ? form->map_columns : S};
        s->output =
            numbers(f, T * (form->split_heads ? form->H * form->dv : form->width));
        if (form->maps)
            set_up_maps(f, form, s);
        if (form->projections) {
            s->query = numbers(f, form->H * T * form->dk);
            s->key = numbers(f, form->G * (S - form->past) * form->dk);
            s->value = numbers(f, form->G * (S - form->past) * form->dv);
        }
        if (form->lse) {
            float *lse = numbers(f, form->H * T);
            lse[0] = -INFINITY;
            s->lse = lse;
        }
        set_up_extras(f, form, s);
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
        .top = form->top,
        .method = form->method,
        .compared = form->compared,
        .sequence = f->sequence,
    };
    f->request = (struct attention_request){
        .input = {.map_stage = form->stage,
                  .past = {.given = form->past > 0,
                           .key = {.rank = 3,
                                   .extent = {form->G, form->past, form->dk}}},
                  .method = {.name = form->method, .rank = 7, .k = 2, .seed = 9}},
        .tensor_format = tensor_format,
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

/* A tensor that must be found in the answer; every `stride`th of its numbers. */
struct wanted {
    const void *data;
    size_t stride, rank, extent[3];
    bool integers;
};

#define WANTED(from, step, axes, ...) \
    ((struct wanted){                 \
        .data = (from), .stride = (step), .rank = (axes), .extent = {__VA_ARGS__}})

static size_t wanted_count(const struct wanted *w)
{
    size_t count = 1;
    for (size_t i = 0; i < w->rank; i++)
        count *= w->extent[i];
    return count;
}

static const void *wanted_at(const struct wanted *w, size_t index)
{
    return (const char *)w->data + index * w->stride * sizeof(float);
}

/* Walks nested arrays; `*index` counts the numbers. */
static void check_nested(const json_t *json, const struct wanted *w, size_t axis,
                         size_t *index, unsigned precision)
{
    if (axis == w->rank) {
        const void *at = wanted_at(w, (*index)++);
        if (w->integers)
            ck_assert_double_eq(json_number_value(json), (double)*(const int32_t *)at);
        else
            check_number(json, *(const float *)at, precision);
        return;
    }
    ck_assert_uint_eq(json_array_size(json), w->extent[axis]);
    for (size_t i = 0; i < w->extent[axis]; i++)
        check_nested(json_array_get(json, i), w, axis + 1, index, precision);
}

/* `tensors` are one object: `axis` says whether their number stands in its shape. */
static void check_base64(const json_t *json, const struct wanted *tensors, size_t count,
                         bool axis)
{
    ck_assert_pstr_eq(json_string_value(json_object_get(json, "dtype")),
                      tensors->integers ? "i32" : "f32");
    const json_t *shape = json_object_get(json, "shape");
    ck_assert_uint_eq(json_array_size(shape), tensors->rank + axis);
    if (axis)
        ck_assert_double_eq(json_number_value(json_array_get(shape, 0)), (double)count);
    for (size_t i = 0; i < tensors->rank; i++)
        ck_assert_double_eq(json_number_value(json_array_get(shape, i + axis)),
                            (double)tensors->extent[i]);

    const json_t *data = json_object_get(json, "data");
    size_t bytes = 0, wrong = 0, each = wanted_count(tensors);
    ck_assert(base64_size(json_string_value(data), json_string_length(data), &bytes));
    ck_assert_uint_eq(bytes, count * each * sizeof(float));
    char *decoded = malloc(bytes), *at = decoded;
    ck_assert(base64_decode(json_string_value(data), json_string_length(data), decoded,
                            &wrong));
    for (size_t b = 0; b < count; b++)
        for (size_t i = 0; i < each; i++, at += sizeof(float))
            ck_assert_mem_eq(at, wanted_at(&tensors[b], i), sizeof(float));
    free(decoded);
}

/* One member of the answer against the tensors of the sequences. */
static void check_member(const json_t *json, const struct fixture *f,
                         const struct wanted *tensors)
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
        size_t index = 0;
        if (base64)
            check_base64(item, &tensors[b], 1, false);
        else
            check_nested(item, &tensors[b], 0, &index, f->request.precision);
    }
}

enum member {
    OUTPUTS,
    MAPS,
    TOP_INDICES,
    TOP_VALUES,
    LSE,
    QUERY,
    KEY,
    VALUE,
    PRESENT_KEY,
    PRESENT_VALUE,
    STATE,
    NATS,
    NORMALISED,
    MEMBERS
};

static void wanted_of(const struct fixture *f, size_t b, struct wanted *w)
{
    const struct multi_head_result *m = &f->result;
    const struct sequence_result *s = &m->sequence[b];
    const size_t own = s->S - f->request.input.past.key.extent[1], top = m->top;
    w[OUTPUTS] = m->split_heads ? WANTED(s->output, 1, 3, m->H, s->T, m->dv)
                                : WANTED(s->output, 1, 2, s->T, m->width);
    w[MAPS] = m->mean_map ? WANTED(s->maps, 1, 2, s->T, s->map_columns)
                          : WANTED(s->maps, 1, 3, m->map_heads, s->T, s->map_columns);
    w[TOP_INDICES] = WANTED(s->top_indices, 1, 3, m->map_heads, s->T, top);
    w[TOP_INDICES].integers = true;
    w[TOP_VALUES] = WANTED(s->top_values, 1, 3, m->map_heads, s->T, top);
    w[LSE] = WANTED(s->lse, 1, 2, m->H, s->T);
    w[QUERY] = WANTED(s->query, 1, 3, m->H, s->T, m->dk);
    w[KEY] = WANTED(s->key, 1, 3, m->G, own, m->dk);
    w[VALUE] = WANTED(s->value, 1, 3, m->G, own, m->dv);
    w[PRESENT_KEY] = WANTED(s->present_key, 1, 3, m->G, s->S, m->dk);
    w[PRESENT_VALUE] = WANTED(s->present_value, 1, 3, m->G, s->S, m->dv);
    w[STATE] = WANTED(s->state, 1, 3, m->G, m->dk, m->dv);
    w[NATS] = WANTED(s->entropy, 2, 2, m->H, s->T);
    w[NORMALISED] = WANTED(s->entropy ? s->entropy + 1 : NULL, 2, 2, m->H, s->T);
}

static void check_head(const json_t *json, const struct head_statistics *s,
                       const struct wanted *received, const struct fixture *f)
{
    static const char *const names[] = {"entropy", "maximum",  "distance", "first",
                                        "own",     "previous", "next"};
    const double values[] = {s->entropy, s->maximum,  s->distance, s->first,
                             s->own,     s->previous, s->next};
    size_t index = 0;
    ck_assert_uint_eq(json_object_size(json), 8);
    for (size_t i = 0; i < 7; i++)
        check_number(json_object_get(json, names[i]), (float)values[i],
                     f->request.precision);
    if (f->request.tensor_format == TENSOR_BASE64)
        check_base64(json_object_get(json, "received"), received, 1, false);
    else
        check_nested(json_object_get(json, "received"), received, 0, &index,
                     f->request.precision);
}

static void check_statistics(const json_t *json, const struct fixture *f)
{
    const struct multi_head_result *m = &f->result;
    ck_assert((json != NULL) == (m->sequence[0].statistics != NULL));
    if (json && !m->single)
        ck_assert_uint_eq(json_array_size(json), m->B);
    for (size_t b = 0; json && b < m->B; b++) {
        const struct sequence_result *s = &m->sequence[b];
        const json_t *heads = m->single ? json : json_array_get(json, b);
        ck_assert_uint_eq(json_array_size(heads), m->H);
        for (size_t h = 0; h < m->H; h++)
            check_head(json_array_get(heads, h), &s->statistics[h],
                       &WANTED(s->received + h * s->S, 1, 1, s->S), f);
    }
}

static void check_method(const json_t *json, const struct fixture *f)
{
    static const char *const names[] = {"exact",        "linformer",  "nystrom",
                                        "performer",    "linear",     "top_k",
                                        "block_sparse", "longformer", "bigbird"};
    const struct multi_head_result *m = &f->result;
    ck_assert((json != NULL) == (m->method != METHOD_EXACT));
    if (!json)
        return;
    ck_assert_pstr_eq(json_string_value(json_object_get(json, "name")),
                      names[m->method]);

    const json_t *error = json_object_get(json, "error");
    const json_t *most = json_object_get(error, "max");
    const json_t *mean = json_object_get(error, "mean");
    ck_assert((error != NULL) == m->compared);
    for (size_t b = 0; error && b < m->B; b++) {
        const struct sequence_result *s = &m->sequence[b];
        check_number(m->single ? most : json_array_get(most, b), s->error_maximum,
                     f->request.precision);
        check_number(m->single ? mean : json_array_get(mean, b), s->error_mean,
                     f->request.precision);
    }
}

static void check_answer(const json_t *json, const struct fixture *f)
{
    struct wanted by_sequence[MOST_SEQUENCES][MEMBERS];
    for (size_t b = 0; b < f->result.B; b++)
        wanted_of(f, b, by_sequence[b]);

    const json_t *maps = json_object_get(json, "attention_maps");
    const json_t *projections = json_object_get(json, "projections");
    const json_t *present = json_object_get(json, "present");
    const json_t *entropy = json_object_get(json, "entropy");
    const json_t *const members[MEMBERS] = {
        [OUTPUTS] = json_object_get(json, "outputs"),
        [MAPS] = f->result.top ? NULL : maps,
        [TOP_INDICES] = f->result.top ? json_object_get(maps, "indices") : NULL,
        [TOP_VALUES] = f->result.top ? json_object_get(maps, "values") : NULL,
        [LSE] = json_object_get(json, "lse"),
        [QUERY] = json_object_get(projections, "query"),
        [KEY] = json_object_get(projections, "key"),
        [VALUE] = json_object_get(projections, "value"),
        [PRESENT_KEY] = json_object_get(present, "key"),
        [PRESENT_VALUE] = json_object_get(present, "value"),
        [STATE] = json_object_get(json, "state"),
        [NATS] = json_object_get(entropy, "nats"),
        [NORMALISED] = json_object_get(entropy, "normalised"),
    };
    for (size_t i = 0; i < MEMBERS; i++) {
        struct wanted wanted[MOST_SEQUENCES];
        for (size_t b = 0; b < f->result.B; b++)
            wanted[b] = by_sequence[b][i];
        ck_assert_msg((members[i] != NULL) == (wanted[0].data != NULL), "member %zu",
                      i);
        if (members[i])
            check_member(members[i], f, wanted);
    }
    check_statistics(json_object_get(json, "statistics"), f);
    check_method(json_object_get(json, "method"), f);
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
    ck_assert_pstr_eq(text, "{\"id\":\"r1\",\"outputs\":[[1,-0.5]],"
                            "\"attention_maps\":[[[0.25,0.75]]],"
                            "\"projections\":{\"query\":[[[2]]],"
                            "\"key\":[[[3],[4]]],"
                            "\"value\":[[[5],[6]]]},\"lse\":[[\"-"
                            "Infinity\"]],"
                            "\"labels\":[\"a\\\"b\",\"\\u001b\"],"
                            "\"timing\":{\"parse_ms\":0.012,\"queue_"
                            "ms\":0.000,\"compute_ms\":1.500,"
                            "\"total_ms\":1234.568}}");
    free(text);
    arena_free(&f.arena);
}
END_TEST

START_TEST(everything_at_once_stands_in_the_order_of_the_contract)
{
    static const float output[] = {1}, values[] = {-INFINITY}, k[] = {3, 4},
                       v[] = {5, 6}, state[] = {7}, entropy[] = {0.5f, 0.25f},
                       received[] = {0.75f, 0.25f};
    static const int32_t indices[] = {1};
    static const struct head_statistics statistics = {9, 0.5, 1, 2, 3, 4, 5, 6};
    static const struct sequence_result sequence = {
        .T = 1,
        .S = 2,
        .map_columns = 2,
        .output = output,
        .top_indices = indices,
        .top_values = values,
        .present_key = k,
        .present_value = v,
        .state = state,
        .entropy = entropy,
        .statistics = &statistics,
        .received = received,
        .error_maximum = 0.5f,
        .error_mean = 0.125f,
    };
    const struct multi_head_result result = {.B = 1,
                                             .single = _i == 0,
                                             .top = 1,
                                             .method = METHOD_BIGBIRD,
                                             .compared = true,
                                             .H = 1,
                                             .G = 1,
                                             .dk = 1,
                                             .dv = 1,
                                             .width = 1,
                                             .map_heads = 1,
                                             .sequence = &sequence};
    static const char *const head = "[{\"entropy\":0.5,\"maximum\":1,\"distance\":"
                                    "2,\"first\":3,\"own\":4,"
                                    "\"previous\":5,\"next\":6,\"received\":[0.75,"
                                    "0.25]}]";
    struct fixture f = {.result = result,
                        .request = {.input = {.map_stage = MAP_STAGE_BIASED,
                                              .method = {.name = METHOD_BIGBIRD,
                                                         .block = 4,
                                                         .global_count = 1,
                                                         .random = 2,
                                                         .seed = UINT64_MAX}}}};
    arena_init(&f.arena, SIZE_MAX, NULL);

    const char *b = _i ? "[" : "", *e = _i ? "]" : ""; /* the axis of the batch */
    char want[2000];
    snprintf(want, sizeof want,
             "{\"id\":\"r1\",\"outputs\":%s[[1]]%s,"
             "\"attention_maps\":{\"indices\":"
             "%s[[[1]]]%s,\"values\":%s[[[\"-"
             "Infinity\"]]]%s},\"present\":{\"key\":"
             "%s[[[3],[4]]]%s,\"value\":%s[[[5],[6]]]%"
             "s},\"state\":%s[[[7]]]%s,"
             "\"entropy\":{\"nats\":%s[[0.5]]%s,"
             "\"normalised\":%s[[0.25]]%s},"
             "\"statistics\":%s%s%s,\"method\":{"
             "\"name\":\"bigbird\",\"block\":4,"
             "\"global\":1,\"random\":2,\"seed\":"
             "18446744073709551615,"
             "\"error\":{\"max\":%s0.5%s,\"mean\":%s0."
             "125%s}},\"timing\":{",
             b, e, b, e, b, e, b, e, b, e, b, e, b, e, b, e, b, head, e, b, e, b, e);

    size_t length = 0;
    char *text = answer(planned(&f), false, &length);
    *strstr(text, "\"parse_ms\"") = '\0';
    ck_assert_pstr_eq(text, want);
    free(text);
    arena_free(&f.arena);
}
END_TEST

START_TEST(a_method_is_answered_with_what_it_did)
{
    static const size_t tokens[] = {0, 4};
    static const float output[] = {1};
    static const struct sequence_result sequence = {
        .T = 1, .S = 1, .map_columns = 1, .output = output};
    static const struct {
        struct method_input method;
        const char *text;
    } cases[] = {
        {{.name = METHOD_EXACT}, ",\"outputs\":[[1]],\"timing\""},
        {{.name = METHOD_LINFORMER, .rank = 3, .seed = 7},
         "{\"name\":\"linformer\",\"rank\":3,\"seed\":"
         "7},\"timing\""},
        {{.name = METHOD_LINFORMER, .e = {output, 2, {5, 1}}, .f = {output, 2, {5, 1}}},
         "{\"name\":\"linformer\",\"rank\":5},"
         "\"timing\""},
        {{.name = METHOD_NYSTROM, .landmarks = 8},
         "{\"name\":\"nystrom\",\"landmarks\":8},"},
        {{.name = METHOD_PERFORMER, .features = 64, .seed = 1},
         "{\"name\":\"performer\",\"features\":64,"
         "\"seed\":1},"},
        {{.name = METHOD_LINEAR, .rule = RULE_GATED_DELTA},
         "{\"name\":\"linear\",\"rule\":\"gated_"
         "delta\"},"},
        {{.name = METHOD_TOP_K, .k = 9}, "{\"name\":\"top_k\",\"k\":9},"},
        {{.name = METHOD_BLOCK_SPARSE, .block = 16, .layout_column_count = 5},
         "{\"name\":\"block_sparse\",\"block\":16,"
         "\"blocks\":5},"},
        {{.name = METHOD_LONGFORMER, .window = 2, .global = tokens, .global_count = 2},
         "{\"name\":\"longformer\",\"window\":2,"
         "\"global\":2},"},
        {{.name = METHOD_BIGBIRD, .block = 1, .random = 3},
         "{\"name\":\"bigbird\",\"block\":1,\"global\":"
         "0,\"random\":3,\"seed\":0},"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f = {.result = {.B = 1,
                                       .single = true,
                                       .H = 1,
                                       .G = 1,
                                       .width = 1,
                                       .method = cases[i].method.name,
                                       .sequence = &sequence},
                            .request.input.method = cases[i].method};
        arena_init(&f.arena, SIZE_MAX, NULL);
        size_t length = 0;
        char *text = answer(planned(&f), false, &length);
        ck_assert_msg(strstr(text, cases[i].text) != NULL, "%s", text);
        free(text);
        arena_free(&f.arena);
    }
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
             "the answer may take %zu bytes, at most "
             "%zu are allowed (answer_limit)",
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
    const struct attention_timing wild = {1e300, -5, HUGE_VAL, (double)NAN};
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
    set_up(&f, &forms[_i / 2], _i % 2 ? TENSOR_BASE64 : TENSOR_NESTED);
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
    tcase_add_loop_test(tcase, everything_at_once_stands_in_the_order_of_the_contract,
                        0, 2);
    tcase_add_test(tcase, a_method_is_answered_with_what_it_did);
    tcase_add_test(tcase, a_small_answer_is_one_piece_and_a_large_one_is_many);
    tcase_add_test(tcase, an_answer_over_the_limit_is_refused_before_it_is_written);
    tcase_add_test(tcase, labels_count_towards_the_predicted_size);
    tcase_add_test(tcase, a_clock_gone_wild_still_fits);
    tcase_add_loop_test(tcase, with_little_memory_a_plan_succeeds_or_says_so, 0,
                        2 * FORMS);
    Suite *suite = suite_create("attention_response");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
