#include "http/exchange.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/account.h"
#include "http/admission.h"
#include "http/reply.h"
#include "http/target.h"
#include "http/watch.h"
#include "service/clock.h"

static void set_deadline(struct exchange *x, int64_t now, uint64_t timeout_ms)
{
    atomic_store_explicit(&x->deadline_ns, now + (int64_t)timeout_ms * NS_PER_MS,
                          memory_order_relaxed);
}

bool exchange_enter(struct exchange *x, enum exchange_phase from,
                    enum exchange_phase to)
{
    int expected = (int)from;
    if (to == PHASE_ANSWERING) /* until the answer is queued, and its length known */
        atomic_store_explicit(&x->deadline_ns, INT64_MAX, memory_order_relaxed);
    return atomic_compare_exchange_strong(&x->phase, &expected, to);
}

void exchange_hold(struct exchange *x)
{
    atomic_fetch_add(&x->holders, 1);
}

void exchange_release(struct exchange *x)
{
    if (atomic_fetch_sub(&x->holders, 1) > 1)
        return;
    arena_free(&x->request.call.arena);
    free(x);
}

static void *context_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static struct exchange *open_exchange(const struct front *front,
                                      struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    guard_init(&x->guard, front->site->settings->header_limit);
    x->front = front;
    x->connection = connection;
    if (!wire_open(&x->wire, connection, exchange_site(x)->tls, &x->guard)) {
        wire_close(&x->wire); /* GCOVR_EXCL_START a million files */
        free(x);
        return NULL;
        /* GCOVR_EXCL_STOP */
    }
    x->fd = x->wire.fd;
    int64_t now = clock_now_ns();
    atomic_init(&x->rests_ns, now);
    set_deadline(x, now, exchange_site(x)->settings->header_timeout);
    atomic_init(&x->phase, PHASE_IDLE);
    atomic_init(&x->holders, 1);
    if (watch_add(front->watch, x))
        return x;
    wire_close(&x->wire);
    free(x);
    return NULL;
}

static void finish(struct exchange *x, enum MHD_RequestTerminationCode why);

void exchange_connection(void *front, struct MHD_Connection *connection,
                         void **exchange, enum MHD_ConnectionNotificationCode what)
{
    const struct front *at = front;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&at->site->connections, 1);
        atomic_fetch_sub(&at->site->arriving, 1);
        *exchange = open_exchange(at, connection);
        if (!*exchange) /* nobody would watch it */
            wire_forsake(connection);
        return;
    }
    atomic_fetch_sub(&at->site->connections, 1);
    struct exchange *x = *exchange;
    if (!x)
        return;
    if (x->begun) /* the library tells of no end when it had no memory for a refusal */
        finish(x, MHD_REQUEST_TERMINATED_WITH_ERROR); /* GCOVR_EXCL_LINE: torture */
    watch_remove(at->watch, x);
    bool worn = x->requests >= at->site->settings->connection_requests;
    int copy = x->linger || worn ? fcntl(x->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy >= 0) {
        shutdown(copy, SHUT_WR); /* with TLS the library has not */
        watch_farewell(at->watch, copy);
    }
    wire_close(&x->wire);
    exchange_release(x);
}

static int64_t wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

/* Copies what can be one of our paths or queries; what is longer is none of them. */
static void keep_target(struct request *r, const struct target *target)
{
    r->path_length = target->path_length < EXCHANGE_TEXT ? target->path_length : 0;
    memcpy(r->path, target->path, r->path_length);
    size_t query_length = strnlen(target->query, EXCHANGE_TEXT);
    r->query_cut = query_length == EXCHANGE_TEXT;
    if (!r->query_cut)
        memcpy(r->query, target->query, query_length);
}

void *exchange_begin(void *front, const char *target, struct MHD_Connection *connection)
{
    (void)front;
    struct exchange *x = context_of(connection);
    if (!x)
        return NULL; /* GCOVR_EXCL_LINE: read before it was forsaken */

    struct request *r = &x->request;
    memset(r, 0, sizeof *r);
    x->begun = true;
    r->call.received_ns = clock_now_ns();
    r->unix_ms = wall_clock_ms();
    r->label = route_count;
    r->serialize_ms = -1;
    atomic_fetch_add_explicit(&exchange_site(x)->in_flight, 1, memory_order_relaxed);

    struct target parts;
    if (target_parse(target, &parts, &r->refusal))
        keep_target(r, &parts);
    else
        r->must_close = r->refusal.code == ERROR_BAD_REQUEST;

    atomic_store_explicit(&x->rests_ns, r->call.received_ns, memory_order_relaxed);
    atomic_store_explicit(&x->ends_seen, 0, memory_order_relaxed);
    set_deadline(x, r->call.received_ns, exchange_site(x)->settings->header_timeout);
    if (!exchange_enter(x, PHASE_IDLE, PHASE_HEAD))
        r->must_close = true; /* GCOVR_EXCL_LINE: cut at this very moment */
    return x;
}

