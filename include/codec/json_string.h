/* json_string.h - one JSON string: its end, its escapes, its UTF-8. */
#ifndef CODEC_JSON_STRING_H
#define CODEC_JSON_STRING_H

#include <stddef.h>

#include "base/arena.h"

/* Text inside the document, or in the arena when it held escapes; valid UTF-8;
 * not terminated by a zero. */
struct json_text {
    const char *bytes;
    size_t length;
};

enum json_string_status {
    JSON_STRING_OK,
    JSON_STRING_CUT,       /* the text ends inside the string */
    JSON_STRING_CONTROL,   /* a byte below 0x20 */
    JSON_STRING_ESCAPE,    /* a backslash that begins no escape */
    JSON_STRING_SURROGATE, /* an escape that is half of a surrogate pair */
    JSON_STRING_UTF8,      /* overlong, a surrogate, above U+10FFFF, or just wrong */
    JSON_STRING_NO_MEMORY  /* `e` is set */
};

/* Reads the string whose opening quote is at **at, and moves *at behind its
 * closing one. `out` NULL: it is only checked. On failure `*wrong` is the offending
 * character (not set when the text was cut short). The arena is used only when there
 * are escapes. */
enum json_string_status json_string_read(const char **at, const char *end,
                                         struct arena *arena, struct json_text *out,
                                         const char **wrong, struct error *e);

#endif
