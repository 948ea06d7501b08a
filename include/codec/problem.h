/* problem.h - a failure as an RFC 9457 problem document. */
#ifndef CODEC_PROBLEM_H
#define CODEC_PROBLEM_H

#include "base/buffer.h"

/* {"type","title","status","detail","instance","errors":[{"pointer","detail"}],
 * "error"}; `errors` only for ERROR_INVALID_INPUT and ERROR_TOO_LARGE with a
 * path. `instance` is the request id. Written with jansson; any bytes of
 * message and path that are not UTF-8 become U+FFFD. */
void problem_write(const struct error *error, unsigned status, const char *instance,
                   struct buffer *out);

#endif
