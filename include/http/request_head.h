/* request_head.h - the header fields that mean something here, and whether they
 * agree on where the request ends.
 *
 * libmicrohttpd takes the first of repeated fields and reads on where fields
 * contradict each other, which lets a request hide inside another one (RFC 9112,
 * 11.2): so what is ambiguous is refused before a byte of the body is taken. */
#ifndef HTTP_REQUEST_HEAD_H
#define HTTP_REQUEST_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    HEAD_FIELD_LIMIT = 64,
    HEAD_ACCEPTS = 4
}; /* the first is the caller's to check */

/* Values are borrowed and NULL when the field is missing. Zero-initialise. */
struct request_head {
    size_t fields;
    size_t hosts, lengths, codings; /* how often Host, Content-Length and
                                       Transfer-Encoding are there */
    bool malformed; /* a name that is no token, a control byte in a value */
    size_t authorizations, origins; /* likewise */
    const char *authorization, *origin;
    const char *host, *content_length, *transfer_encoding;
    const char *content_type, *content_encoding, *expect, *request_id, *traceparent;
    const char *accepts[HEAD_ACCEPTS]; /* further ones are not looked at */
    size_t accept_count;
};

void request_head_add(struct request_head *head, const char *name, size_t name_length,
                      const char *value, size_t value_length);

/* RFC 9110, 5.6.2: what a method and the name of a field are made of. */
bool request_head_is_token(const char *text, size_t length);

enum body_kind { BODY_NONE, BODY_OF_LENGTH, BODY_CHUNKED };

/* Where the body ends: `kind`, and `length` for BODY_OF_LENGTH. Refusals are
 * ERROR_BAD_REQUEST, ERROR_NOT_IMPLEMENTED (a transfer coding that is not `chunked`)
 * and ERROR_TOO_LARGE (a length beyond 64 bits); after each of them the connection
 * must be closed. */
MUST_USE bool request_head_framing(const struct request_head *head, bool http_1_0,
                                   enum body_kind *kind, uint64_t *length,
                                   struct error *e);

#endif