static enum MHD_Result add_field(void *head, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value,
                                 size_t value_length)
{
    (void)kind, (void)value_length;
    request_head_add(head, name, name_length, value);
    return MHD_YES;
}

static void identify(struct request *r)
{
    const struct request_head *head = &r->head;
    r->call.id_given = head->request_id && request_id_valid(head->request_id);
    if (r->call.id_given)
        memcpy(r->call.id, head->request_id, strlen(head->request_id) + 1);
    else
        request_id_generate(r->call.id);
    if (head->traceparent)
        traceparent_read(head->traceparent, r->trace_id);
}

/* Queues the answer that is made by `answer`; the connection is closed when it could
 * not be made. */
static enum MHD_Result answered(const struct exchange *x)
{
    return x->request.status ? MHD_YES : MHD_NO;
}

static enum MHD_Result refuse(struct exchange *x)
{
    if (!exchange_enter(x, PHASE_BODY, PHASE_ANSWERING))
        return MHD_NO; /* GCOVR_EXCL_LINE: cut at this very moment */
    reply_problem(x, &x->request.refusal);
    return answered(x);
}

/* A length is only announced: more room than FIRST_ROOM is taken as the bytes come,
 * unless there is not that much even now, which is then said before they do. */
static bool make_room(struct exchange *x, uint64_t body_length)
{
    struct request *r = &x->request;
    struct site *site = exchange_site(x);
    if (!r->route || r->route->method != METHOD_POST)
        return true; /* what comes is read and ignored */

    enum { UNKNOWN_LENGTH = 16 * 1024, FIRST_ROOM = 256 * 1024 };
    arena_init(&r->call.arena, site->memory.limit, &site->memory);
    r->call.arena.spare = &site->spares[(size_t)x->fd % SITE_SPARES].blocks;
    size_t length =
        r->body_kind == BODY_OF_LENGTH ? (size_t)body_length : UNKNOWN_LENGTH;
    size_t limit = site->memory.limit, spent = atomic_load(&site->memory.spent);
    bool hopeless = spent > limit || length > limit - spent;
    r->body_room = length < FIRST_ROOM || hopeless ? length : FIRST_ROOM;
    r->body = arena_alloc(&r->call.arena, r->body_room, 1, &r->refusal);
    return r->body != NULL;
}

/* As long as nobody cut it, the deadline is that of the body. */
static void pace_body(struct exchange *x)
{
    const struct request *r = &x->request;
    atomic_store_explicit(
        &x->deadline_ns,
        pace_body_deadline(exchange_site(x)->settings, r->head_ns, r->body_bytes),
        memory_order_relaxed);
}

static enum MHD_Result take_head(struct exchange *x, const char *method,
                                 const char *version)
{
    struct request *r = &x->request;
    r->head_read = true;
    r->method = method_read(method);
    r->http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, add_field, &r->head);
    identify(r);

    r->head_ns = clock_now_ns();
    pace_body(x);
    if (!exchange_enter(x, PHASE_HEAD, PHASE_BODY))
        return MHD_NO; /* GCOVR_EXCL_LINE: cut at this very moment */

    uint64_t body_length;
    if (admission_check(x, &body_length) && make_room(x, body_length))
        return MHD_YES;

    /* An answer queued here closes the connection; without a body that is not needed
     * and the refusal waits for the end of the request, which is now. When there is too
     * much to do, a body that is about to come anyhow is less of it than another
     * connection. */
    enum { READ_ON = 1024 * 1024 };
    bool body_follows = r->body_kind == BODY_CHUNKED || body_length > 0;
    bool passes_over = r->refusal.code == ERROR_OVERLOADED && body_length <= READ_ON &&
                       !r->head.expect;
    if ((!body_follows || passes_over) && !r->must_close) {
        guard_ignore_body(&x->guard);
        return MHD_YES;
    }
    r->must_close = true;
    x->linger = true;
    return refuse(x);
}

static bool grow(struct request *r, size_t wanted)
{
    size_t room = 2 * r->body_room > wanted ? 2 * r->body_room : wanted;
    char *body = arena_alloc(&r->call.arena, room, 1, &r->refusal);
    if (!body)
        return false;
    memcpy(body, r->body, r->body_bytes);
    r->body = body;
    r->body_room = room;
    return true;
}

