/* auth.h - may this client ask for this? Decided from the head alone, by the bearer
 * key in it (RFC 6750), before a byte of the body is taken.
 *
 * Without the setting keys_file everybody may. A key stands in the field Authorization
 * and nowhere else: what a target holds ends up in logs and histories. Only its SHA-256
 * is compared, with every key of the file, in a time that tells neither which of them
 * it was nor how much of it was right. */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include "http/exchange.h"

/* The token in the value of an Authorization field: behind "Bearer", in any case, and
 * blanks; KEY_LEAST_BYTES to KEY_MOST_BYTES of the alphabet of RFC 6750, 2.1, and then
 * nothing but blanks. NULL when it is not so; `value` may be NULL. Borrowed from
 * `value`. */
const char *auth_token(const char *value, size_t *length);

/* For a request whose route is known. Takes the key, which exchange_end() gives back.
 * False with `refusal` set: ERROR_UNAUTHORIZED, in the same words for a key that is
 * missing, malformed or unknown; ERROR_FORBIDDEN; ERROR_RATE_LIMITED. */
MUST_USE bool auth_check(struct exchange *x);

#endif
