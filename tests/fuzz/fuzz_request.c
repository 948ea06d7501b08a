/* Any bytes as the body of POST /v1/attention: they are refused, or they are
 * computed, and then every answer is JSON within its bounds. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/attention_request.h"
#include "codec/attention_response.h"
#include "codec/picture_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small enough that an input is never slow, large enough to pass every axis. */
static const struct attention_limits limits = {
    .max_batch = 8,
    .max_tokens = 24,
    .max_width = 24,
    .max_heads = 8,
    .max_map_numbers = 20000,
    .answer_limit = 1 << 20,
};
static const size_t memory = 16 << 20;

static void write_answer(const struct attention_request *request,
                         const struct multi_head_result *result, struct arena *arena)
{
    const struct attention_timing timing = {0};
    const struct json_text id = {"fuzz", 4};
    struct error e = {0};
    struct attention_response *r =
        attention_response_plan(request, result, id, &limits, arena, &e);
    if (!r)
        return;

    struct buffer answer;
    buffer_init(&answer, limits.answer_limit + 1);
    size_t pieces = attention_response_pieces(r);
    for (size_t i = 0; i < pieces; i++) {
        size_t bound = attention_response_bound(r, i);
        char *out = malloc(bound);
        assert(out);
        size_t length = i + 1 < pieces ? attention_response_write(r, i, out)
                                       : attention_response_finish(r, &timing, out);
        assert(length <= bound);
        buffer_append(&answer, out, length);
        free(out);
    }
    assert(!answer.failed);
    assert(json_check(answer.data, answer.length, arena, &e));
    buffer_free(&answer);
}

static void draw(const struct attention_request *request,
                 const struct multi_head_result *result)
{
    struct buffer picture;
    buffer_init(&picture, PICTURE_TEXT_BYTES + 1);
    picture_text_draw(request, result, &picture);
    assert(!picture.failed);
    buffer_free(&picture);
}

static void compute(const struct attention_request *request, struct arena *arena)
{
    struct error e = {0};
    struct multi_head *m = multi_head_plan(&request->input, &limits, arena, &e);
    if (m && multi_head_run_all(m, arena, &e)) {
        write_answer(request, multi_head_result(m), arena);
        draw(request, multi_head_result(m));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = malloc(size ? size : 1); /* so that its end is watched */
    assert(body);
    memcpy(body, data, size);

    struct arena arena;
    struct attention_request request;
    struct error e = {0};
    arena_init(&arena, memory, NULL);
    if (attention_request_decode(body, size, &limits, &arena, &request, &e))
        compute(&request, &arena);
    else
        assert(e.code == ERROR_EMPTY_BODY || e.code == ERROR_INVALID_JSON ||
               e.code == ERROR_INVALID_INPUT || e.code == ERROR_TOO_LARGE ||
               e.code == ERROR_OUT_OF_MEMORY);
    arena_free(&arena);
    free(body);
    return 0;
}
