#include "codec/json_reader_parts.h"
#include "codec/json_string.h"
#include "codec/number.h"
#include "codec/number_kernels.h"
#include "codec/number_whole.h"

_Static_assert(JSON_SIZE_MOST == NUMBER_MOST_WHOLE,
               "what can be read can be asked for");

static bool string_failed(const struct json_reader *r, enum json_string_status status,
                          const char *wrong, struct error *e)
{
    switch (status) {
    case JSON_STRING_CUT:
        return json_refuse_at(r, r->end, e, "the text ends inside a string");
    case JSON_STRING_CONTROL:
        return json_refuse_at(r, wrong, e,
                              "a control character in a string must be escaped");
    case JSON_STRING_ESCAPE:
        return json_refuse_at(r, wrong, e, "this is not an escape");
    case JSON_STRING_SURROGATE:
        return json_refuse_at(r, wrong, e, "half of a surrogate pair stands alone");
    case JSON_STRING_UTF8:
        return json_refuse_at(r, wrong, e, "the text is not valid UTF-8");
    case JSON_STRING_OK:
    case JSON_STRING_NO_MEMORY: break;
    }
    return false;
}

static bool read_text(struct json_reader *r, struct json_text *out, struct error *e)
{
    const char *wrong = NULL;
    enum json_string_status status =
        json_string_read(&r->at, r->end, r->arena, out, &wrong, e);
    return status == JSON_STRING_OK || string_failed(r, status, wrong, e);
}

/* A name ends after so many bytes, or is not looked at any further. */
bool json_read_name(struct json_reader *r, struct json_text *out, struct error *e)
{
    const size_t most = JSON_MAX_NAME + 2; /* its quotes */
    const bool more = (size_t)(r->end - r->at) > most;
    const char *end = more ? r->at + most : r->end, *wrong = NULL;
    enum json_string_status status =
        json_string_read(&r->at, end, r->arena, out, &wrong, e);
    if (status == JSON_STRING_CUT && more)
        return json_refuse_at(r, r->at, e, "a name is longer than %d bytes",
                              JSON_MAX_NAME);
    return status == JSON_STRING_OK || string_failed(r, status, wrong, e);
}

bool json_reader_first_float(struct json_reader *r, float *out)
{
    const char *p = json_after_blanks(r->at, r->end);
    if (number_read_float(&p, r->end, out) != NUMBER_OK)
        return false;
    r->at = p;
    return true;
}

static bool one_more_float(struct json_reader *r, float *out)
{
    const char *p = json_after_blanks(r->at, r->end);
    if (p == r->end || *p != ',')
        return false;
    p = json_after_blanks(p + 1, r->end);
    if (number_read_float(&p, r->end, out) != NUMBER_OK)
        return false;
    r->at = p;
    return true;
}

/* As many as are short and whole: rows of a few need no kernel. */
static size_t more_wholes(struct json_reader *r, float *out, size_t room)
{
    size_t count = 0;
    while (count < room) {
        uint32_t whole;
        const char *p = json_after_blanks(r->at, r->end);
        if (p == r->end || *p != ',')
            break;
        p = json_after_blanks(p + 1, r->end);
        if (!number_whole_read(&p, r->end, &whole))
            break;
        out[count++] = (float)whole;
        r->at = p;
    }
    return count;
}

static bool another_follows(const struct json_reader *r)
{
    const char *p = json_after_blanks(r->at, r->end);
    return p < r->end && *p == ',';
}

size_t json_reader_more_floats(struct json_reader *r, float *out, size_t room)
{
    size_t count = more_wholes(r, out, room);
    if (count == room || !another_follows(r))
        return count;

    const struct number_kernels *kernels = number_kernels_choice(0);
    while (count < room) {
        count += kernels->read(r->begin, &r->at, r->end, out + count, room - count);
        if (count == room || !one_more_float(r, &out[count]))
            break;
        count++;
    }
    return count;
}

static bool number_failed(const struct json_reader *r, enum number_status status,
                          const struct field *at, const char *type, struct error *e)
{
    if (status == NUMBER_OUT_OF_RANGE)
        return field_error(at, e, ERROR_INVALID_INPUT, "is outside the range of %s",
                           type);
    if (status == NUMBER_TOO_LONG)
        return json_refuse_at(r, r->at, e, "a number is longer than %d characters",
                              NUMBER_MAX_TOKEN);
    if (r->at == r->end)
        return json_refuse_at(r, r->at, e, "the text ends inside a number");
    return json_refuse_at(r, r->at, e, "expected a digit");
}

bool json_reader_float(struct json_reader *r, const struct field *at, float *out,
                       struct error *e)
{
    if (!json_expect(r, JSON_KIND_NUMBER, at, e))
        return false;
    enum number_status status = number_read_float(&r->at, r->end, out);
    return status == NUMBER_OK || number_failed(r, status, at, "float32", e);
}

bool json_reader_double(struct json_reader *r, const struct field *at, double *out,
                        struct error *e)
{
    if (!json_expect(r, JSON_KIND_NUMBER, at, e))
        return false;
    enum number_status status = number_read_double(&r->at, r->end, out);
    return status == NUMBER_OK || number_failed(r, status, at, "float64", e);
}

bool json_reader_size(struct json_reader *r, const struct field *at, size_t *out,
                      struct error *e)
{
    uint64_t value = 0;
    if (!json_expect(r, JSON_KIND_NUMBER, at, e))
        return false;
    enum number_status status = number_read_whole(&r->at, r->end, &value);
    switch (status) {
    case NUMBER_OK: *out = value; return true;
    case NUMBER_OUT_OF_RANGE: *out = JSON_SIZE_BEYOND; return true;
    case NUMBER_NOT_WHOLE: *out = JSON_NO_SIZE; return true;
    case NUMBER_MALFORMED:
    case NUMBER_TOO_LONG: break;
    }
    return number_failed(r, status, at, "", e);
}

static bool read_word(struct json_reader *r, const char *word, struct error *e)
{
    for (; *word; word++, r->at++) {
        if (r->at == r->end)
            return json_refuse_at(r, r->at, e, "the text ends inside a word");
        if (*r->at != *word)
            return json_refuse_at(r, r->at, e, "expected true, false or null");
    }
    return true;
}

bool json_reader_boolean(struct json_reader *r, const struct field *at, bool *out,
                         struct error *e)
{
    if (!json_expect(r, JSON_KIND_BOOLEAN, at, e))
        return false;
    *out = *r->at == 't';
    return read_word(r, *out ? "true" : "false", e);
}

bool json_reader_null(struct json_reader *r, const struct field *at, struct error *e)
{
    return json_expect(r, JSON_KIND_NULL, at, e) && read_word(r, "null", e);
}

bool json_reader_string(struct json_reader *r, const struct field *at,
                        struct json_text *out, struct error *e)
{
    return json_expect(r, JSON_KIND_STRING, at, e) && read_text(r, out, e);
}

bool json_skip_string(struct json_reader *r, struct error *e)
{
    return read_text(r, NULL, e);
}

bool json_skip_number(struct json_reader *r, struct error *e)
{
    enum number_status status = number_skip(&r->at, r->end);
    return status == NUMBER_OK || number_failed(r, status, NULL, "", e);
}
