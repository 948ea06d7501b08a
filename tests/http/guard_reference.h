/* guard_reference.h - the rules of http/guard once more, slow and obvious: the whole
 * text is there, and is read from left to right by one function a rule. */
#ifndef TESTS_HTTP_GUARD_REFERENCE_H
#define TESTS_HTTP_GUARD_REFERENCE_H

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/guard.h"

enum { REFERENCE_OPEN = -1 }; /* the text ended inside a message, or before one */

#define REFERENCE_TOKEN         \
    "!#$%&'*+-.^_`|~0123456789" \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct reference {
    const char *text;
    size_t length, at;
    size_t head_limit, head_from;
    bool in_head;

    /* Of this message. */
    bool http_1_0, host, chunked;
    long long content_length; /* -1: none */
    size_t fields, extensions;

    uint64_t messages;
    int stopped; /* REFERENCE_OPEN or an enum guard_reason */
    char *out;   /* the whole messages, as they may pass; as long as the text */
    size_t out_length, passed; /* of it, in messages that are whole */
};

static inline bool reference_stop(struct reference *r, int why)
{
    r->stopped = why;
    return false;
}

/* False at the end of the text, and of the head that is allowed. */
static inline bool reference_more(struct reference *r)
{
    if (r->at == r->length)
        return reference_stop(r, REFERENCE_OPEN);
    if (r->in_head && r->at - r->head_from == r->head_limit)
        return reference_stop(r, GUARD_HEAD_BYTES);
    return true;
}

static inline char reference_next(const struct reference *r)
{
    return r->text[r->at];
}

static inline void reference_take(struct reference *r)
{
    r->out[r->out_length++] = r->text[r->at++];
}

static inline bool reference_expect(struct reference *r, const char *text,
                                    int otherwise)
{
    for (; *text; text++) {
        if (!reference_more(r))
            return false;
        if (reference_next(r) != *text)
            return reference_stop(r, otherwise);
        reference_take(r);
    }
    return true;
}

static inline bool reference_is_token(char c)
{
    return c && strchr(REFERENCE_TOKEN, c);
}

static inline bool reference_is_text(char c)
{
    unsigned char u = (unsigned char)c;
    return u == '\t' || (u >= ' ' && u != 0x7f);
}

static inline bool reference_is_host(char c)
{
    return (reference_is_token(c) && !strchr("!#$%&'*+^`|", c)) ||
           (c && strchr(":[]", c));
}

static inline bool reference_start(struct reference *r)
{
    for (size_t lines = 0;; lines++) {
        if (!reference_more(r))
            return false;
        if (reference_is_token(reference_next(r)))
            return true;
        if (lines == 8 || reference_next(r) != '\r')
            return reference_stop(r, GUARD_LINE);
        if (!reference_expect(r, "\r\n", GUARD_LINE))
            return false;
    }
}

static inline bool reference_line(struct reference *r)
{
    while (reference_more(r) && reference_is_token(reference_next(r)))
        reference_take(r);
    if (!reference_expect(r, " ", GUARD_LINE))
        return false;

    size_t target = 0, ands = 0;
    for (; reference_more(r); target++) {
        char c = reference_next(r);
        if (!reference_is_text(c) || c == ' ' || c == '\t')
            break;
        if (target == 8192)
            return reference_stop(r, GUARD_TARGET);
        if (c == '&' && ands++ == 31)
            return reference_stop(r, GUARD_PARAMETERS);
        reference_take(r);
    }
    if (target == 0 && reference_more(r))
        return reference_stop(r, GUARD_LINE);
    if (!reference_expect(r, " HTTP/", GUARD_LINE) || !reference_more(r))
        return false;
    char major = reference_next(r);
    if (major >= '0' && major <= '9' && major != '1')
        return reference_stop(r, GUARD_VERSION);
    if (!reference_expect(r, "1.", GUARD_LINE) || !reference_more(r))
        return false;
    char minor = reference_next(r);
    if (minor < '0' || minor > '9')
        return reference_stop(r, GUARD_LINE);
    r->http_1_0 = minor == '0';
    reference_take(r);
    return reference_expect(r, "\r\n", GUARD_LINE);
}

