/* field.h - where we are inside a document, as a JSON Pointer (RFC 6901).
 *
 * A chain of stack frames, from the value in hand up to the root. Building it
 * costs nothing; it becomes text only when something is wrong. */
#ifndef BASE_FIELD_H
#define BASE_FIELD_H

#include <stddef.h>

#include "base/error.h"

struct field {
    const struct field *parent; /* NULL: this is the root */
    const char *name;           /* NULL: an array element, at `index` */
    size_t index;
};

/* The frames are temporaries of the calling block: pass them down, never up. */
#define FIELD_NAME(up, member) (&(struct field){.parent = (up), .name = (member)})
#define FIELD_AT(up, i)        (&(struct field){.parent = (up), .index = (i)})

/* error_set() with `at` written out as the path, "/weights/wq/3". In names '~'
 * becomes "~0" and '/' "~1"; a path longer than error.path is cut, never in the
 * middle of a UTF-8 character. `at` NULL is the whole document. */
bool field_error(const struct field *at, struct error *e, enum error_code code,
                 const char *format, ...) PRINTF_LIKE(4, 5);

#endif
