/* routes.h - what is served: one table, from which come dispatch, Allow, OPTIONS,
 * HEAD and the route labels of the metrics. */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;

enum http_method {
    METHOD_UNKNOWN, /* not one of those of RFC 9110 and RFC 5789 */
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_OPTIONS,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_PATCH,
    METHOD_TRACE,
    METHOD_CONNECT,
};

/* Case matters: "post" is no method. */
enum http_method method_read(const char *name);

/* Which listener answers: the one for callers, or the one for operators where
 * metrics_bind asks for its own. */
enum surface { SURFACE_API = 1, SURFACE_METRICS = 2 };

enum { ROUTE_OFFERS = 2 };

struct route {
    enum http_method method; /* METHOD_GET serves HEAD, too */
    enum surface surface;
    unsigned roles; /* set of enum key_role, of which a key must have one; 0: public */
    const char *path;                   /* also the label in metrics and logs */
    const char *offers[ROUTE_OFFERS];   /* media types it can answer with, best first */
    void (*handle)(struct exchange *x); /* called when the request is complete */
};

extern const struct route routes[];
extern const size_t route_count;

/* The route for `path` and `method` (HEAD counts as GET); NULL without one, and
 * `path_known` says whether another method would have had one. `surfaces` is a set
 * of enum surface. */
const struct route *routes_find(const char *path, size_t path_length,
                                enum http_method method, unsigned surfaces,
                                bool *path_known);

/* The row that stands for `path` in the metrics; route_count when it is none of ours.
 */
size_t routes_label(const char *path, size_t path_length);

const char *method_name(enum http_method method); /* "OTHER" for METHOD_UNKNOWN */

enum { ALLOW_BYTES = 64 };

/* The value of Allow for a known path: "GET, HEAD, OPTIONS"; of "*": what any has. */
void routes_allow(const char *path, size_t path_length, char allow[ALLOW_BYTES]);

#endif
