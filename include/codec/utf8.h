/* utf8.h - text one character at a time, whatever the bytes are (RFC 3629). */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT ((uint32_t)0xFFFD)

/* Reads the character at the start of `bytes`, which hold at least one, and
 * returns how many bytes it takes. A byte that begins no character (overlong
 * forms, surrogates and what lies beyond U+10FFFF included) is U+FFFD and takes
 * one byte. */
size_t utf8_read(const char *bytes, size_t length, uint32_t *character);

#endif
