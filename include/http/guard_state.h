/* guard_state.h - how the guard's sources share their work: guard.c runs the states,
 * guard_line.c has those of the request line, guard_fields.c those of fields and
 * trailers, guard_body.c those of bodies. */
#ifndef HTTP_GUARD_STATE_H
#define HTTP_GUARD_STATE_H

#include "http/guard.h"

enum guard_state {
    GUARD_START,      /* of a message, or of an empty line before it */
    GUARD_START_LF,   /* the CR of an empty line was there */
    GUARD_METHOD,     /* inside it */
    GUARD_IN_TARGET,  /* behind the space */
    GUARD_IN_VERSION, /* behind the space; value_bytes of it were right */
    GUARD_LINE_LF,

    GUARD_FIELD_START, /* of a line; guard_field_* from here on */
    GUARD_NAME,
    GUARD_BLANKS,        /* behind the colon */
    GUARD_VALUE,         /* that means nothing to the framing */
    GUARD_HOST_VALUE,    /* value_bytes: 0 or 1 */
    GUARD_LENGTH_VALUE,  /* value_bytes: digits, up to 1 */
    GUARD_LENGTH_BLANKS, /* behind the digits; they are dropped */
    GUARD_CODING_VALUE,  /* value_bytes of "chunked" were there */
    GUARD_CODING_LIST,   /* of other codings; nothing passes any more */
    GUARD_FIELD_LF,
    GUARD_END_LF, /* the CR of the empty line was there, and is held */

    GUARD_BODY,
    GUARD_SIZE, /* of a chunk; the line is held. value_bytes: digits */
    GUARD_EXTENSION,
    GUARD_SIZE_LF,
    GUARD_DATA,
    GUARD_DATA_CR, /* awaited, as is the LF */
    GUARD_DATA_LF,
};

/* The bytes on their way. */
struct guard_flow {
    const char *in, *end;
    char *out, *room_end;
};

/* `count` bytes go through; or no further; or no further, but others may come out
 * for them, at most as many. In trailers nothing goes through. */
static inline void guard_pass(struct guard *g, struct guard_flow *f, size_t count);
void guard_drop(struct guard_flow *f, size_t count);
void guard_hold(struct guard *g, struct guard_flow *f, size_t count);

/* Comes out, for what was held. */
void guard_emit(struct guard *g, struct guard_flow *f, const char *text, size_t length);

/* What is at f->in is not let through: ends the message for the library. */
void guard_refuse(struct guard *g, struct guard_flow *f, enum guard_reason why);

/* Each looks at the byte or bytes at f->in, of which there is at least one, and passes
 * or drops them, or refuses. */
void guard_line_step(struct guard *g, struct guard_flow *f);
void guard_fields_step(struct guard *g, struct guard_flow *f);
void guard_body_step(struct guard *g, struct guard_flow *f);

/* The head is sound and through: what comes now is the body, or the next message. */
void guard_body_begin(struct guard *g);

/* The next byte begins another message. */
void guard_message_end(struct guard *g);

/* What a byte may be part of. */
enum guard_class {
    GUARD_TOKEN = 1, /* RFC 9110, 5.6.2 */
    GUARD_TEXT = 2,  /* a value: visible, blank or beyond ASCII */
    GUARD_HOST_BYTE = 4,
    GUARD_VISIBLE = 8, /* no control byte and no blank; may be beyond ASCII */
};
extern const unsigned char guard_classes[256];

static inline bool guard_is(char c, enum guard_class set)
{
    return (guard_classes[(unsigned char)c] & set) != 0;
}

/* How many bytes at f->in, up to `most`, are in the class. */
static inline size_t guard_run(const struct guard_flow *f, size_t most,
                               enum guard_class set)
{
    size_t length = (size_t)(f->end - f->in), n = 0;
    if (length > most)
        length = most;
    while (n < length && guard_is(f->in[n], set))
        n++;
    return n;
}

/* guard_pass() where the bytes do not stay where they are. */
void guard_move(struct guard *g, struct guard_flow *f, size_t count);

static inline void guard_pass(struct guard *g, struct guard_flow *f, size_t count)
{
    if (g->in_trailers || f->out != f->in) {
        guard_move(g, f, count);
        return;
    }
    f->out += count;
    f->in += count;
}

#endif
