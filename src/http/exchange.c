#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "http/account.h"
#include "http/admission.h"
#include "http/reply.h"
#include "http/request_body.h"
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

/* Copies what can be one of our paths or queries; what is longer is none of them. */
static void keep_target(struct request *r, const char *raw, const struct target *target)
{
    r->authority_length = target->authority_length;
    r->authority_at = target->authority ? (size_t)(target->authority - raw) : 0;
    r->secure = target->secure;
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
    r->unix_ms = clock_wall_ms();
    r->label = route_count;
    r->serialize_ms = -1;
    atomic_fetch_add_explicit(&exchange_site(x)->in_flight, 1, memory_order_relaxed);

    struct target parts;
    if (target_parse(target, &parts, &r->refusal))
        keep_target(r, target, &parts);
    else
        r->must_close = r->refusal.code == ERROR_BAD_REQUEST;

    atomic_store_explicit(&x->rests_ns, r->call.received_ns, memory_order_relaxed);
    atomic_store_explicit(&x->ends_seen, 0, memory_order_relaxed);
    set_deadline(x, r->call.received_ns, exchange_site(x)->settings->header_timeout);
    bool cut = !exchange_enter(x, PHASE_IDLE, PHASE_HEAD);
    (void)cut; /* exchange_step() looks */
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

/* The watch may have it still, for microseconds. Then its words are there, and with
 * TLS they are to be said here. */
static enum MHD_Result give_up(struct exchange *x)
{
    watch_wait(x->front->watch);
    wire_end(&x->wire);
    return MHD_NO;
}

static enum MHD_Result refuse(struct exchange *x)
{
    if (!exchange_enter(x, PHASE_BODY, PHASE_ANSWERING))
        return give_up(x); /* GCOVR_EXCL_LINE: cut at this very moment */
    reply_problem(x, &x->request.refusal);
    return answered(x);
}

/* An absolute target is for us when its host is that of the Host field, and its scheme
 * what is spoken here. `url` has what is encoded decoded; before the path nothing is.
 */
static bool is_for_us(const struct exchange *x, const char *url)
{
    const struct request *r = &x->request;
    return r->authority_length == 0 ||
           (r->secure == (exchange_site(x)->tls != NULL) &&
            target_is_for(url + r->authority_at, r->authority_length, r->head.host));
}

static enum MHD_Result take_head(struct exchange *x, const char *url,
                                 const char *method, const char *version)
{
    struct request *r = &x->request;
    r->head_read = true;
    r->method = method_read(method);
    r->http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, add_field, &r->head);
    identify(r);
    if (!is_for_us(x, url))
        error_set(&r->refusal, ERROR_NOT_FOUND, "",
                  "this is not a proxy: the target's scheme and host must be those of "
                  "this connection and of its Host field");

    r->head_ns = clock_now_ns();
    atomic_store_explicit(&x->rests_ns, r->head_ns, memory_order_relaxed);
    request_body_pace(x);
    if (!exchange_enter(x, PHASE_HEAD, PHASE_BODY))
        return give_up(x); /* GCOVR_EXCL_LINE: cut at this very moment */

    uint64_t body_length;
    if (admission_check(x, &body_length) && request_body_begin(x, body_length))
        return MHD_YES;

    /* An answer queued here closes the connection; without a body that is not needed
     * and the refusal waits for the end of the request, which is now. When there is too
     * much to do, a body that is about to come anyhow is less of it than another
     * connection. */
    enum { READ_ON = 1024 * 1024 };
    bool body_follows = r->body_kind == BODY_CHUNKED || body_length > 0;
    bool passes_over = r->refusal.code == ERROR_OVERLOADED && body_length <= READ_ON &&
                       !r->head.expect;
    if ((!body_follows || passes_over) && !r->must_close)
        return MHD_YES;
    r->must_close = true;
    x->linger = true;
    return refuse(x);
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
        return give_up(x); /* GCOVR_EXCL_LINE: cut at this very moment */

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
    (void)front, (void)connection;
    struct exchange *x = *context;
    if (!x)
        return MHD_NO; /* GCOVR_EXCL_LINE: read before it was forsaken */
    if (exchange_was_cut(x))
        return give_up(x);
    if (!x->request.head_read)
        return take_head(x, url, method, version);
    if (*size) {
        size_t length = *size;
        *size = 0;
        return request_body_take(x, data, length) ? MHD_YES : MHD_NO;
    }
    if (!x->request.submitted)
        return complete(x);
    reply_call(x); /* resumed */
    return answered(x);
}

/* Unless the watch has cut it. */
static void enter_unless_cut(struct exchange *x, enum exchange_phase next)
{
    int phase = atomic_load(&x->phase);
    while (phase != PHASE_CUT &&
           !atomic_compare_exchange_weak(&x->phase, &phase, next)) {
    }
}

static void finish(struct exchange *x, enum MHD_RequestTerminationCode why)
{
    enter_unless_cut(x, PHASE_ENDED);
    /* The pool may still write for a client that has left; then the connection is over,
     * and the arena goes with the exchange. */
    bool written_for = stream_end(x);
    if (exchange_was_cut(x))
        watch_wait(x->front->watch); /* it may not have said all */
    int64_t now = clock_now_ns();
    if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        reply_sent(x);
    if (why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED) { /* nothing of it was taken */
        metrics_add(exchange_site(x)->metrics, METRIC_CONNECTIONS_CUT, 1);
        why = MHD_REQUEST_TERMINATED_WITH_ERROR;
    }
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
    enter_unless_cut(x, PHASE_IDLE);
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
