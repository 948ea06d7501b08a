/* attention_refusals.h - tables of requests that the validator refuses, and why. */
#ifndef TESTS_SUPPORT_ATTENTION_REFUSALS_H
#define TESTS_SUPPORT_ATTENTION_REFUSALS_H

#include "core/attention_shape.h"
#include "support/test.h"

/* The validator looks at hardly any numbers, so all tensors share these. */
static const float numbers[16];

/* clang-format off */
#define VECTOR(n)          {numbers, 1, {n}}
#define MATRIX(r, c)       {numbers, 2, {r, c}}
#define CUBE(b, r, c)      {numbers, 3, {b, r, c}}
#define HEADS(b, h, r, c)  {numbers, 4, {b, h, r, c}}
#define ONE(r, c)          {1, true, (const struct tensor[]){MATRIX(r, c)}}
#define BATCH(r, c, s, d)  {2, false, (const struct tensor[]){MATRIX(r, c), MATRIX(s, d)}}
#define PROJECTED(q, k, v) .query = q, .key = k, .value = v
#define WEIGHTS(...)       .weights = {true, __VA_ARGS__}
#define MASK(r, ...)       .mask = {.kind = MASK_BOOLEAN, .rank = (r), .extent = {__VA_ARGS__}}
#define MAPS_OF(n, ...)    .map_heads_given = true, .map_head_count = (n), \
                           .map_heads = (const size_t[]){__VA_ARGS__}
/* clang-format on */

static const struct attention_limits defaults = {.max_batch = 256,
                                                 .max_tokens = 8192,
                                                 .max_width = 4096,
                                                 .max_heads = 128,
                                                 .max_map_numbers = 64 << 20};

struct refusal {
    const char *pointer, *message;
    struct attention_input input;
};

static inline void check_refusals(const struct refusal *rows, size_t count,
                                  const struct attention_limits *limits,
                                  enum error_code code)
{
    for (size_t i = 0; i < count; i++) {
        struct attention_shape shape;
        struct error e = {0};
        ck_assert_msg(!attention_shape_of(&rows[i].input, limits, &shape, &e),
                      "row %zu is accepted: %s", i, rows[i].message);
        ck_assert_str_eq(e.message, rows[i].message);
        ck_assert_str_eq(e.path, rows[i].pointer);
        ck_assert_int_eq(e.code, code);
    }
}

#define CHECK_REFUSALS(rows, limits, code) \
    check_refusals(rows, sizeof(rows) / sizeof *(rows), limits, code)

#endif
