#include "codec/tensor_json.h"

#include <stdio.h>

#include "codec/base64.h"
#include "support/test.h"

static const struct attention_limits limits = {
    .max_batch = 3, .max_tokens = 6, .max_width = 5, .max_heads = 2};
static const struct tensor_rules matrix = {2, 2, 6, "max_tokens"};
static const struct tensor_rules any_rank = {1, 4, 6, "max_tokens"};

/* A text that must be read to its end, and the arena that holds what it says. */
struct document {
    struct arena arena;
    struct json_reader reader;
    struct error e;
};

static const struct field here = {.name = "x"};

static void open_document(struct document *d, const char *text, size_t limit)
{
    *d = (struct document){0};
    arena_init(&d->arena, limit, NULL);
    json_reader_init(&d->reader, text, strlen(text), &d->arena);
}

static bool read_tensor(struct document *d, const struct tensor_rules *rules,
                        struct tensor *out)
{
    return tensor_from_json(&d->reader, &here, rules, out, &d->e) &&
           json_reader_finish(&d->reader, &d->e);
}

static bool read_batch(struct document *d, struct batch *out)
{
    return batch_from_json(&d->reader, &here, &limits, out, &d->e) &&
           json_reader_finish(&d->reader, &d->e);
}

static bool read_mask(struct document *d, struct attention_mask *out)
{
    return mask_from_json(&d->reader, &here, &limits, out, &d->e) &&
           json_reader_finish(&d->reader, &d->e);
}

