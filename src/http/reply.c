#include "http/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/milliseconds.h"
#include "codec/problem.h"
#include "service/clock.h"

#define PROBLEM_JSON "application/problem+json"

unsigned reply_status(enum error_code code)
{
    switch (code) {
    case ERROR_INVALID_JSON:
    case ERROR_EMPTY_BODY:
    case ERROR_BAD_REQUEST: return 400;
    case ERROR_UNAUTHORIZED: return 401;
    case ERROR_FORBIDDEN: return 403;
    case ERROR_NOT_FOUND: return 404;
    case ERROR_METHOD: return 405;
    case ERROR_NOT_ACCEPTABLE: return 406;
    case ERROR_REQUEST_TIMEOUT: return 408;
    case ERROR_LENGTH_REQUIRED: return 411;
    case ERROR_TOO_LARGE: return 413;
    case ERROR_MEDIA_TYPE: return 415;
    case ERROR_EXPECTATION: return 417;
    case ERROR_INVALID_INPUT: return 422;
    case ERROR_RATE_LIMITED: return 429;
    case ERROR_CANCELLED: return 499;
    case ERROR_NOT_IMPLEMENTED: return 501;
    case ERROR_OVERLOADED:
    case ERROR_SHUTTING_DOWN:
    case ERROR_NOT_READY:
    case ERROR_OUT_OF_MEMORY: return 503;
    case ERROR_DEADLINE: return 504;
    case ERROR_NONE:
    case ERROR_INTERNAL: break;
    }
    return 500;
}

