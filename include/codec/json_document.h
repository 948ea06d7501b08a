/* json_document.h - small answers built as jansson trees.
 *
 * For everything that is not a big tensor. Memory that cannot be had shows as a
 * NULL tree; json_pack() hands it on and json_document_write() ends it as a
 * failed buffer, so that nobody in between has to look. */
#ifndef CODEC_JSON_DOCUMENT_H
#define CODEC_JSON_DOCUMENT_H

#include <jansson.h>

#include "base/buffer.h"

/* A string of any bytes: what is not UTF-8 becomes U+FFFD. */
json_t *json_document_text(const char *text);

/* A time rounded to microseconds, so that it prints with at most 3 decimals. */
json_t *json_document_ms(double milliseconds);

/* Appends the text of `document`, members in the order they were set, and drops
 * it. */
void json_document_write(json_t *document, struct buffer *out);

#endif