/* Is it a list of tokens, or the beginning of one? */
static inline bool reference_is_list(const char *p, bool whole)
{
    for (;; p++) {
        p += strspn(p, " ");
        size_t token = strspn(p, REFERENCE_TOKEN);
        if (token == 0)
            return *p == '\0' && !whole;
        p += token;
        p += strspn(p, " ");
        if (*p != ',')
            return *p == '\0';
    }
}

/* "chunked", or why not. */
static inline bool reference_coding(struct reference *r)
{
    char value[8192];
    size_t length = 0;
    bool odd = false;
    while (reference_more(r) && reference_next(r) != '\r' &&
           length < sizeof value - 1) {
        odd |= !reference_is_token(reference_next(r)) && reference_next(r) != ',' &&
               reference_next(r) != ' ';
        value[length++] = reference_next(r);
        reference_take(r);
    }
    value[length] = '\0';
    bool more =
        strncasecmp(value, "chunked", 7) == 0 && value[7] && strchr(" ,", value[7]);
    if (odd || more || !reference_is_list(value, false))
        return reference_stop(r, GUARD_CODING);
    if (!reference_more(r))
        return false;
    if (strcasecmp(value, "chunked") == 0)
        return true;
    bool list = reference_is_list(value, true);
    return reference_stop(r, list ? GUARD_CODING_OTHER : GUARD_CODING);
}

static inline bool reference_length(struct reference *r)
{
    r->content_length = 0;
    size_t digits = 0;
    for (; reference_more(r); digits++) {
        char c = reference_next(r);
        if (c < '0' || c > '9')
            break;
        if (__builtin_mul_overflow(r->content_length, 10, &r->content_length) ||
            __builtin_add_overflow(r->content_length, c - '0', &r->content_length))
            return reference_stop(r, GUARD_LENGTH_RANGE);
        reference_take(r);
    }
    if (digits == 0 && reference_more(r))
        return reference_stop(r, GUARD_LENGTH);
    while (reference_more(r) && (reference_next(r) == ' ' || reference_next(r) == '\t'))
        r->at++; /* dropped */
    return reference_expect(r, "\r", GUARD_LENGTH);
}

static inline bool reference_value(struct reference *r, const char *name, bool trailer)
{
    bool host = !trailer && strcasecmp(name, "host") == 0;
    bool length = !trailer && strcasecmp(name, "content-length") == 0;
    bool coding = !trailer && strcasecmp(name, "transfer-encoding") == 0;
    bool length_before = r->content_length >= 0;
    if (host && r->host)
        return reference_stop(r, GUARD_HOST);
    if (length && length_before)
        return reference_stop(r, GUARD_LENGTH);
    if (coding && r->chunked)
        return reference_stop(r, GUARD_CODING);
    if ((length && r->chunked) || (coding && length_before))
        return reference_stop(r, GUARD_CODING_LENGTH);
    if (coding && r->http_1_0)
        return reference_stop(r, GUARD_CODING_1_0);
    r->host |= host;
    r->chunked |= coding;

    reference_take(r); /* the colon */
    while (reference_more(r) &&
           (reference_next(r) == ' ' || reference_next(r) == '\t')) {
        if (coding && reference_next(r) == '\t')
            return reference_stop(r, GUARD_CODING);
        reference_take(r);
    }
    if (length)
        return reference_length(r);
    if (coding)
        return reference_coding(r) && reference_expect(r, "\r", GUARD_CODING);
    while (reference_more(r) && (host ? reference_is_host(reference_next(r))
                                      : reference_is_text(reference_next(r))))
        reference_take(r);
    return reference_expect(r, "\r", host ? GUARD_HOST : GUARD_FIELD);
}

