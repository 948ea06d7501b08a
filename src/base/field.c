#include "base/field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Appends as much of `text` as there is room for; always terminated. */
static void append(char *path, size_t size, const char *text)
{
    size_t used = strlen(path);
    snprintf(path + used, size - used, "%s", text);
}

static void append_escaped(char *path, size_t size, const char *name)
{
    for (; *name; name++) {
        const char plain[2] = {*name, '\0'};
        append(path, size, *name == '~' ? "~0" : *name == '/' ? "~1" : plain);
    }
}

static void append_path(char *path, size_t size, const struct field *at)
{
    if (!at)
        return;

    append_path(path, size, at->parent);
    append(path, size, "/");
    if (at->name) {
        append_escaped(path, size, at->name);
    } else {
        char index[24];
        snprintf(index, sizeof index, "%zu", at->index);
        append(path, size, index);
    }
}

/* Drops an incomplete UTF-8 character left by a cut. */
static void trim_utf8(char *text)
{
    size_t end = strlen(text), start = end;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;

    unsigned char lead = (unsigned char)text[start - 1];
    size_t width = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (end - (start - 1) < width)
        text[start - 1] = '\0';
}

bool field_error(const struct field *at, struct error *e, enum error_code code,
                 const char *format, ...)
{
    char path[sizeof e->path] = "";
    append_path(path, sizeof path, at);
    trim_utf8(path);

    char message[sizeof e->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_set(e, code, path, "%s", message);
}
