/* Any bytes as a JSON document, judged beside jansson. */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ours alone: limits, and zero bytes, at which jansson stops looking. */
static bool is_our_limit(const char *text, size_t size, const struct error *e)
{
    return strstr(e->message, "nested deeper than") ||
           strstr(e->message, "more than") || strstr(e->message, "is longer than") ||
           memchr(text, '\0', size);
}

/* Theirs alone: escaped zeros in strings, and the range of a double. */
static bool is_their_limit(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    return code == json_error_null_character || code == json_error_null_byte_in_key ||
           code == json_error_numeric_overflow;
}

/* The place in a message lies within the text. */
static void check_place(const struct error *e, size_t size)
{
    size_t line = 0, column = 0, byte = size + 1;
    assert(e->path[0] == '\0');
    assert(sscanf(e->message, "line %zu, column %zu (byte %zu): ", &line, &column,
                  &byte) == 3);
    assert(line >= 1 && column >= 1 && byte <= size && line + column <= byte + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* exactly as large: overreads are seen */
    assert(text);
    memcpy(text, data, size);

    struct arena arena;
    struct error e = {0};
    arena_init(&arena, 1 << 20, NULL);
    bool ours = json_check(text, size, &arena, &e);
    json_error_t error;
    json_t *theirs =
        json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (ours)
        assert(theirs || is_their_limit(&error));
    else if (e.code == ERROR_INVALID_JSON)
        assert(!theirs || is_our_limit(text, size, &e));
    else
        assert(e.code == ERROR_OUT_OF_MEMORY);
    if (e.code == ERROR_INVALID_JSON)
        check_place(&e, size);

    json_decref(theirs);
    arena_free(&arena);
    free(text);
    return 0;
}
