/* request_head.h - the header fields that mean something here. What the library hands
 * over has come through http/guard: it is well-formed, and says in one way only where
 * the request ends. */
#ifndef HTTP_REQUEST_HEAD_H
#define HTTP_REQUEST_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_ACCEPTS = 4 };

/* Values are borrowed and NULL when the field is missing. Zero-initialise. */
struct request_head {
    size_t authorizations, origins; /* how often these fields are there */
    const char *host, *authorization, *origin;
    const char *content_length, *transfer_encoding;
    const char *content_type, *content_encoding, *expect, *request_id, *traceparent;
    const char *accepts[HEAD_ACCEPTS]; /* further ones are not looked at */
    size_t accept_count;
};

/* `value` NULL is an empty one. */
void request_head_add(struct request_head *head, const char *name, size_t name_length,
                      const char *value);

/* Whether `value` is `word`, in any case. Blanks may follow: they are no part of a
 * value (RFC 9110, 5.5), but the library leaves them there. */
bool request_head_is(const char *value, const char *word);

enum body_kind { BODY_NONE, BODY_OF_LENGTH, BODY_CHUNKED };

/* Where the body ends: `length` for BODY_OF_LENGTH, otherwise 0. */
enum body_kind request_head_framing(const struct request_head *head, uint64_t *length);

#endif
