#include "http/routes.h"

#include <string.h>

#include "codec/key_list.h"
#include "http/handlers.h"

#define JSON "application/json"

/* Probes have no key, and the page says nothing of this process. */
enum { PUBLIC = 0, ANY_ROLE = ROLE_INFER | ROLE_ADMIN | ROLE_METRICS };

const struct route routes[] = {
    {METHOD_POST,
     SURFACE_API,
     ROLE_INFER,
     "/v1/attention",
     {JSON, "text/plain"},
     handle_attention},
    {METHOD_GET, SURFACE_API, ANY_ROLE, "/v1/info", {JSON}, handle_info},
    {METHOD_GET, SURFACE_API, PUBLIC, "/livez", {JSON}, handle_livez},
    {METHOD_GET, SURFACE_API, PUBLIC, "/readyz", {JSON}, handle_readyz},
    {METHOD_GET,
     SURFACE_METRICS,
     ROLE_METRICS | ROLE_ADMIN,
     "/metrics",
     {"text/plain", "application/openmetrics-text"},
     handle_metrics},
    {METHOD_GET,
     SURFACE_METRICS,
     ROLE_METRICS | ROLE_ADMIN,
     "/metrics/requests",
     {JSON},
     handle_metrics_requests},
    {METHOD_GET,
     SURFACE_API,
     PUBLIC,
     "/openapi.yaml",
     {"application/yaml"},
     handle_openapi_yaml},
    {METHOD_GET, SURFACE_API, PUBLIC, "/openapi.json", {JSON}, handle_openapi_json},
};
const size_t route_count = sizeof routes / sizeof *routes;

static const char *const method_names[] = {
    [METHOD_UNKNOWN] = "OTHER",   [METHOD_GET] = "GET",
    [METHOD_HEAD] = "HEAD",       [METHOD_POST] = "POST",
    [METHOD_OPTIONS] = "OPTIONS", [METHOD_PUT] = "PUT",
    [METHOD_DELETE] = "DELETE",   [METHOD_PATCH] = "PATCH",
    [METHOD_TRACE] = "TRACE",     [METHOD_CONNECT] = "CONNECT",
};

enum http_method method_read(const char *name)
{
    for (int m = METHOD_GET; m <= METHOD_CONNECT; m++)
        if (strcmp(name, method_names[m]) == 0)
            return (enum http_method)m;
    return METHOD_UNKNOWN;
}

const char *method_name(enum http_method method)
{
    return method_names[method];
}

static bool is_path(const struct route *route, const char *path, size_t length)
{
    return strncmp(route->path, path, length) == 0 && route->path[length] == '\0';
}

const struct route *routes_find(const char *path, size_t path_length,
                                enum http_method method, unsigned surfaces,
                                bool *path_known)
{
    enum http_method wanted = method == METHOD_HEAD ? METHOD_GET : method;
    *path_known = false;
    for (size_t i = 0; i < route_count; i++) {
        if (!(routes[i].surface & surfaces) || !is_path(&routes[i], path, path_length))
            continue;
        *path_known = true;
        if (routes[i].method == wanted)
            return &routes[i];
    }
    return NULL;
}

size_t routes_label(const char *path, size_t path_length)
{
    size_t i = 0;
    while (i < route_count && !is_path(&routes[i], path, path_length))
        i++;
    return i;
}

void routes_allow(const char *path, size_t path_length, char allow[ALLOW_BYTES])
{
    if (path_length == 1 && *path == '*') {
        stpcpy(allow, "GET, HEAD, POST, OPTIONS");
        return;
    }
    char *end = allow;
    for (size_t i = 0; i < route_count; i++) {
        if (!is_path(&routes[i], path, path_length))
            continue;
        end = stpcpy(end, method_names[routes[i].method]);
        if (routes[i].method == METHOD_GET)
            end = stpcpy(end, ", HEAD");
        end = stpcpy(end, ", ");
    }
    stpcpy(end, method_names[METHOD_OPTIONS]);
}
