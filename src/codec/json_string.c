#include "codec/json_string.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "codec/utf8.h"

enum { STRIDE = 64 };

/* The high bit of every byte, of eight, that is a quote, a backslash, a control or
 * beyond ASCII; bytes behind the first of them (the lowest) may be wrong. A byte minus
 * n borrows into its high bit when it is below n. */
static inline uint64_t special(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101, high = 0x8080808080808080;
    const uint64_t quote = bytes ^ (ones * '"'), slash = bytes ^ (ones * '\\');
    return (bytes | (bytes - ones * 0x20) | (quote - ones) | (slash - ones)) & high;
}

typedef int8_t sixteen __attribute__((vector_size(16)));

/* The same of STRIDE bytes. As numbers with a sign those beyond ASCII are below 0. */
static inline bool are_all_plain(const char *p)
{
    sixteen special = {0};
    for (size_t i = 0; i < STRIDE; i += sizeof special) {
        sixteen bytes;
        memcpy(&bytes, p + i, sizeof bytes);
        special |= (bytes == '"') | (bytes == '\\') | (bytes < 0x20);
    }
    uint64_t halves[2];
    memcpy(halves, &special, sizeof halves);
    return (halves[0] | halves[1]) == 0;
}

/* The character at *at, beyond ASCII; moves *at behind it. */
static enum json_string_status check_character(const char **at, const char *end)
{
    const size_t left = (size_t)(end - *at);
    uint32_t ignored;
    size_t length = utf8_read(*at, left, &ignored);
    if (length == 1) /* is no character; is it the beginning of one? */
        return left < 4 && !memchr(*at, '"', left) ? JSON_STRING_CUT : JSON_STRING_UTF8;
    *at += length;
    return JSON_STRING_OK;
}

/* The four hex digits at `p`; -1 when they are none. */
static int hex4(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = p[i] >= '0' && p[i] <= '9'   ? p[i] - '0'
                    : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10
                    : p[i] >= 'A' && p[i] <= 'F' ? p[i] - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_surrogate(int unit)
{
    return unit >= 0xD800 && unit <= 0xDFFF;
}

/* The "\uXXXX" at *at, or a pair of them; moves *at behind it. */
static enum json_string_status check_unicode(const char **at, const char *end)
{
    const char *p = *at;
    if (end - p < 6)
        return memchr(p, '"', (size_t)(end - p)) ? JSON_STRING_ESCAPE : JSON_STRING_CUT;
    int unit = hex4(p + 2);
    if (unit < 0)
        return JSON_STRING_ESCAPE;
    *at = p + 6;
    if (!is_surrogate(unit))
        return JSON_STRING_OK;

    *at = p;
    if (unit >= 0xDC00)
        return JSON_STRING_SURROGATE;
    p += 6;
    if (end - p < 6)
        return memchr(p, '"', (size_t)(end - p)) ? JSON_STRING_SURROGATE
                                                 : JSON_STRING_CUT;
    int second = p[0] == '\\' && p[1] == 'u' ? hex4(p + 2) : -1;
    if (second < 0xDC00 || second > 0xDFFF)
        return JSON_STRING_SURROGATE;
    *at = p + 6;
    return JSON_STRING_OK;
}

static enum json_string_status check_escape(const char **at, const char *end)
{
    const char *p = *at;
    if (end - p < 2)
        return JSON_STRING_CUT;
    if (p[1] == 'u')
        return check_unicode(at, end);
    if (p[1] == '\0' || !strchr("\"\\/bfnrt", p[1]))
        return JSON_STRING_ESCAPE;
    *at = p + 2;
    return JSON_STRING_OK;
}

/* From behind the opening quote to the closing one, which *at is moved to. */
static enum json_string_status check(const char **at, const char *end, bool *escapes)
{
    const char *p = *at;
    enum json_string_status status = JSON_STRING_OK;
    while (end - p >= STRIDE && are_all_plain(p)) /* long ones are base64 */
        p += STRIDE;
    for (;;) {
        for (uint64_t bytes, found; end - p >= 8; p += 8) {
            memcpy(&bytes, p, sizeof bytes);
            found = special(le64toh(bytes));
            if (found != 0) {
                p += __builtin_ctzll(found) / 8;
                break;
            }
        }
        *at = p;
        if (p == end)
            return JSON_STRING_CUT;
        if (*p == '"')
            return JSON_STRING_OK;

        if (*p == '\\') {
            *escapes = true;
            status = check_escape(&p, end);
            if (status != JSON_STRING_OK)
                return status;
        } else if ((unsigned char)*p < 0x20) {
            return JSON_STRING_CONTROL;
        } else if ((unsigned char)*p < 0x80) {
            p++;
        } else {
            status = check_character(&p, end);
            if (status != JSON_STRING_OK)
                return status;
        }
    }
}

/* A code point as UTF-8. */
static char *put_character(char *out, uint32_t c)
{
    const unsigned tail = 0x80, bits = 0x3F;
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *out++ = (char)(0xE0 | c >> 12);
        } else {
            *out++ = (char)(0xF0 | c >> 18);
            *out++ = (char)(tail | (c >> 12 & bits));
        }
        *out++ = (char)(tail | (c >> 6 & bits));
    }
    *out++ = (char)(tail | (c & bits));
    return out;
}

/* The escape at `p`, known to be right; moves *out behind what it means. */
static const char *unescape(const char *p, char **out)
{
    switch (p[1]) {
    case 'b': *(*out)++ = '\b'; return p + 2;
    case 'f': *(*out)++ = '\f'; return p + 2;
    case 'n': *(*out)++ = '\n'; return p + 2;
    case 'r': *(*out)++ = '\r'; return p + 2;
    case 't': *(*out)++ = '\t'; return p + 2;
    case 'u': break;
    default: *(*out)++ = p[1]; return p + 2;
    }

    const int unit = hex4(p + 2);
    if (!is_surrogate(unit)) {
        *out = put_character(*out, (uint32_t)unit);
        return p + 6;
    }
    const int second = hex4(p + 8);
    *out = put_character(*out, 0x10000 + ((uint32_t)(unit - 0xD800) << 10) +
                                   (uint32_t)(second - 0xDC00));
    return p + 12;
}

/* What an escape means is never longer than the escape. */
static bool unescape_all(struct json_text raw, struct arena *arena,
                         struct json_text *out, struct error *e)
{
    char *text = arena_alloc(arena, raw.length, 1, e), *to = text;
    if (!text)
        return false;

    for (const char *p = raw.bytes, *end = raw.bytes + raw.length; p < end;) {
        if (*p == '\\')
            p = unescape(p, &to);
        else
            *to++ = *p++;
    }
    *out = (struct json_text){text, (size_t)(to - text)};
    arena_shrink(arena, text, raw.length, out->length);
    return true;
}

enum json_string_status json_string_read(const char **at, const char *end,
                                         struct arena *arena, struct json_text *out,
                                         const char **wrong, struct error *e)
{
    const char *begin = *at + 1, *p = begin;
    bool escapes = false;
    enum json_string_status status = check(&p, end, &escapes);
    if (status != JSON_STRING_OK) {
        *wrong = p;
        return status;
    }

    const struct json_text raw = {begin, (size_t)(p - begin)};
    if (out)
        *out = raw;
    if (out && escapes && !unescape_all(raw, arena, out, e))
        return JSON_STRING_NO_MEMORY;
    *at = p + 1;
    return JSON_STRING_OK;
}
