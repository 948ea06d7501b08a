#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 512 }; /* the whole of a small document */

void buffer_init(struct buffer *b, size_t limit)
{
    *b = (struct buffer){.limit = limit};
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){.limit = b->limit};
}

/* Makes room for `more` bytes and a final zero. */
static bool reserve(struct buffer *b, size_t more)
{
    if (b->failed)
        return false;
    if (more < b->capacity - b->length)
        return true;

    b->failed = more >= b->limit - b->length;
    if (b->failed)
        return false;

    size_t wanted = b->length + more + 1;
    size_t half = b->capacity ? b->capacity : FIRST_CAPACITY / 2;
    size_t doubled = half < b->limit / 2 ? half * 2 : b->limit;
    size_t capacity = wanted > doubled ? wanted : doubled;
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = b->scarce = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void buffer_append(struct buffer *b, const char *bytes, size_t length)
{
    if (!reserve(b, length) || length == 0) /* of another that is empty: no bytes */
        return;
    memcpy(b->data + b->length, bytes, length);
    b->length += length;
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);

    if (length >= 0 && reserve(b, (size_t)length)) {
        vsnprintf(b->data + b->length, (size_t)length + 1, format, again);
        b->length += (size_t)length;
    }
    va_end(again);
}

char *buffer_take(struct buffer *b, size_t *length)
{
    if (!reserve(b, 0))
        return NULL;

    char *text = b->data;
    text[b->length] = '\0';
    *length = b->length;
    *b = (struct buffer){.limit = b->limit};
    return text;
}
