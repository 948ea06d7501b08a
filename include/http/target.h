/* target.h - the request target, taken apart without decoding it.
 *
 * libmicrohttpd decodes `%2e%2e%2f` and cuts at `%00` before the handler sees the
 * path, so routing works on the raw bytes, and only on a small alphabet of them. */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include <stddef.h>

#include "base/error.h"

struct target {
    const char *path; /* inside the raw target, not ended by a zero */
    size_t path_length;
    const char *query; /* what follows the first '?', up to the end; "" without one */

    const char *authority; /* inside the raw target of the absolute form; or NULL */
    size_t authority_length;
    bool secure; /* its scheme is https */
};

/* `raw` NULL is the target of a request line that had none. The path is "*" for the
 * asterisk form (RFC 9112, 3.2.4). ERROR_BAD_REQUEST for bytes outside the alphabet
 * (letters, digits and "-._~/" in a path, printable ASCII in a query, what a Host may
 * hold in an authority). How long it is http/guard has looked at. */
MUST_USE bool target_parse(const char *raw, struct target *out, struct error *e);

/* Whether an authority is what the Host field says (NULL: there is none), as it must be
 * when the target has one (RFC 9112, 3.2). This service knows no name of its own: where
 * the two differ, it was meant as a proxy. */
MUST_USE bool target_is_for(const char *authority, size_t length, const char *host);

#endif
