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

/* What the value of a Host field may hold, see http/guard. */
static bool is_of_host(char c)
{
    return is_unreserved(c) || (c && strchr(":[]", c));
}

/* Of "http://host:port/path", what stands before the path. Returns where that is; NULL
 * with `e` set. */
static const char *take_authority(const char *raw, struct target *out, struct error *e)
{
    out->secure = strncasecmp(raw, "https://", 8) == 0;
    if (!out->secure && strncasecmp(raw, "http://", 7) != 0)
        return raw;
    const char *p = out->authority = raw + (out->secure ? 8 : 7);
    while (is_of_host(*p))
        p++;
    out->authority_length = (size_t)(p - out->authority);
    if (out->authority_length > 0 && (!*p || strchr("/?", *p)))
        return p;
    error_set(e, ERROR_BAD_REQUEST, "", "the target names no host that can be one");
    return NULL;
}

bool target_is_for(const char *authority, size_t length, const char *host)
{
    return host && strncasecmp(host, authority, length) == 0 && host[length] == '\0';
}

bool target_parse(const char *raw, struct target *out, struct error *e)
{
    if (!raw || !*raw)
        return error_set(e, ERROR_BAD_REQUEST, "", "the request line has no target");
    if (strcmp(raw, "*") == 0) {
        *out = (struct target){.path = raw, .path_length = 1, .query = raw + 1};
        return true;
    }
    *out = (struct target){0};
    raw = take_authority(raw, out, e);
    if (!raw)
        return false;
    bool rootless = out->authority && *raw != '/'; /* which stands for the root */
    if (*raw != '/' && !rootless)
        return error_set(e, ERROR_BAD_REQUEST, "",
                         "the target must begin with a slash");

    out->path = raw;
    while (*raw == '/' || is_unreserved(*raw))
        raw++;
    out->path_length = (size_t)(raw - out->path);
    out->query = *raw == '?' ? raw + 1 : raw;
    if (rootless) {
        out->path = "/";
        out->path_length = 1;
    }
    if (*raw && *raw != '?')
        return error_set(e, ERROR_BAD_REQUEST, "",
                         "the path holds a byte that no path here has");

    for (const char *p = out->query; *p; p++)
        if (!is_printable(*p))
            return error_set(e, ERROR_BAD_REQUEST, "",
                             "the query holds a byte that is not printable ASCII");
    return true;
}