static inline bool reference_field(struct reference *r, bool trailer)
{
    if (!reference_is_token(reference_next(r)))
        return reference_stop(r, GUARD_FIELD);
    if (r->fields++ == 64)
        return reference_stop(r, GUARD_HEAD_FIELDS);
    char name[64] = "";
    size_t length = 0;
    while (reference_more(r) && reference_next(r) != ':') {
        char c = reference_next(r);
        bool foreign = (unsigned char)c >= 0x80 && strncasecmp(name, "x-", 2) == 0;
        if (!reference_is_token(c) && !foreign)
            return reference_stop(r, GUARD_FIELD);
        if (length < sizeof name - 1)
            name[length++] = c;
        name[length] = '\0';
        reference_take(r);
        if (!trailer && strcasecmp(name, "cookie") == 0) /* not for the library */
            r->out[r->out_length - 1] = '_';
    }
    return reference_more(r) && reference_value(r, name, trailer) &&
           reference_expect(r, "\n", GUARD_FIELD);
}

static inline bool reference_fields(struct reference *r, bool trailer)
{
    r->fields = 0;
    while (reference_more(r) && reference_next(r) != '\r')
        if (!reference_field(r, trailer))
            return false;
    if (!reference_expect(r, "\r", GUARD_FIELD) || !reference_more(r))
        return false;
    if (reference_next(r) == '\n' && !r->host && !r->http_1_0)
        return reference_stop(r, GUARD_HOST);
    return reference_expect(r, "\n", GUARD_FIELD);
}

static inline bool reference_data(struct reference *r, unsigned long long count)
{
    for (; count > 0; count--) {
        if (!reference_more(r))
            return false;
        reference_take(r);
    }
    return true;
}

static inline bool reference_size(struct reference *r, unsigned long long *size)
{
    size_t digits = 0;
    *size = 0;
    for (; reference_more(r); digits++, r->at++) {
        char c = reference_next(r);
        const char *all = "0123456789abcdef0123456789ABCDEF";
        const char *digit = c ? strchr(all, c) : NULL;
        if (!digit)
            break;
        if (digits == 16 || *size >> 59)
            return reference_stop(r, GUARD_CHUNK_RANGE);
        *size = *size * 16 + (unsigned long long)((digit - all) % 16);
    }
    if (!reference_more(r))
        return false;
    if (digits == 0)
        return reference_stop(r, GUARD_CHUNK);
    if (reference_next(r) == ';') {
        r->at++;
        for (; reference_more(r) && reference_is_text(reference_next(r)); r->at++)
            if (r->extensions++ == 4096)
                return reference_stop(r, GUARD_EXTENSIONS);
    }
    size_t before = r->out_length;
    bool ended = reference_expect(r, "\r\n", GUARD_CHUNK);
    r->out_length = before;
    return ended;
}

static inline bool reference_chunks(struct reference *r)
{
    for (r->extensions = 0;;) {
        unsigned long long size;
        if (!reference_size(r, &size))
            return false;
        if (size == 0)
            break;
        r->out_length += (size_t)sprintf(r->out + r->out_length, "%llx\r\n", size);
        if (!reference_data(r, size) || !reference_expect(r, "\r\n", GUARD_CHUNK))
            return false;
    }
    size_t before = r->out_length;
    r->in_head = true;
    r->head_from = r->at;
    r->host = true;
    if (!reference_fields(r, true))
        return false;
    r->out_length = before;
    memcpy(r->out + before, "0\r\n\r\n", 5);
    r->out_length += 5;
    return true;
}

static inline bool reference_message(struct reference *r)
{
    r->in_head = r->host = r->chunked = r->http_1_0 = false;
    r->content_length = -1;
    if (!reference_start(r))
        return false;
    r->in_head = true;
    r->head_from = r->at;
    if (!reference_line(r) || !reference_fields(r, false))
        return false;
    r->in_head = false;
    if (r->chunked)
        return reference_chunks(r);
    return r->content_length <= 0 ||
           reference_data(r, (unsigned long long)r->content_length);
}

/* `out` has room for `length` bytes and a few more. */
static inline void reference_read(struct reference *r, const char *text, size_t length,
                                  size_t head_limit, char *out)
{
    *r = (struct reference){
        .text = text, .length = length, .head_limit = head_limit, .out = out};
    while (reference_message(r)) {
        r->messages++;
        r->passed = r->out_length;
    }
}

#endif
