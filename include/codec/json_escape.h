/* json_escape.h - text as a JSON string, quotes included (RFC 8259, section 7).
 *
 * The text is valid UTF-8 already. Only what must be is escaped: quotes,
 * backslashes and control characters. */
#ifndef CODEC_JSON_ESCAPE_H
#define CODEC_JSON_ESCAPE_H

#include "codec/json_reader.h"

/* Bytes that json_escape_write() will write. */
size_t json_escape_length(struct json_text text);

/* Writes the string and returns the place behind it; no terminating zero. */
char *json_escape_write(struct json_text text, char *out);

#endif
