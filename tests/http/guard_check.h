/* guard_check.h - feeds a guard as a connection would, and holds what it does against
 * guard_reference.h. Failures abort, so that a fuzzer sees them, too. */
#ifndef TESTS_HTTP_GUARD_CHECK_H
#define TESTS_HTTP_GUARD_CHECK_H

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "http/guard_reference.h"
#include "http/guarded_read.h"

/* A socket that gives what is there in pieces; 0 bytes: all that fits. */
struct guard_source {
    const char *bytes;
    size_t length, at;
    size_t piece; /* bytes a read gives at most; 0: any */
    size_t cut;   /* and no further than here, in the first read that reaches it */
};

static inline ssize_t guard_source_read(void *context, void *buffer, size_t size)
{
    struct guard_source *s = context;
    size_t n = s->length - s->at;
    if (n > size)
        n = size;
    if (s->piece && n > s->piece)
        n = s->piece;
    if (s->at < s->cut && s->at + n > s->cut)
        n = s->cut - s->at;
    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(buffer, s->bytes + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

/* Reads all there is into `out`, `room` bytes at a time; returns how much came. */
static inline size_t guard_drink(struct guard *g, struct guard_source *s, size_t room,
                                 char *out)
{
    size_t length = 0;
    char *buffer = malloc(room); /* of its own, so that a byte beyond it is noticed */
    assert(buffer);
    for (;;) {
        ssize_t n = guarded_read(g, guard_source_read, s, buffer, room);
        bool over = s->at == s->length || guard_is_shut(g);
        if (n > 0) {
            memcpy(out + length, buffer, (size_t)n);
            length += (size_t)n;
        } else if (over) {
            break;
        }
    }
    free(buffer);
    return length;
}

/* What the library is given for a message that was refused must be one that it can
 * read: so the guard would let it through, but for what the library bears. */
static inline void guard_check_end(const char *text, size_t length)
{
    assert(length >= 4 && length < 64 * 1024);
    char *copy = malloc(length + 1);
    assert(copy);
    memcpy(copy, text, length);
    copy[length] = '\0';
    assert(strlen(copy) == length || strstr(copy, "\r\n\r\n"));
    const char *line_end = strstr(copy, "\r\n"), *head_end = strstr(copy, "\r\n\r\n");
    while (copy[0] == '\r' && line_end && line_end == copy) { /* empty lines before */
        memmove(copy, copy + 2, strlen(copy + 2) + 1);
        line_end = strstr(copy, "\r\n");
        head_end = strstr(copy, "\r\n\r\n");
    }
    assert(line_end && head_end && strncmp(line_end - 9, " HTTP/1.", 8) == 0);
    size_t hosts = 0;
    for (const char *line = line_end + 2; line < head_end + 2;) {
        const char *end = strstr(line, "\r\n"), *colon = strchr(line, ':');
        assert(end && colon && colon > line && colon < end);
        hosts += strncasecmp(line, "Host:", 5) == 0;
        if (strncasecmp(line, "Content-Length:", 15) == 0) {
            char *rest;
            strtoll(colon + 1, &rest, 10);
            assert(rest == end); /* with at least a digit, or it would be the colon's */
            assert(end[-1] >= '0' && end[-1] <= '9');
        }
        line = end + 2;
    }
    assert(hosts == 1 || strncmp(line_end - 3, "1.0", 3) == 0);
    free(copy);
}

/* Reads `text`, `piece` bytes at a time with a first cut at `cut`, into buffers of
 * `room` bytes, and holds verdict and output against the reference. */
static inline void guard_check(const char *text, size_t length, size_t head_limit,
                               size_t piece, size_t cut, size_t room)
{
    char *expected = malloc(length + 64), *out = malloc(length + 256);
    assert(expected && out);
    struct reference r;
    reference_read(&r, text, length, head_limit, expected);

    struct guard g;
    guard_init(&g, head_limit);
    struct guard_source s = {text, length, 0, piece, cut};
    size_t came = guard_drink(&g, &s, room, out);

    bool refused = r.stopped != REFERENCE_OPEN;
    assert(guard_is_shut(&g) == refused);
    assert(g.reason == (refused ? (unsigned)r.stopped : GUARD_NONE));
    assert(g.messages == r.messages);
    struct error e;
    unsigned status;
    (void)!guard_refuses(&g, g.messages, &status, &e);
    (void)guard_has_seen(&g, g.messages);
    (void)guard_is_within(&g);
    assert(came >= r.passed && memcmp(out, expected, r.passed) == 0);
    if (refused)
        guard_check_end(out + r.passed, came - r.passed);
    else /* what is held, or ends a body, comes later */
        assert(came <= r.out_length && memcmp(out, expected, came) == 0);
    free(expected);
    free(out);
}

#endif
