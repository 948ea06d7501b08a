#include "http/admission.h"

#include <inttypes.h>
#include <strings.h>

#include "http/accept.h"
#include "http/auth.h"

/* What the guard let through is well-formed; here it is only read. */
static bool framing_is_sound(struct exchange *x, uint64_t *body_length)
{
    struct request *r = &x->request;
    if (guard_refuses(&x->guard, x->requests, &r->refusal_status, &r->refusal))
        return false;
    r->body_kind = request_head_framing(&r->head, body_length);
    if (guard_has_seen(&x->guard, x->requests))
        return true;
    /* GCOVR_EXCL_START a library that does not read with our recv() */
    return error_set(&r->refusal, ERROR_INTERNAL, "", "a head came past the guard");
    /* GCOVR_EXCL_STOP */
}

/* What follows a CONNECT is not for us, and is not HTTP. */
static bool refuse_tunnel(struct request *r)
{
    r->must_close = true;
    r->refusal = (struct error){0};
    return error_set(&r->refusal, ERROR_NOT_IMPLEMENTED, "", "this is not a proxy");
}

static bool is_for_all(const struct request *r)
{
    return r->path_length == 1 && r->path[0] == '*';
}

static bool route_exists(struct exchange *x)
{
    struct request *r = &x->request;
    struct error *e = &r->refusal;
    if (is_for_all(r) && r->method == METHOD_OPTIONS)
        return true;
    if (is_for_all(r))
        return error_set(e, ERROR_BAD_REQUEST, "", "the target * is for OPTIONS");
    if (r->method == METHOD_UNKNOWN)
        return error_set(e, ERROR_NOT_IMPLEMENTED, "", "the method is not known");

    bool path_known;
    r->route = routes_find(r->path, r->path_length, r->method, x->front->surfaces,
                           &path_known);
    if (!path_known)
        return error_set(e, ERROR_NOT_FOUND, "", "there is nothing at this path");
    r->label = routes_label(r->path, r->path_length);
    if (r->route || r->method == METHOD_OPTIONS)
        return true;

    char allow[ALLOW_BYTES];
    routes_allow(r->path, r->path_length, allow);
    return error_set(e, ERROR_METHOD, "", "this path answers to %s", allow);
}

static bool content_is_readable(struct request *r)
{
    struct error *e = &r->refusal;
    r->must_close = r->body_kind == BODY_NONE; /* or the body is the next request */
    if (r->must_close)
        return error_set(e, ERROR_LENGTH_REQUIRED, "",
                         "a body needs a Content-Length or a chunked coding");
    if (!r->head.content_type || !content_type_is_json(r->head.content_type))
        return error_set(e, ERROR_MEDIA_TYPE, "",
                         "the Content-Type must be application/json in UTF-8; "
                         "`curl --json` sends it");
    if (r->head.content_encoding &&
        !request_head_is(r->head.content_encoding, "identity"))
        return error_set(e, ERROR_MEDIA_TYPE, "",
                         "a Content-Encoding is not supported: send the body as it is");
    return true;
}

static bool answer_is_acceptable(struct request *r)
{
    size_t offers = 0;
    while (offers < ROUTE_OFFERS && r->route->offers[offers])
        offers++;
    r->offer =
        accept_choose(r->head.accepts, r->head.accept_count, r->route->offers, offers);
    if (r->offer < offers)
        return true;
    return error_set(&r->refusal, ERROR_NOT_ACCEPTABLE, "",
                     "the answer can be %s%s%s, and Accept names none of it",
                     r->route->offers[0], offers > 1 ? " or " : "",
                     offers > 1 ? r->route->offers[1] : "");
}

static bool size_is_allowed(struct exchange *x, uint64_t body_length)
{
    uint64_t limit = exchange_site(x)->settings->body_limit;
    if (body_length <= limit)
        return true;
    return error_set(&x->request.refusal, ERROR_TOO_LARGE, "",
                     "the body has %" PRIu64 " bytes, at most %" PRIu64
                     " are allowed (body_limit)",
                     body_length, limit);
}

bool admission_check(struct exchange *x, uint64_t *body_length)
{
    struct request *r = &x->request;
    struct site *site = exchange_site(x);
    *body_length = 0;

    /* Ambiguous framing is refused whatever the request asks for. */
    if (!framing_is_sound(x, body_length)) {
        r->must_close = true;
        return false;
    }
    if (r->method == METHOD_CONNECT)
        return refuse_tunnel(r);
    if (r->refusal.code) /* its target was refused */
        return false;
    if (!route_exists(x) || !auth_check(x))
        return false;
    bool wants_body = r->route && r->route->method == METHOD_POST;
    if (wants_body && atomic_load(&site->closing))
        return error_set(&r->refusal, ERROR_SHUTTING_DOWN, "",
                         "the service is shutting down: try another replica");
    if (wants_body && !content_is_readable(r))
        return false;
    if (r->route && !answer_is_acceptable(r))
        return false;
    if (r->head.expect && !request_head_is(r->head.expect, "100-continue"))
        return error_set(&r->refusal, ERROR_EXPECTATION, "",
                         "the only expectation known is 100-continue");
    if (!size_is_allowed(x, *body_length))
        return false;
    /* Before its bytes are read and kept. */
    return !wants_body || r->body_kind != BODY_OF_LENGTH ||
           attention_service_has_room(site->service, (size_t)*body_length, &r->refusal);
}