START_TEST(nested_arrays_become_rows_of_floats)
{
    const struct {
        const char *text;
        size_t rank, extent[4];
        float last;
    } cases[] = {
        {"[7]", 1, {1}, 7},
        {"[1, 2.5 ,\n3]", 1, {3}, 3},
        {"[[1,2],[3,4],[5,-6e-1]]", 2, {3, 2}, -0.6f},
        {"[[[1],[2]],[[3],[4]]]", 3, {2, 2, 1}, 4},
        {"[[[[1,2]]],[[[3,4]]]]", 4, {2, 1, 1, 2}, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct tensor t;
        open_document(&d, cases[i].text, 1 << 16);
        ck_assert_msg(read_tensor(&d, &any_rank, &t), "%s: %s", cases[i].text,
                      d.e.message);
        ck_assert_uint_eq(t.rank, cases[i].rank);
        ck_assert_mem_eq(t.extent, cases[i].extent, sizeof t.extent);
        ck_assert(t.data[0] == (i == 0 ? 7 : 1));
        ck_assert(t.data[tensor_count(&t) - 1] == cases[i].last);
        arena_free(&d.arena);
    }
}
END_TEST

/* Threats 61, 66, 78. */
START_TEST(what_is_no_tensor_is_refused_where_it_goes_wrong)
{
    const struct {
        const struct tensor_rules *rules;
        const char *text, *path, *message;
    } cases[] = {
        {&matrix, "[[1,2,3,4],[1,2,3]]", "/x/1", "has 3 numbers, expected 4"},
        {&matrix, "[[1,2],[1,2,3]]", "/x/1", "has 3 numbers, expected 2"},
        {&any_rank, "[[[1],[2]],[[1]]]", "/x/1", "has 1 rows, expected 2"},
        {&any_rank, "[[[[1]],[[1]]],[[[1]]]]", "/x/1", "has 1 arrays, expected 2"},
        {&matrix, "[]", "/x", "must not be empty"},
        {&matrix, "[[]]", "/x/0", "must not be empty"},
        {&matrix, "[[1],[]]", "/x/1", "must not be empty"},
        {&matrix, "[1,2]", "/x", "has 1 dimension, expected 2"},
        {&any_rank, "[[[[[1]]]]]", "/x/0/0/0/0",
         "is nested too deep: at most 4 dimensions are allowed here"},
        {&matrix, "[[1,[2]]]", "/x/0/1", "must be a number, not an array"},
        {&matrix, "[[1],2]", "/x/1", "must be an array, not a number"},
        {&matrix, "[[1,\"2\"]]", "/x/0/1", "must be a number, not a string"},
        {&matrix, "[[1,2],[3,null]]", "/x/1/1", "must be a number, not null"},
        {&matrix, "[[true]]", "/x/0/0", "must be a number, not a boolean"},
        {&matrix, "[\"NaN\"]", "/x/0", "must be an array, not a string"},
        {&matrix, "[[0,0,1e39]]", "/x/0/2", "is outside the range of float32"},
        {&matrix, "[[-3.5e38]]", "/x/0/0", "is outside the range of float32"},
        {&matrix, "[[1],[\"a\\tb\"]]", "/x/1/0", "must be a number, not a string"},
        {&matrix, "17", "/x", "must be an array or a base64 tensor, not a number"},
        {&matrix, "null", "/x", "must be an array or a base64 tensor, not null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct tensor t;
        open_document(&d, cases[i].text, 1 << 16);
        ck_assert_msg(!read_tensor(&d, cases[i].rules, &t), "%s", cases[i].text);
        ck_assert_int_eq(d.e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(d.e.path, cases[i].path);
        ck_assert_str_eq(d.e.message, cases[i].message);
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(what_is_not_json_is_called_so)
{
    const char *const texts[] = {
        "[[1,2],[3,4",
        "[[1,2,],[3]]",
        "[[1 2]]",
        "[[01]]",
        "[[NaN]]",
        "[[1.]]",
        "",
        "[[1,2]}",
        "[1,2,3,4,5,6,7,nul",
        "{\"shape\":[1,}",
        "{\"shape\":[1",
        "{\"data\":\"\t\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct document d;
        struct tensor t;
        open_document(&d, texts[i], 1 << 16);
        ck_assert_msg(!read_tensor(&d, &any_rank, &t), "%s", texts[i]);
        ck_assert_msg(d.e.code == ERROR_INVALID_JSON, "%s: %s", texts[i], d.e.message);
        ck_assert_str_eq(d.e.path, "");
        arena_free(&d.arena);
    }
}
END_TEST

/* Threat 81. */
START_TEST(too_many_are_counted_but_not_stored)
{
    const struct {
        const char *text, *path, *message;
    } cases[] = {
        {"[[1,2,3,4,5,6,7,[],\"\"]]", "/x/0",
         "has 9 numbers, at most 6 are allowed (max_tokens)"},
        {"[[1],[1],[1],[1],[1],[1],[1]]", "/x",
         "has 7 rows, at most 6 are allowed (max_tokens)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct tensor t;
        open_document(&d, cases[i].text, 1 << 16);
        ck_assert(!read_tensor(&d, &matrix, &t));
        ck_assert_int_eq(d.e.code, ERROR_TOO_LARGE);
        ck_assert_str_eq(d.e.path, cases[i].path);
        ck_assert_str_eq(d.e.message, cases[i].message);
        arena_free(&d.arena);
    }
}
END_TEST

/* `rows` rows of `width` whole numbers, each written with `digits` zeros. */
static char *make_matrix(size_t rows, size_t width, int digits)
{
    char *text = malloc(rows * (width * ((size_t)digits + 3) + 3) + 3), *at = text;
    for (size_t i = 0; i < rows; i++) {
        at += sprintf(at, "%s", i == 0 ? "[[" : "],[");
        for (size_t j = 0; j < width; j++)
            at += sprintf(at, "%s%.*f", j == 0 ? "" : ",", digits,
                          (double)((i * width + j) % 10));
    }
    strcpy(at, "]]");
    return text;
}

/* Threat 63. */
START_TEST(memory_stays_in_proportion_to_the_text)
{
    const int digits[] = {0, 1, 8, 100};
    for (size_t i = 0; i < sizeof digits / sizeof *digits; i++) {
        const struct tensor_rules rules = {2, 2, 1000, "max_tokens"};
        char *text = make_matrix(300, 200, digits[i]);
        struct memory_budget budget = {.limit = SIZE_MAX};
        struct document d;
        struct tensor t;
        open_document(&d, text, SIZE_MAX);
        d.arena.budget = &budget;
        ck_assert_msg(read_tensor(&d, &rules, &t), "%s", d.e.message);
        ck_assert_uint_eq(tensor_count(&t), 60000);
        for (size_t k = 0; k < 60000; k++)
            if (t.data[k] != (float)(k % 10))
                ck_abort_msg("number %zu is %g", k, (double)t.data[k]);

        ck_assert_uint_eq(d.arena.used, 60000 * sizeof(float));
        ck_assert_uint_le(budget.spent, 3 * strlen(text) + 2 * 65536);
        arena_free(&d.arena);
        free(text);
    }
}
END_TEST

START_TEST(a_batch_is_one_sequence_or_several_of_any_length)
{
    const struct {
        const char *text;
        bool single;
        size_t count, length[3], width;
    } cases[] = {
        {"[[1,2],[3,4],[5,6]]", true, 1, {3}, 2},
        {"[[[1,2],[3,4],[5,6]]]", false, 1, {3}, 2},
        {"[[[1,2]],[[3,4],[5,6]]]", false, 2, {1, 2}, 2},
        {"{\"dtype\":\"i32\",\"shape\":[1,2],\"data\":\"AQAAAAIAAAA=\"}",
         true,
         1,
         {1},
         2},
        {"{\"dtype\":\"i32\",\"shape\":[2,1,1],\"data\":\"AQAAAAIAAAA=\"}",
         false,
         2,
         {1, 1},
         1},
        {"[{\"dtype\":\"i32\",\"shape\":[1,2],\"data\":\"AQAAAAIAAAA=\"},[[3,4],[5,6]],"
         "{\"data\":\"BwAAAAgAAAA=\",\"shape\":[1,2],\"dtype\":\"i32\"}]",
         false,
         3,
         {1, 2, 1},
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct batch b;
        float next = 1;
        open_document(&d, cases[i].text, 1 << 16);
        ck_assert_msg(read_batch(&d, &b), "%s: %s", d.e.path, d.e.message);
        ck_assert_int_eq(b.single, cases[i].single);
        ck_assert_uint_eq(b.count, cases[i].count);
        for (size_t k = 0; k < b.count; k++) {
            ck_assert_uint_eq(b.item[k].rank, 2);
            ck_assert_uint_eq(b.item[k].extent[0], cases[i].length[k]);
            ck_assert_uint_eq(b.item[k].extent[1], cases[i].width);
            for (size_t n = 0; n < tensor_count(&b.item[k]); n++)
                ck_assert(b.item[k].data[n] == next++);
        }
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(a_tensor_that_was_not_given_has_no_numbers)
{
    ck_assert_uint_eq(tensor_count(&(struct tensor){0}), 0);
}
END_TEST

/* Threat 78. */
START_TEST(a_batch_that_does_not_fit_is_refused_where_it_goes_wrong)
{
    const struct {
        const char *text;
        enum error_code code;
        const char *path, *message;
    } cases[] = {
        {"[1,2]", ERROR_INVALID_INPUT, "/x", "has 1 dimension, expected 2 to 3"},
        {"[[[1,2]],[[1,2],[1,2,3]]]", ERROR_INVALID_INPUT, "/x/1/1",
         "has 3 numbers, expected 2"},
        {"[[[1,2]],[[1]]]", ERROR_INVALID_INPUT, "/x/1/0", "has 1 numbers, expected 2"},
        {"[[[1,2]],[]]", ERROR_INVALID_INPUT, "/x/1", "must not be empty"},
        {"[[[1,2]],[1,2]]", ERROR_INVALID_INPUT, "/x/1", "has 1 dimension, expected 2"},
        {"[[1,2],[[1,2]]]", ERROR_INVALID_INPUT, "/x/1/0",
         "must be a number, not an array"},
        {"[[[[1]]]]", ERROR_INVALID_INPUT, "/x/0/0/0",
         "is nested too deep: at most 2 dimensions are allowed here"},
        {"[[[1]],7]", ERROR_INVALID_INPUT, "/x/1",
         "must be an array or a base64 tensor, not a number"},
        {"[[[1]],{\"dtype\":\"i32\",\"shape\":[1,2],\"data\":\"AQAAAAIAAAA=\"}]",
         ERROR_INVALID_INPUT, "/x/1/shape/1", "is 2, expected 1"},
        {"[{\"dtype\":\"i32\",\"shape\":[1,1,2],\"data\":\"AQAAAAIAAAA=\"}]",
         ERROR_INVALID_INPUT, "/x/0/shape", "has 3 dimensions, expected 2"},
        {"[[[1,2]],{\"dtype\":\"bool\",\"shape\":[2,2],\"data\":\"AAABAg==\"}]",
         ERROR_INVALID_INPUT, "/x/1/1/1", "is neither 0 nor 1"},
        {"{\"dtype\":\"bool\",\"shape\":[2,2,1],\"data\":\"AAADAA==\"}",
         ERROR_INVALID_INPUT, "/x/1/0/0", "is neither 0 nor 1"},
        {"[[[1]],[[1]],[[1]],[[1]],[[1]]]", ERROR_TOO_LARGE, "/x",
         "has 5 sequences, at most 3 are allowed (max_batch)"},
        {"[[[1],[1],[1],[1],[1],[1],[1]]]", ERROR_TOO_LARGE, "/x/0",
         "has 7 rows, at most 6 are allowed (max_tokens)"},
        {"[[1,2,3,4,5,6]]", ERROR_TOO_LARGE, "/x/0",
         "has 6 numbers, at most 5 are allowed (max_width)"},
        {"[[[1]],[[1]],[[1]],[[1]],[1}", ERROR_INVALID_JSON, "",
         "line 1, column 28 (byte 27): expected ',' or ']'"},
        {"{\"dtype\":\"f32\",\"shape\":[4,1,1],\"data\":\"\"}", ERROR_TOO_LARGE,
         "/x/shape/0", "is 4, at most 3 is allowed (max_batch)"},
        {"{\"dtype\":\"f32\",\"shape\":[4294967296,5],\"data\":\"\"}", ERROR_TOO_LARGE,
         "/x/shape/0", "is 4294967296, at most 6 is allowed (max_tokens)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct batch b;
        open_document(&d, cases[i].text, 1 << 16);
        ck_assert_msg(!read_batch(&d, &b), "%s", cases[i].text);
        ck_assert_int_eq(d.e.code, cases[i].code);
        ck_assert_str_eq(d.e.path, cases[i].path);
        ck_assert_str_eq(d.e.message, cases[i].message);
        arena_free(&d.arena);
    }
}
END_TEST

/* {"dtype":..,"shape":[..],"data":..} around `bytes`; the caller's to free. */
static char *pack(const char *dtype, const char *shape, const void *bytes, size_t count)
{
    char *text = malloc(base64_length(count) + 100);
    size_t length = (size_t)sprintf(
        text, "{\"dtype\":\"%s\",\"shape\":[%s],\"data\":\"", dtype, shape);
    length += base64_encode(bytes, count, text + length);
    strcpy(text + length, "\"}");
    return text;
}

START_TEST(every_dtype_becomes_float32)
{
    const struct {
        const char *dtype;
        size_t size;
        unsigned char bytes[24];
        float want[3];
    } cases[] = {
        {"f32",
         12,
         "\x00\x00\x80\x3F\x00\x00\x20\xC1\x01\x00\x00\x00",
         {1, -10, 0x1p-149f}},
        {"f64",
         24,
         "\x00\x00\x00\x00\x00\x00\xF0\x3F\x9A\x99\x99\x99\x99\x99\xB9\xBF"
         "\x00\x00\x00\x00\x00\x00\x00\x00",
         {1, -0.1f, 0}},
        {"f16", 6, "\x00\x3C\x01\x80\xFF\x7B", {1, -0x1p-24f, 65504}},
        {"bf16", 6, "\x80\x3F\x49\xC0\x01\x00", {1, -3.140625f, 0x1p-133f}},
        {"i32",
         12,
         "\x01\x00\x00\x00\xFF\xFF\xFF\xFF\x00\x00\x00\x80",
         {1, -1, -2147483648.0f}},
        {"i64",
         24,
         "\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00"
         "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
         {1, 16777216, 0x1p63f}},
        {"bool", 3, "\x01\x00\x01", {1, 0, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = pack(cases[i].dtype, "1,3", cases[i].bytes, cases[i].size);
        struct document d;
        struct tensor t;
        open_document(&d, text, 1 << 16);
        ck_assert_msg(read_tensor(&d, &matrix, &t), "%s: %s", text, d.e.message);
        ck_assert_uint_eq(tensor_count(&t), 3);
        for (size_t k = 0; k < 3; k++)
            ck_assert_msg(t.data[k] == cases[i].want[k], "%s: %g, want %g",
                          cases[i].dtype, (double)t.data[k], (double)cases[i].want[k]);
        arena_free(&d.arena);
        free(text);
    }
}
END_TEST

/* The definition: (-1)^s 2^(e-15) (1 + f/1024), and without the 1 for e = 0. */
START_TEST(all_half_floats_are_converted_exactly)
{
    const struct tensor_rules rules = {1, 1, 65536, "max_tokens"};
    for (unsigned sign = 0; sign < 2; sign++) {
        unsigned char bytes[2 * 31 * 1024];
        for (unsigned i = 0; i < 31 * 1024; i++) {
            bytes[2 * i] = (unsigned char)i;
            bytes[2 * i + 1] = (unsigned char)(i >> 8 | sign << 7);
        }
        char *text = pack("f16", "31744", bytes, sizeof bytes);
        struct document d;
        struct tensor t;
        open_document(&d, text, 1 << 20);
        ck_assert_msg(read_tensor(&d, &rules, &t), "%s", d.e.message);
        for (int i = 0; i < 31 * 1024; i++) {
            int e = i / 1024, f = i % 1024;
            double want = e == 0 ? ldexp(f, -24) : ldexp(1 + f / 1024.0, e - 15);
            if ((double)t.data[i] != (sign ? -want : want) ||
                !signbit(t.data[i]) != !sign)
                ck_abort_msg("%04x is %g", (unsigned)i, (double)t.data[i]);
        }
        arena_free(&d.arena);
        free(text);
    }
}
END_TEST

/* Threats 72, 73, 81. */
START_TEST(a_packed_tensor_that_does_not_fit_is_refused_where_it_goes_wrong)
{
    const struct {
        const char *text, *path, *message;
    } cases[] = {
        {"{}", "/x", "has no \"dtype\""},
        {"{\"dtype\":\"f32\"}", "/x", "has no \"shape\""},
        {"{\"dtype\":\"f32\",\"shape\":[1,1]}", "/x", "has no \"data\""},
        {"{\"dtype\":\"f32\",\"Shape\":[1]}", "/x/Shape",
         "is unknown; a tensor has dtype, shape and data"},
        {"{\"dtype\":\"f31\"}", "/x/dtype",
         "must be one of f32, f64, f16, bf16, i32, i64, bool"},
        {"{\"dtype\":4}", "/x/dtype", "must be a string, not a number"},
        {"{\"data\":[]}", "/x/data", "must be a string, not an array"},
        {"{\"shape\":3}", "/x/shape", "must be an array, not a number"},
        {"{\"shape\":[]}", "/x/shape", "has 0 dimensions, expected 2"},
        {"{\"shape\":[1,2,3,4,5]}", "/x/shape", "has 5 dimensions, expected 2"},
        {"{\"shape\":[1,0]}", "/x/shape/1", "must be a whole number, 1 or more"},
        {"{\"shape\":[1.5,1]}", "/x/shape/0", "must be a whole number, 0 or more"},
        {"{\"shape\":[1,1e16]}", "/x/shape/1", "must be at most 9007199254740992"},
        {"{\"shape\":[\"4\",1]}", "/x/shape/0", "must be a number, not a string"},
        {"{\"dtype\":\"f64\",\"shape\":[3,4],\"data\":\"AAAAAAAA\"}", "/x/data",
         "holds 6 bytes, shape [3,4] of f64 needs 96"},
        {"{\"dtype\":\"bool\",\"shape\":[1,2],\"data\":\"AAA\"}", "/x/data",
         "is not base64: its 3 characters are no multiple of 4"},
        {"{\"dtype\":\"bool\",\"shape\":[1,2],\"data\":\"AA A\"}", "/x/data",
         "holds 3 bytes, shape [1,2] of bool needs 2"},
        {"{\"dtype\":\"bool\",\"shape\":[1,3],\"data\":\"AA-A\"}", "/x/data",
         "is not base64: character 2 is wrong"},
        {"{\"dtype\":\"bool\",\"shape\":[1,2],\"data\":\"AAB=\"}", "/x/data",
         "is not base64: character 2 is wrong"},
        {"{\"dtype\":\"bool\",\"shape\":[1,3],\"data\":\"AQAC\"}", "/x/0/2",
         "is neither 0 nor 1"},
        {"{\"dtype\":\"f16\",\"shape\":[1,1],\"data\":\"AHw=\"}", "/x/0/0",
         "is no finite float32"},
        {"{\"dtype\":\"bf16\",\"shape\":[1,1],\"data\":\"wH8=\"}", "/x/0/0",
         "is no finite float32"},
        {"{\"dtype\":\"f64\",\"shape\":[1,1],\"data\":\"AAAAAAAA8H8=\"}", "/x/0/0",
         "is no finite float32"},
        {"{\"dtype\":\"f64\",\"shape\":[1,1],\"data\":\"AAAAAAAA8Ec=\"}", "/x/0/0",
         "is outside the range of float32"}, /* 2^128 */
        {"{\"dtype\":\"f32\",\"shape\":[2,2],\"data\":\"AACAPwAAAEAAAMB/AACAQA==\"}",
         "/x/1/0", "is no finite float32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct tensor t;
        open_document(&d, cases[i].text, 1 << 16);
        ck_assert_msg(!read_tensor(&d, &matrix, &t), "%s", cases[i].text);
        ck_assert_int_eq(d.e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(d.e.path, cases[i].path);
        ck_assert_str_eq(d.e.message, cases[i].message);
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(the_first_of_many_that_is_not_finite_is_told)
{
    enum { NUMBERS = 2 * 32 + 5 };
    const struct tensor_rules rules = {2, 2, NUMBERS, "max_tokens"};
    const float wrong[] = {INFINITY, -INFINITY, NAN};
    for (size_t at = 0; at <= NUMBERS; at++) {
        float numbers[NUMBERS];
        for (size_t i = 0; i < NUMBERS; i++)
            numbers[i] = i % 2 ? 3.4028235e38f : -1e-45f * (float)i;
        for (size_t i = at; i < NUMBERS; i += 7)
            numbers[i] = wrong[i % 3];

        char *text = pack("f32", "1,69", numbers, sizeof numbers), path[80];
        struct document d;
        struct tensor t;
        open_document(&d, text, 1 << 16);
        ck_assert(read_tensor(&d, &rules, &t) == (at == NUMBERS));
        if (at == NUMBERS) {
            ck_assert_mem_eq(t.data, numbers, sizeof numbers);
        } else {
            sprintf(path, "/x/0/%zu", at);
            ck_assert_str_eq(d.e.path, path);
            ck_assert_str_eq(d.e.message, "is no finite float32");
        }
        arena_free(&d.arena);
        free(text);
    }
}
END_TEST

/* Threat 82. */
START_TEST(a_shape_whose_product_wraps_is_refused)
{
    const struct tensor_rules rules = {4, 4, SIZE_MAX, "max_tokens"};
    const char *const texts[] = {
        "{\"dtype\":\"f32\",\"shape\":[4294967296,4294967296,1,1],\"data\":\"\"}",
        "{\"dtype\":\"bool\",\"shape\":[9007199254740992,1024,2,1],\"data\":\"\"}",
        "{\"dtype\":\"f64\",\"shape\":[65536,65536,65536,32768],\"data\":\"\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct document d;
        struct tensor t;
        open_document(&d, texts[i], 1 << 16);
        ck_assert(!read_tensor(&d, &rules, &t));
        ck_assert_str_eq(d.e.path, "/x/shape");
        ck_assert_str_eq(d.e.message, "has more elements than any memory");
        ck_assert_uint_eq(d.arena.used, 0);
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(a_mask_is_of_booleans_or_of_numbers)
{
    const struct {
        const char *text;
        enum mask_kind kind;
        size_t rank, extent[4];
        float values[4]; /* 0 and 1 for booleans */
    } cases[] = {
        {"[true,false]", MASK_BOOLEAN, 1, {2}, {1, 0}},
        {"[[true,false],[false,true]]", MASK_BOOLEAN, 2, {2, 2}, {1, 0, 0, 1}},
        {"[[[[0,-1.5]]],[[[2,\"-Infinity\"]]]]",
         MASK_ADDITIVE,
         4,
         {2, 1, 1, 2},
         {0, -1.5f, 2, -INFINITY}},
        {"[[null,1],[\"\\u002dInfinity\",2]]",
         MASK_ADDITIVE,
         2,
         {2, 2},
         {-INFINITY, 1, -INFINITY, 2}},
        {"{\"dtype\":\"bool\",\"shape\":[3],\"data\":\"AQAB\"}",
         MASK_BOOLEAN,
         1,
         {3},
         {1, 0, 1}},
        {"{\"dtype\":\"i32\",\"shape\":[1,2],\"data\":\"AQAAAAIAAAA=\"}",
         MASK_ADDITIVE,
         2,
         {1, 2},
         {1, 2}},
        {"{\"dtype\":\"f16\",\"shape\":[1,2],\"data\":\"APwAAA==\"}",
         MASK_ADDITIVE,
         2,
         {1, 2},
         {-INFINITY, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct attention_mask m;
        size_t count = 1;
        open_document(&d, cases[i].text, 1 << 16);
        ck_assert_msg(read_mask(&d, &m), "%s: %s", cases[i].text, d.e.message);
        ck_assert_int_eq(m.kind, cases[i].kind);
        ck_assert_uint_eq(m.rank, cases[i].rank);
        ck_assert_mem_eq(m.extent, cases[i].extent, sizeof m.extent);
        for (size_t k = 0; k < m.rank; k++)
            count *= m.extent[k];
        for (size_t k = 0; k < count; k++)
            ck_assert((m.kind == MASK_BOOLEAN ? m.allowed[k] : m.bias[k]) ==
                      cases[i].values[k]);
        arena_free(&d.arena);
    }
}
END_TEST

START_TEST(a_mask_that_is_wrong_is_refused_where_it_goes_wrong)
{
    const struct {
        const char *text;
        enum error_code code;
        const char *path, *message;
    } cases[] = {
        {"[true,0]", ERROR_INVALID_INPUT, "/x/1",
         "must be a boolean like the first value, not a number"},
        {"[[true],[null]]", ERROR_INVALID_INPUT, "/x/1/0",
         "must be a boolean like the first value, not null"},
        {"[true,[true]]", ERROR_INVALID_INPUT, "/x/1",
         "must be a boolean, not an array"},
        {"[0,1,false]", ERROR_INVALID_INPUT, "/x/2",
         "must be a number like the first value, not a boolean"},
        {"[0,\"Infinity\"]", ERROR_INVALID_INPUT, "/x/1",
         "must be a number, \"-Infinity\" or null"},
        {"[\"NaN\"]", ERROR_INVALID_INPUT, "/x/0",
         "must be a number, \"-Infinity\" or null"},
        {"[0,{}]", ERROR_INVALID_INPUT, "/x/1", "must be a number, not an object"},
        {"[0,1e40]", ERROR_INVALID_INPUT, "/x/1", "is outside the range of float32"},
        {"[[0,1],[0]]", ERROR_INVALID_INPUT, "/x/1", "has 1 values, expected 2"},
        {"true", ERROR_INVALID_INPUT, "/x",
         "must be an array or a base64 tensor, not a boolean"},
        {"[[[[[true]]]]]", ERROR_INVALID_INPUT, "/x/0/0/0/0",
         "is nested too deep: at most 4 dimensions are allowed here"},
        {"[true,true,true,true,true,true,true]", ERROR_TOO_LARGE, "/x",
         "has 7 values, at most 6 are allowed (max_tokens)"},
        {"[[[0]],[[0]],[[0]]]", ERROR_TOO_LARGE, "/x",
         "has 3 arrays, at most 2 are allowed (max_heads)"},
        {"{\"dtype\":\"f32\",\"shape\":[1,7],\"data\":\"\"}", ERROR_TOO_LARGE,
         "/x/shape/1", "is 7, at most 6 is allowed (max_tokens)"},
        {"{\"dtype\":\"f16\",\"shape\":[1,2],\"data\":\"AHwAAA==\"}",
         ERROR_INVALID_INPUT, "/x/0/0", "is no finite float32"}, /* +infinity */
        {"{\"dtype\":\"f64\",\"shape\":[1,2,2],\"data\":\"AAAAAAAAAAAAAAAAAADw/"
         "x1KnPSHggfIAAAAAAAAAAA=\"}",
         ERROR_INVALID_INPUT, "/x/0/1/0",
         "is outside the range of float32"}, /* -1e39, after -infinity */
        {"{\"dtype\":\"bool\",\"shape\":[3],\"data\":\"AQ-B\"}", ERROR_INVALID_INPUT,
         "/x/data", "is not base64: character 2 is wrong"},
        {"{\"dtype\":\"bool\",\"shape\":[3],\"data\":\"AQIB\"}", ERROR_INVALID_INPUT,
         "/x/1", "is neither 0 nor 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct document d;
        struct attention_mask m;
        open_document(&d, cases[i].text, 1 << 16);
        ck_assert_msg(!read_mask(&d, &m), "%s", cases[i].text);
        ck_assert_int_eq(d.e.code, cases[i].code);
        ck_assert_str_eq(d.e.path, cases[i].path);
        ck_assert_str_eq(d.e.message, cases[i].message);
        arena_free(&d.arena);
    }
}
END_TEST

/* Reads `text` as each of the three; true when one of them could. */
static bool read_as_anything(const char *text, size_t limit)
{
    bool good = false;
    for (int reader = 0; reader < 3; reader++) {
        struct document d;
        struct tensor t;
        struct batch b;
        struct attention_mask m;
        open_document(&d, text, limit);
        bool read = reader == 0   ? read_tensor(&d, &any_rank, &t)
                    : reader == 1 ? read_batch(&d, &b)
                                  : read_mask(&d, &m);
        if (!read && limit < SIZE_MAX)
            ck_assert_msg(d.e.code == ERROR_OUT_OF_MEMORY ||
                              d.e.code == ERROR_INVALID_INPUT ||
                              d.e.code == ERROR_TOO_LARGE,
                          "%zu bytes: %s", limit, d.e.message);
        good |= read;
        arena_free(&d.arena);
    }
    return good;
}

static void try_every_memory(const char *text, size_t most, size_t step)
{
    bool good = false;
    ck_assert(read_as_anything(text, SIZE_MAX));
    ck_assert(!read_as_anything(text, 0));
    for (size_t limit = 0; limit < most; limit += step) {
        bool now = read_as_anything(text, limit);
        ck_assert_msg(now >= good, "%zu bytes do, but more do not", limit);
        good = now;
    }
    ck_assert(good);
}

/* Threat 88. */
START_TEST(with_little_memory_they_succeed_or_say_so)
{
    const char *const texts[] = {
        "[[1,2,3],[4,5,6],[7,8,9]]",
        "[[[1,2]],[[3,4],[5,6]]]",
        "[true,false]",
        "[[null,1],[\"\\u002dInfinity\",2]]",
        "[{\"dtype\":\"i64\",\"shape\":[1,1],\"data\":\"AQAAAAA\\u0041AAA=\"}]",
        "{\"\\u0064type\":\"f16\",\"shape\":[2,1],\"data\":\"APwAAA==\"}",
        "{\"dtype\":\"bool\",\"shape\":[1,3],\"data\":\"AQAB\"}",
        "{\"dtype\":\"bool\",\"shape\":[3,1,1],\"data\":\"AQAB\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        try_every_memory(texts[i], 1024, 3);
}
END_TEST

/* 6 x 6 x 6 x 6 numbers: more than the first room holds. */
START_TEST(growing_with_little_memory_succeeds_or_says_so)
{
    char text[8192], *at = text;
    for (int i = 0; i < 1296; i++) {
        at += sprintf(at, "%s", i == 0 ? "" : ",");
        for (int block = 1296; block >= 6; block /= 6)
            at += sprintf(at, "%s", i % block == 0 ? "[" : "");
        at += sprintf(at, "%d", i % 10);
        for (int block = 6; block <= 1296; block *= 6)
            at += sprintf(at, "%s", i % block == block - 1 ? "]" : "");
    }
    try_every_memory(text, 16384, 64);
}
END_TEST

TEST_PROGRAM("tensor_json", nested_arrays_become_rows_of_floats,
             what_is_no_tensor_is_refused_where_it_goes_wrong,
             what_is_not_json_is_called_so, too_many_are_counted_but_not_stored,
             memory_stays_in_proportion_to_the_text,
             a_batch_is_one_sequence_or_several_of_any_length,
             a_tensor_that_was_not_given_has_no_numbers,
             a_batch_that_does_not_fit_is_refused_where_it_goes_wrong,
             every_dtype_becomes_float32, all_half_floats_are_converted_exactly,
             a_packed_tensor_that_does_not_fit_is_refused_where_it_goes_wrong,
             the_first_of_many_that_is_not_finite_is_told,
             a_shape_whose_product_wraps_is_refused,
             a_mask_is_of_booleans_or_of_numbers,
             a_mask_that_is_wrong_is_refused_where_it_goes_wrong,
             with_little_memory_they_succeed_or_say_so,
             growing_with_little_memory_succeeds_or_says_so)
