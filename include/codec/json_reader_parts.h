/* json_reader_parts.h - what the files of json_reader share: json_reader.c walks
 * objects and arrays, json_scalars.c reads what stands in them, json_refusal.c says
 * what is wrong. For these alone. */
#ifndef CODEC_JSON_READER_PARTS_H
#define CODEC_JSON_READER_PARTS_H

#include "codec/json_reader.h"

static inline const char *json_after_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

static inline void json_skip_blanks(struct json_reader *r)
{
    r->at = json_after_blanks(r->at, r->end);
}

/* ERROR_INVALID_JSON, with the line and column of `at`. */
bool json_refuse_at(const struct json_reader *r, const char *at, struct error *e,
                    const char *format, ...) PRINTF_LIKE(4, 5);

/* The same where the reader stands: it is not what is `expected`, or the text ends. */
bool json_unexpected(const struct json_reader *r, struct error *e,
                     const char *expected);

/* The same where no value begins. */
bool json_no_value(const struct json_reader *r, struct error *e);

/* Does a value of this kind begin here, after blanks? Otherwise it is said. */
MUST_USE bool json_expect(struct json_reader *r, enum json_kind wanted,
                          const struct field *at, struct error *e);

/* The string that begins here, as the name of a member. */
MUST_USE bool json_read_name(struct json_reader *r, struct json_text *out,
                             struct error *e);

/* Walk over the value that begins here; a number may have any size. */
MUST_USE bool json_skip_string(struct json_reader *r, struct error *e);
MUST_USE bool json_skip_number(struct json_reader *r, struct error *e);

#endif
