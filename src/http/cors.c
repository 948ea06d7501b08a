#include "http/cors.h"

#include <string.h>

#include "service/settings_table.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

static bool is_any(const char *origin)
{
    return strcmp(origin, "*") == 0;
}

/* scheme://host[:port] in the form in which browsers write it (RFC 6454, 6.2). */
static bool is_origin(const char *text)
{
    size_t scheme = strspn(text, LETTERS DIGITS "+-.");
    if (scheme == 0 || strncmp(text + scheme, "://", 3) != 0)
        return false;
    const char *host = text + scheme + 3;
    size_t bracket = *host == '[' ? strspn(host + 1, "abcdef" DIGITS ":.") + 1 : 0;
    if (bracket && host[bracket] != ']')
        return false;
    size_t length = bracket ? bracket + 1 : strspn(host, LETTERS DIGITS "-._");
    const char *rest = host + length;
    if (*rest == ':') {
        size_t port = strspn(rest + 1, DIGITS);
        return length > 0 && port >= 1 && port <= 5 && rest[1 + port] == '\0';
    }
    return length > 0 && *rest == '\0';
}

static bool add_origin(struct cors *out, const char *origin, struct error *e)
{
    char shown[SETTING_SHOWN_BYTES];
    setting_show(origin, shown);
    if (!is_any(origin) && !is_origin(origin))
        return error_set(e, ERROR_INVALID_INPUT, "cors_origins",
                         "cors_origins: '%s' is not an origin such as "
                         "https://a.example:8443, in lower case and without a slash at "
                         "its end, nor *",
                         shown);
    if (out->count == CORS_ORIGINS)
        return error_set(e, ERROR_INVALID_INPUT, "cors_origins",
                         "cors_origins: there are more than %d", CORS_ORIGINS);
    out->origins[out->count++] = origin;
    return true;
}

bool cors_read(const char *setting, struct cors *out, struct error *e)
{
    memset(out, 0, sizeof *out);
    memcpy(out->text, setting, strlen(setting));
    char *rest = out->text[0] ? out->text : NULL;
    for (const char *origin; (origin = strsep(&rest, ","));) {
        origin += strspn(origin, " ");
        if (!add_origin(out, origin, e))
            return false;
    }
    return true;
}

const char *cors_allowed(const struct cors *cors, const char *origin)
{
    for (size_t i = 0; origin && i < cors->count; i++)
        if (is_any(cors->origins[i]) || strcmp(cors->origins[i], origin) == 0)
            return cors->origins[i];
    return NULL;
}

bool cors_varies(const struct cors *cors)
{
    return cors->count > 1 || (cors->count == 1 && !is_any(cors->origins[0]));
}