/* Headers that could not be added for want of memory would make a wrong answer. */
static bool add(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

/* Adds a header to a response that may be NULL; NULL when that fails. */
static struct MHD_Response *with(struct MHD_Response *response, const char *name,
                                 const char *value)
{
    if (response && !add(response, name, value)) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

static bool is_last(const struct exchange *x)
{
    return x->request.must_close ||
           x->requests + 1 >= exchange_site(x)->settings->connection_requests ||
           atomic_load_explicit(&exchange_site(x)->closing, memory_order_relaxed);
}

static const char *allowed_origin(const struct exchange *x)
{
    const struct request_head *head = &x->request.head;
    return cors_allowed(&exchange_site(x)->cors,
                        head->origins == 1 ? head->origin : NULL);
}

/* A web page that may read an answer may read why it was refused, too. */
static bool add_cors(const struct exchange *x, struct MHD_Response *response)
{
    bool varies = cors_varies(&exchange_site(x)->cors);
    const char *origin = allowed_origin(x);
    return add(response, "Vary", varies ? "Accept, Origin" : "Accept") &&
           (!origin || (add(response, "Access-Control-Allow-Origin", origin) &&
                        add(response, "Access-Control-Expose-Headers",
                            "X-Request-Id, Server-Timing, Retry-After, Allow")));
}

static bool add_common(const struct exchange *x, bool last,
                       struct MHD_Response *response)
{
    return add(response, "X-Request-Id", x->request.call.id) &&
           add(response, "Cache-Control", "no-store") && add_cors(x, response) &&
           (!last || add(response, "Connection", "close"));
}

/* The library's timer of this one connection. It begins when it is set, and does not
 * run while the connection is suspended. */
static void set_stall_timeout(const struct exchange *x, unsigned seconds)
{
    if (x->front->stall_timeout_s)
        MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  seconds);
}

void reply_sent(struct exchange *x)
{
    set_stall_timeout(x, 0);
}

static void queued(struct exchange *x, unsigned status, size_t length)
{
    struct request *r = &x->request;
    r->status = status;
    r->answer_bytes = r->method == METHOD_HEAD ? 0 : length;
    r->answered_ns = clock_now_ns();
    set_stall_timeout(x, x->front->stall_timeout_s);
    /* When the watch first looks whether it is taken. */
    int64_t look_ns = r->answered_ns + pace_look_ns(exchange_site(x)->settings);
    atomic_store_explicit(&x->deadline_ns, look_ns, memory_order_relaxed);
}

/* Takes `response`, which is NULL when there was no memory for it: then, and when it
 * cannot be sent, the one that is kept for that. Behind a last one requests may come
 * that nobody reads. */
static void queue(struct exchange *x, unsigned status, size_t length,
                  struct MHD_Response *response)
{
    bool last = is_last(x);
    if (response && add_common(x, last, response) &&
        MHD_queue_response(x->connection, status, response) == MHD_YES) {
        x->linger |= last;
        queued(x, status, length);
    } else if (MHD_queue_response(x->connection, 503, x->front->no_memory->response) ==
               MHD_YES) {
        x->linger = true;
        x->request.error = ERROR_OUT_OF_MEMORY;
        queued(x, 503, x->front->no_memory->length);
    }
    if (response)
        MHD_destroy_response(response);
}

void reply_static(struct exchange *x, const char *content_type, const char *text,
                  size_t length)
{
    const struct MHD_IoVec piece = {text, length};
    queue(x, 200, length,
          with(MHD_create_response_from_iovec(&piece, 1, NULL, NULL), "Content-Type",
               content_type));
}

/* Takes the buffer; NULL when it had failed. */
static struct MHD_Response *response_of(struct buffer *text, const char *content_type,
                                        size_t *length)
{
    char *bytes = buffer_take(text, length);
    if (!bytes) {
        buffer_free(text);
        return NULL;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(*length, bytes, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(bytes);
    return with(response, "Content-Type", content_type);
}

bool no_memory_init(struct no_memory *n, struct error *e)
{
    struct error none = {0};
    error_set(&none, ERROR_OUT_OF_MEMORY, "", "there is no memory for the answer");
    struct buffer document;
    buffer_init(&document, 1024);
    problem_write(&none, 503, "unknown", &document);
    struct MHD_Response *r = response_of(&document, PROBLEM_JSON, &n->length);
    r = with(with(r, "Retry-After", "1"), "Cache-Control", "no-store");
    n->response = with(r, "Connection", "close");
    return n->response ||
           error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the server");
}

void no_memory_free(struct no_memory *n)
{
    if (n->response)
        MHD_destroy_response(n->response);
}

void reply_buffer(struct exchange *x, const char *content_type, struct buffer *text)
{
    if (text->failed) {
        struct error e = {0};
        error_set(&e, ERROR_OUT_OF_MEMORY, "", "there is no memory for the answer");
        buffer_free(text);
        reply_problem(x, &e);
        return;
    }
    size_t length;
    struct MHD_Response *response = response_of(text, content_type, &length);
    queue(x, 200, length, response);
}

static struct MHD_Response *with_retry_after(struct exchange *x, enum error_code code,
                                             struct MHD_Response *response)
{
    /* Another replica is ready at once; the queue says itself when it will be. */
    bool elsewhere = code == ERROR_SHUTTING_DOWN || code == ERROR_NOT_READY;
    unsigned seconds =
        elsewhere ? 1 : attention_service_retry_after(exchange_site(x)->service);
    char text[16];
    snprintf(text, sizeof text, "%u", seconds);
    return with(response, "Retry-After", text);
}

void reply_problem(struct exchange *x, const struct error *error)
{
    struct request *r = &x->request;
    unsigned status = r->refusal_status ? r->refusal_status : reply_status(error->code);
    r->error = error->code;
    r->must_close |=
        error->code == ERROR_SHUTTING_DOWN || error->code == ERROR_NOT_READY;

    enum { PROBLEM_LIMIT = 16 * 1024 };
    struct buffer document;
    buffer_init(&document, PROBLEM_LIMIT);
    problem_write(error, status, r->call.id, &document);
    size_t length = 0;
    struct MHD_Response *response = response_of(&document, PROBLEM_JSON, &length);

    if (status == 401)
        response = with(response, "WWW-Authenticate", "Bearer");
    if (status == 429 || status == 503)
        response = with_retry_after(x, error->code, response);
    if (status == 405) {
        char allow[ALLOW_BYTES];
        routes_allow(r->path, r->path_length, allow);
        response = with(response, "Allow", allow);
    }
    if (status == 415)
        response = with(response, "Accept-Encoding", "identity");
    queue(x, status, length, response);
}

/* What a browser asks before it sends a page's request; RFC 9110 asks for Allow. */
static struct MHD_Response *with_preflight(struct MHD_Response *response,
                                           const char *allow)
{
    response = with(response, "Access-Control-Allow-Methods", allow);
    response = with(response, "Access-Control-Allow-Headers",
                    "Authorization, Content-Type, X-Request-Id, traceparent");
    return with(response, "Access-Control-Max-Age", "600");
}

void reply_options(struct exchange *x)
{
    char allow[ALLOW_BYTES];
    routes_allow(x->request.path, x->request.path_length, allow);
    struct MHD_Response *response =
        with(MHD_create_response_from_iovec(NULL, 0, NULL, NULL), "Allow", allow);
    if (allowed_origin(x))
        response = with_preflight(response, allow);
    queue(x, 204, 0, response);
}

enum { TIMING_BYTES = 64 + 4 * MILLISECONDS_BYTES };

static void timing_text(const struct attention_call *call, char text[TIMING_BYTES])
{
    const struct {
        const char *name;
        double ms;
    } stages[] = {{"parse;dur=", call->parse_ms},
                  {", queue;dur=", call->queue_ms},
                  {", compute;dur=", call->compute_ms},
                  {", serialize;dur=", call->serialize_ms}};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        text = milliseconds_write(stages[i].ms, stpcpy(text, stages[i].name));
    *text = '\0';
}

/* MHD_IoVec is an iovec whose bytes are const, but a type of its own. */
static struct MHD_Response *response_of_pieces(struct attention_call *call)
{
    if (call->piece_count == 1) {
        const struct MHD_IoVec piece = {call->pieces->iov_base, call->pieces->iov_len};
        return MHD_create_response_from_iovec(&piece, 1, NULL, NULL);
    }
    struct error e = {0};
    struct MHD_IoVec *pieces =
        arena_alloc(&call->arena, call->piece_count, sizeof *pieces, &e);
    if (!pieces)
        return NULL;
    for (size_t i = 0; i < call->piece_count; i++)
        pieces[i] =
            (struct MHD_IoVec){call->pieces[i].iov_base, call->pieces[i].iov_len};
    return MHD_create_response_from_iovec(pieces, (unsigned)call->piece_count, NULL,
                                          NULL);
}

void reply_call(struct exchange *x)
{
    struct attention_call *call = &x->request.call;
    x->request.serialize_ms = call->serialize_ms;
    if (call->error.code == ERROR_CANCELLED) {
        x->request.error = ERROR_CANCELLED;
        return;
    }
    if (call->error.code) {
        reply_problem(x, &call->error);
        return;
    }
    char timing[TIMING_BYTES];
    timing_text(call, timing);
    bool text = call->form == ANSWER_TEXT;
    struct MHD_Response *response =
        with(call->more ? stream_response(x) : response_of_pieces(call), "Content-Type",
             text ? "text/plain; charset=utf-8" : "application/json");
    queue(x, 200, call->more ? call->answer_bound : call->answer_bytes,
          with(response, "Server-Timing", timing));
    if (call->more && x->request.status == 200)
        stream_begin(x);
}