static bool refuse_length(struct exchange *x)
{
    return error_set(&x->request.refusal, ERROR_TOO_LARGE, "",
                     "the body has more than the %" PRIu64
                     " bytes allowed (body_limit)",
                     exchange_site(x)->settings->body_limit);
}

static bool keep_body(struct exchange *x, const char *data, size_t length)
{
    struct request *r = &x->request;
    uint64_t limit = exchange_site(x)->settings->body_limit;
    size_t sum = r->body_bytes + length;
    r->must_close = sum > limit;
    if (r->must_close)
        return refuse_length(x);
    if (sum > r->body_room && !grow(r, sum))
        return false;
    memcpy(r->body + r->body_bytes, data, length);
    return true;
}

/* The library answers only when it has read a body to its end: where there may be none,
 * the refusal is said past it. */
static enum MHD_Result give_up_body(struct exchange *x)
{
    struct request *r = &x->request;
    struct buffer answer;
    if (!r->refusal.code)
        (void)refuse_length(x);
    r->error = r->refusal.code;
    r->status = reply_status(r->error);
    reply_last(&r->refusal, 1, &answer);
    bool said = !answer.failed && wire_say(&x->wire, answer.data, answer.length);
    (void)said; /* it is closed in any case */
    buffer_free(&answer);
    x->linger = true;
    return MHD_NO;
}

/* What is refused on its way, or what nobody asked for, is read on and counted, so
 * that the answer can be sent; but not for ever. */
static enum MHD_Result take_body(struct exchange *x, const char *data, size_t *size)
{
    struct request *r = &x->request;
    size_t length = *size;
    *size = 0;
    if (r->body_bytes + length > 2 * exchange_site(x)->settings->body_limit)
        return give_up_body(x);

    if (r->body && !r->refusal.code && !keep_body(x, data, length)) {
        r->body = NULL;
        guard_ignore_body(&x->guard);
    }
    r->body_bytes += length;
    pace_body(x);
    return MHD_YES;
}

static enum MHD_Result complete(struct exchange *x)
{
    struct request *r = &x->request;
    r->call.complete_ns = clock_now_ns();
    if (guard_refuses(&x->guard, x->requests, &r->refusal_status, &r->refusal))
        r->must_close = x->linger = true; /* its chunks */
    if (r->refusal.code)
        return refuse(x);
    if (!exchange_enter(x, PHASE_BODY, PHASE_ANSWERING))
        return MHD_NO; /* GCOVR_EXCL_LINE: cut at this very moment */

    if (r->method == METHOD_OPTIONS) {
        reply_options(x);
        return answered(x);
    }
    r->route->handle(x);
    return r->submitted ? MHD_YES : answered(x);
}

enum MHD_Result exchange_step(void *front, struct MHD_Connection *connection,
                              const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **context)
{
    (void)front, (void)connection, (void)url;
    struct exchange *x = *context;
    if (!x)
        return MHD_NO; /* GCOVR_EXCL_LINE: read before it was forsaken */
    if (!x->request.head_read)
        return take_head(x, method, version);
    if (*size)
        return take_body(x, data, size);
    if (!x->request.submitted)
        return complete(x);
    reply_call(x); /* resumed */
    return answered(x);
}

static void finish(struct exchange *x, enum MHD_RequestTerminationCode why)
{
    /* The pool may still write for a client that has left; then the connection is over,
     * and the arena goes with the exchange. */
    bool written_for = stream_end(x);
    int64_t now = clock_now_ns();
    account_for(x, now, why);
    keys_give_back(&x->request.key);
    x->requests++;
    x->begun = false;
    if (!written_for)
        arena_free(&x->request.call.arena);
    atomic_fetch_sub_explicit(&exchange_site(x)->in_flight, 1, memory_order_relaxed);

    /* An exchange that was cut stays so: its connection is about to be closed. */
    atomic_store_explicit(&x->rests_ns, now, memory_order_relaxed);
    atomic_store_explicit(&x->ends_seen, 0, memory_order_relaxed);
    set_deadline(x, now, exchange_site(x)->settings->idle_timeout);
    int phase = atomic_load(&x->phase);
    while (phase != PHASE_CUT &&
           !atomic_compare_exchange_weak(&x->phase, &phase, PHASE_IDLE)) {
    }
}

void exchange_end(void *front, struct MHD_Connection *connection, void **context,
                  enum MHD_RequestTerminationCode why)
{
    (void)front, (void)connection;
    struct exchange *x = *context;
    *context = NULL;
    if (x)
        finish(x, why);
}
