/* guard.h - reads the framing of HTTP/1.1 strictly, before the library does.
 *
 * libmicrohttpd takes a bare LF for the end of a line, ends a head at a NUL and reads
 * on where fields contradict each other; a proxy in front may read the same bytes in
 * another way, and a request hides inside another one (RFC 9112, 11). So each byte of
 * a connection passes a guard first. What the grammar of RFC 9112 does not allow, or
 * what can be read in two ways, goes no further: the library is given the shortest
 * end of the message it has begun to read instead, and whoever answers that message
 * asks guard_refuses() why. So a refusal is an answer like any other: behind those of
 * the requests before it, logged and counted.
 *
 * A pure state machine over the bytes of one connection, cut anywhere. It allocates
 * nothing, and a body is counted, not read. Of the chunked coding only sizes and data
 * get through: extensions and trailers are checked and dropped. A Cookie gets another
 * name: the library would take it apart, in memory that it has for other things. */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    GUARD_FIELD_LIMIT = 64,        /* fields of a head, or of trailers */
    GUARD_TARGET_LIMIT = 8192,     /* bytes of a request target */
    GUARD_AND_LIMIT = 31,          /* '&' in it: the library keeps each parameter */
    GUARD_EXTENSIONS_LIMIT = 4096, /* bytes of all chunk extensions of a body */
    GUARD_EMPTY_LINES = 8,         /* before a request line */
    GUARD_NAME_BYTES = 18,         /* more than the longest name that matters has */
    GUARD_HELD = 24,               /* bytes that wait for those behind them */
    GUARD_MORE = 64,               /* most bytes that come out and never went in */
};

enum guard_reason {
    GUARD_NONE,
    GUARD_LINE,          /* the request line is malformed */
    GUARD_VERSION,       /* it is HTTP, but not 1.x */
    GUARD_TARGET,        /* the target is too long */
    GUARD_PARAMETERS,    /* it has too many '&' */
    GUARD_FIELD,         /* a line of the head, or of trailers, is malformed */
    GUARD_HEAD_BYTES,    /* head or trailers are too long */
    GUARD_HEAD_FIELDS,   /* they have too many fields */
    GUARD_HOST,          /* no, two or a malformed Host */
    GUARD_LENGTH,        /* a malformed or repeated Content-Length */
    GUARD_LENGTH_RANGE,  /* beyond 63 bits */
    GUARD_CODING,        /* a malformed or repeated Transfer-Encoding */
    GUARD_CODING_OTHER,  /* a list of codings that is not "chunked" */
    GUARD_CODING_LENGTH, /* beside a Content-Length */
    GUARD_CODING_1_0,    /* in HTTP/1.0 */
    GUARD_CHUNK,         /* the chunked coding is malformed */
    GUARD_CHUNK_RANGE,   /* a chunk beyond 63 bits */
    GUARD_EXTENSIONS,    /* extensions are too long */
};

/* Of one connection. To be read by the sources of the guard alone. */
struct guard {
    uint32_t head_limit;
    uint32_t head_bytes; /* of this head, or of these trailers */
    uint64_t messages;   /* that ended */
    uint64_t left;       /* of the body, or of the chunk, whose size it is before */
    uint16_t target_bytes, extension_bytes;
    uint8_t state; /* enum guard_state */
    uint8_t reason;
    uint8_t held; /* bytes taken that may come out later, at most GUARD_HELD */
    uint8_t fields, name_bytes, value_bytes, empty_lines, ands;
    uint8_t value_state; /* of this field: the guard_state behind its blanks */
    bool http_1_0, in_trailers;
    bool element, blank; /* of a list of codings: what was there since its last comma */
    bool host_seen, length_seen, coding_seen;
    bool ignores_body;           /* of this message */
    uint8_t waiting, waited;     /* of `rest`: its bytes, those that are out */
    char name[GUARD_NAME_BYTES]; /* in lower case, of this field, as far as it fits */
    char rest[2 * GUARD_MORE];   /* what there was no room for */
    _Atomic bool unfinished;     /* a message has begun; written by guarded_read() */
};

void guard_init(struct guard *g, size_t head_limit);

/* Takes `length` bytes as they came and writes what may pass to `out`; returns how
 * many bytes that is, at most `room`. `in` is either the end of those `room` bytes, at
 * least guard_held() behind their beginning; or a single byte somewhere else. What
 * there is no room for is to be fetched with guard_rest() before the next call. */
size_t guard_filter(struct guard *g, const char *in, size_t length, char *out,
                    size_t room);

/* What is left from the last time: at most `room` bytes to `out`. */
size_t guard_rest(struct guard *g, char *out, size_t room);

static inline size_t guard_held(const struct guard *g)
{
    return g->held;
}

static inline bool guard_is_shut(const struct guard *g)
{
    return g->reason != GUARD_NONE;
}

/* Has the whole head of message `n` come by here? */
bool guard_has_seen(const struct guard *g, uint64_t n);

/* Has a message begun whose end was not read yet? Any thread. */
bool guard_is_within(const struct guard *g);

/* Nobody will look at what is left of the body of message `n`. The next one may be
 * read already. */
void guard_ignore_body(struct guard *g, uint64_t n);

/* How many of the next bytes are of such a body, as far as is known: what they are
 * changes nothing. */
size_t guard_ignored(const struct guard *g);

/* For guarded_read(): what guard_is_within() says from now on. */
void guard_tell(struct guard *g);

/* Was message number `n` of the connection, from 0, refused? Then `status` is that of
 * the answer, or 0 for the one that belongs to the error's code, and `e` is set. The
 * connection must be closed. */
bool guard_refuses(const struct guard *g, uint64_t n, unsigned *status,
                   struct error *e);

#endif
