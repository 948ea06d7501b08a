/* Any text as a number, beside strtof and jansson; any bits as a float32, written and
 * read back. */
#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/number.h"
#include "codec/number_kernels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* The whole text is a number exactly when jansson takes it for one. It has a limit
 * of its own: the range of a double. */
static void compare_grammar(const char *text, size_t size)
{
    const char *at = text;
    if (size == 0 || size > NUMBER_MAX_TOKEN || !strchr("-0123456789", text[0]))
        return;
    bool ours = number_skip(&at, text + size) == NUMBER_OK && at == text + size;
    json_error_t error;
    json_t *theirs = json_loadb(text, size, JSON_DECODE_ANY, &error);
    bool blanks = strcspn(text, " \t\r\n") < size || strlen(text) < size;
    assert(ours == (theirs != NULL) || blanks ||
           (ours && json_error_code(&error) == json_error_numeric_overflow));
    json_decref(theirs);
}

static void compare_value(const char *text, size_t size)
{
    const char *at = text;
    float value;
    enum number_status status = number_read_float(&at, text + size, &value);
    assert(at >= text && at <= text + size);
    if (status == NUMBER_MALFORMED || status == NUMBER_TOO_LONG)
        return;

    if (status == NUMBER_OUT_OF_RANGE) {
        assert(at == text && isinf(strtof(text, NULL)));
        return;
    }
    char *token = strndup(text, (size_t)(at - text)), *end;
    assert(token && same_bits(value, strtof(token, &end)) && *end == '\0');
    free(token);
}

/* Behind some zeros, and before some: what the kernels read, number_read_float() reads.
 */
static void compare_kernels(const char *text, size_t size)
{
    static const char before
        [] = "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
  after[] =
        ",0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]";
    const size_t head = sizeof before - 1, length = head + 1 + size + sizeof after - 1;
    char *row = malloc(length);
    assert(row);
    memcpy(row, before, head);
    row[head] = ',';
    memcpy(row + head + 1, text, size);
    memcpy(row + head + 1 + size, after, sizeof after - 1);

    const struct number_kernels *k;
    for (size_t set = 0; (k = number_kernels_choice(set)) != NULL; set++) {
        float got[64], want;
        const char *at = row + head, *p = at;
        size_t count = k->read(row, &at, row + length, got, 64);
        for (size_t i = 0; i < count; i++) {
            assert(p < at);
            p += 1 + strspn(p + 1, " \t\r\n");
            assert(number_read_float(&p, row + length, &want) == NUMBER_OK);
            assert(same_bits(got[i], want));
        }
        assert(p == at);
    }
    free(row);
}

/* number_write() has been held against the C library already. */
static char *write_one(float x, unsigned digits, char *out)
{
    return out + (digits ? number_write_digits(x, digits, out) : number_write(x, out));
}

static void kernels_write(float value, unsigned digits, const char *text, size_t length)
{
    const struct number_kernels *k;
    for (size_t set = 0; (k = number_kernels_choice(set)) != NULL; set++) {
        char out[NUMBER_MAX_BYTES + 1];
        char *end = k->write(&value, 1, digits, write_one, out);
        assert(end == out + length + 1 && memcmp(out, text, length) == 0);
        assert(out[length] == ',');
    }
}

static void write_and_read(float value)
{
    char text[NUMBER_MAX_BYTES], slow[64], fast[64];
    size_t length = number_write(value, text);
    const char *at = text;
    float back;
    assert(length <= NUMBER_MAX_BYTES);
    assert(number_read_float(&at, text + length, &back) == NUMBER_OK);
    assert(at == text + length && same_bits(back, value));
    kernels_write(value, 0, text, length);

    for (unsigned digits = 1; digits <= NUMBER_MAX_DIGITS; digits++) {
        length = number_write_digits(value, digits, text);
        assert(length <= NUMBER_MAX_BYTES);
        kernels_write(value, digits, text, length);
        snprintf(fast, sizeof fast, "%.*s", (int)length, text);
        snprintf(slow, sizeof slow, "%.*e", (int)digits - 1, (double)value);
        assert(strtod(fast, NULL) == strtod(slow, NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    text[size] = '\0';
    compare_grammar(text, size);
    compare_value(text, size);
    compare_kernels(text, size);
    free(text);

    float value;
    if (size == sizeof value) {
        memcpy(&value, data, sizeof value);
        if (isfinite(value))
            write_and_read(value);
    }
    return 0;
}
