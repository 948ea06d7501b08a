#include "http/target.h"

#include <string.h>
#include <strings.h>

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static bool is_printable(char c)
{
    return c > ' ' && c < 0x7f;
}

bool target_parse(const char *raw, struct target *out, struct error *e)
{
    if (!raw || !*raw)
        return error_set(e, ERROR_BAD_REQUEST, "", "the request line has no target");
    if (strcmp(raw, "*") == 0) {
        *out = (struct target){raw, 1, raw + 1};
        return true;
    }
    if (strncasecmp(raw, "http://", 7) == 0 || strncasecmp(raw, "https://", 8) == 0)
        return error_set(e, ERROR_NOT_FOUND, "",
                         "this is not a proxy: the target must be a path");
    if (*raw != '/')
        return error_set(e, ERROR_BAD_REQUEST, "",
                         "the target must begin with a slash");

    out->path = raw;
    while (*raw == '/' || is_unreserved(*raw))
        raw++;
    out->path_length = (size_t)(raw - out->path);
    out->query = *raw == '?' ? raw + 1 : raw;
    if (*raw && *raw != '?')
        return error_set(e, ERROR_BAD_REQUEST, "",
                         "the path holds a byte that no path here has");

    for (const char *p = out->query; *p; p++)
        if (!is_printable(*p))
            return error_set(e, ERROR_BAD_REQUEST, "",
                             "the query holds a byte that is not printable ASCII");
    return true;
}
