/* json_reader.h - a strict pull reader for RFC 8259.
 *
 * The caller asks for what it expects and the reader walks the text once; no
 * tree is built. Strict: UTF-8 without BOM, no duplicate members (compared
 * unescaped), no trailing data. Bounded before anything is kept: the depth, at most
 * JSON_MAX_MEMBERS members an object, a name of at most JSON_MAX_NAME bytes and a
 * number of at most NUMBER_MAX_TOKEN; so every text takes linear time. Two kinds of
 * failure:
 *   not JSON: ERROR_INVALID_JSON, path "", message with line, column (in
 *             characters) and byte offset, counted from 1, 1 and 0;
 *   not what was asked for: ERROR_INVALID_INPUT with the pointer of `at`.
 * A failure leaves the reader unusable. */
#ifndef CODEC_JSON_READER_H
#define CODEC_JSON_READER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/field.h"
#include "codec/json_members.h"

enum {
    JSON_DEPTH = 16,      /* unless the caller says another `most_depth` */
    JSON_MOST_DEPTH = 64, /* that it may say */
    JSON_MAX_NAME = 1024  /* bytes between its quotes, escapes as they stand */
};

enum json_kind {
    JSON_KIND_END, /* no more text */
    JSON_KIND_OBJECT,
    JSON_KIND_ARRAY,
    JSON_KIND_STRING,
    JSON_KIND_NUMBER,
    JSON_KIND_BOOLEAN,
    JSON_KIND_NULL,
    JSON_KIND_OTHER /* a byte that begins no value */
};

struct json_reader {
    const char *begin, *at, *end; /* borrowed */
    struct arena *arena;          /* for unescaped strings */
    size_t depth;                 /* objects and arrays we are inside of */
    size_t most_depth;            /* of it, 1 to JSON_MOST_DEPTH */
    size_t base64_bytes;          /* of tensors, so far; kept by tensor_json */
    uint64_t objects;             /* bit i: the one at depth i + 1 is an object */
};

/* With most_depth JSON_DEPTH. */
void json_reader_init(struct json_reader *r, const char *text, size_t length,
                      struct arena *arena);

/* What the next value is, judged by its first byte; skips blanks. */
enum json_kind json_reader_peek(struct json_reader *r);

/* The word for a message: "a string", "an array", "null" ... */
const char *json_kind_name(enum json_kind kind);

/* Objects: begin, then member until *found is false (the brace was eaten). */
MUST_USE bool json_reader_object(struct json_reader *r, const struct field *at,
                                 struct json_members *m, struct error *e);
MUST_USE bool json_reader_member(struct json_reader *r, struct json_members *m,
                                 struct json_text *name, bool *found, struct error *e);

/* Arrays: begin, then element until *found is false (the bracket was eaten).
 * `*count` starts at 0 and counts the elements found. */
MUST_USE bool json_reader_array(struct json_reader *r, const struct field *at,
                                struct error *e);
MUST_USE bool json_reader_element(struct json_reader *r, size_t *count, bool *found,
                                  struct error *e);

/* The rest of an array, from an element that was found on: checked, not kept, so that
 * a refusal can say how many there are. */
MUST_USE bool json_reader_rest(struct json_reader *r, size_t *count, struct error *e);

/* A fast way through arrays of numbers: reads the first element where it is a number,
 * and after an element was read, the elements behind it for as long as they are
 * numbers and there is `room`; returns how many. It never fails: at the first doubt it
 * stops behind the number before, and json_reader_element() finds what is there. */
bool json_reader_first_float(struct json_reader *r, float *out);
size_t json_reader_more_floats(struct json_reader *r, float *out, size_t room);

/* Scalars. A number outside float32, or outside float64, is ERROR_INVALID_INPUT. */
MUST_USE bool json_reader_float(struct json_reader *r, const struct field *at,
                                float *out, struct error *e);
MUST_USE bool json_reader_double(struct json_reader *r, const struct field *at,
                                 double *out, struct error *e);
MUST_USE bool json_reader_boolean(struct json_reader *r, const struct field *at,
                                  bool *out, struct error *e);
MUST_USE bool json_reader_string(struct json_reader *r, const struct field *at,
                                 struct json_text *out, struct error *e);
MUST_USE bool json_reader_null(struct json_reader *r, const struct field *at,
                               struct error *e);

/* A whole number up to JSON_SIZE_MOST, exactly. Other numbers are no failure, as who
 * asks knows best what it must be: what is larger is JSON_SIZE_BEYOND, and what is
 * negative or has a fraction is JSON_NO_SIZE. */
#define JSON_SIZE_MOST   ((size_t)1 << 53)
#define JSON_SIZE_BEYOND (JSON_SIZE_MOST + 1)
#define JSON_NO_SIZE     SIZE_MAX
MUST_USE bool json_reader_size(struct json_reader *r, const struct field *at,
                               size_t *out, struct error *e);

/* Walks over any value, checking all of its syntax; its numbers may have any size. */
MUST_USE bool json_reader_skip(struct json_reader *r, struct error *e);

/* Only blanks may follow the document. */
MUST_USE bool json_reader_finish(struct json_reader *r, struct error *e);

/* Is all that is left one JSON value? ERROR_INVALID_JSON where not. Used where a
 * request is refused for what it says, so that what is not JSON is called so. */
MUST_USE bool json_reader_check(struct json_reader *r, struct error *e);

/* The same of a whole text. */
MUST_USE bool json_check(const char *text, size_t length, struct arena *arena,
                         struct error *e);

/* The first byte decides mostly. */
static inline bool json_text_is(struct json_text text, const char *word)
{
    return (text.length == 0 || text.bytes[0] == word[0]) &&
           text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}

#endif
