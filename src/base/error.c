#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

bool error_set(struct error *e, enum error_code code, const char *path,
               const char *format, ...)
{
    if (e->code != ERROR_NONE)
        return false;

    e->code = code;
    snprintf(e->path, sizeof e->path, "%s", path);

    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    return false;
}

const char *error_slug(enum error_code code)
{
#define X(enumerator, slug, title) [enumerator] = (slug),
    static const char *const slugs[] = {[ERROR_NONE] = "none", ERROR_CODES(X)};
#undef X
    return slugs[code];
}

const char *error_title(enum error_code code)
{
#define X(enumerator, slug, title) [enumerator] = (title),
    static const char *const titles[] = {[ERROR_NONE] = "Nothing is wrong",
                                         ERROR_CODES(X)};
#undef X
    return titles[code];
}
