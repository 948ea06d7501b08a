/* cors.h - whose web pages may read answers (the Fetch standard's CORS protocol).
 *
 * What is sent back as the allowed origin is always the text of the setting, never that
 * of the request. Requests are not refused by their origin: that is for the browser to
 * do, and what no page may cause is kept out by the Content-Type that is asked for. */
#ifndef HTTP_CORS_H
#define HTTP_CORS_H

#include <stddef.h>

#include "base/error.h"
#include "service/settings.h"

enum { CORS_ORIGINS = 16 };

/* Zeroed: no origin, and no header of this protocol. */
struct cors {
    size_t count;                      /* of `origins` */
    const char *origins[CORS_ORIGINS]; /* in `text` */
    char text[SETTING_TEXT_BYTES];
};

/* Reads the setting cors_origins, a list with commas. False with `e` set:
 * ERROR_INVALID_INPUT for what a browser would never send as an origin: it must be
 * scheme://host or scheme://host:port, in lower case. */
MUST_USE bool cors_read(const char *setting, struct cors *out, struct error *e);

/* The value of Access-Control-Allow-Origin for a request with this Origin, NULL for
 * none: "*", or the origin, from the setting. NULL when it is not allowed. */
const char *cors_allowed(const struct cors *cors, const char *origin);

/* Whether the answer depends on the origin, which caches must know. */
bool cors_varies(const struct cors *cors);

#endif
