/* base64.h - bytes as base64 text and back (RFC 4648, section 4), strictly. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include <stddef.h>

#include "base/error.h"

/* Characters that `bytes` bytes become, padding included. `bytes` is at most
 * three quarters of SIZE_MAX. */
size_t base64_length(size_t bytes);

/* Writes base64_length(count) characters, no terminating zero; returns how many.
 * Pieces whose counts are multiples of 3 join to the text of the whole, so large
 * data can be written in pieces, by several threads; the last may have any
 * count. */
size_t base64_encode(const void *bytes, size_t count, char *out);

/* Bytes that `text` holds, judged by its length and its padding alone; false
 * when no base64 text is that long. */
MUST_USE bool base64_size(const char *text, size_t length, size_t *bytes);

/* Decodes into `out`, which has room for base64_size() bytes. Refuses all that
 * an encoder would not have written: other characters, blanks and line ends,
 * missing padding or padding in the middle, bits that are not zero behind the
 * last byte. `*wrong` is then the offset of the character. */
MUST_USE bool base64_decode(const char *text, size_t length, void *out, size_t *wrong);

#endif
