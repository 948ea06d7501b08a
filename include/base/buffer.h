/* buffer.h - text that grows up to a ceiling.
 *
 * A failed append sets `failed` and every later one does nothing, so that a
 * writer checks once, at its end. Not thread-safe. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>

#include "base/error.h"

struct buffer {
    char *data; /* owned, on the heap; not terminated by a zero */
    size_t length, capacity, limit;
    bool failed; /* the limit or the system's memory was reached */
    bool scarce; /* ... and it was the memory */
};

void buffer_init(struct buffer *b, size_t limit);
void buffer_free(struct buffer *b);

void buffer_append(struct buffer *b, const char *bytes, size_t length);
void buffer_text(struct buffer *b, const char *text);
void buffer_printf(struct buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* The bytes as a heap string ended by a zero, now the caller's to free(); the
 * buffer is empty again. NULL when an append had failed. */
MUST_USE char *buffer_take(struct buffer *b, size_t *length);

#endif
