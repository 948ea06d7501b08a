#include "http/account.h"

#include <string.h>

#include "http/reply.h"
#include "service/clock.h"
#include "service/log.h"

static double milliseconds(int64_t from, int64_t to)
{
    return from && to ? (double)(to - from) / (double)NS_PER_MS : -1;
}

/* The answers the library or the watch gave, and the clients that did not wait for
 * one, have a status, too. */
static void settle_status(struct exchange *x)
{
    struct request *r = &x->request;
    if (r->status)
        return;
    if (exchange_was_cut(x)) {
        if (x->cut.id[0]) /* the client was told this one */
            memcpy(r->call.id, x->cut.id, sizeof r->call.id);
        x->cut.id[0] = '\0';
        if (r->call.received_ns > x->cut.at_ns) /* the end of its first line */
            r->call.received_ns = x->cut.began_ns;
        r->error = x->cut.error;
        r->status = reply_status(r->error);
        r->answer_bytes = x->cut.bytes;
    }
    if (!r->call.id[0]) /* its head was never complete */
        request_id_generate(r->call.id);
    if (r->status)
        return;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_HTTP_STATUS);
    r->error = info ? ERROR_BAD_REQUEST : ERROR_CANCELLED;
    r->status = info ? info->http_status : reply_status(ERROR_CANCELLED);
}

static void count_stage(struct metrics *m, enum metrics_stage stage, double ms)
{
    if (ms >= 0)
        metrics_stage(m, stage, ms / 1000);
}

static void count_sizes(struct metrics *m, const struct request *r,
                        const struct request_record *record)
{
    if (r->body_kind != BODY_NONE)
        metrics_observe(m, METRIC_REQUEST_BYTES, (double)record->request_bytes);
    metrics_observe(m, METRIC_RESPONSE_BYTES, (double)record->response_bytes);
}

/* The client left before it had all of its answer, or was cut: whatever the status has
 * promised. */
static bool fell_short(const struct request *r, enum MHD_RequestTerminationCode why)
{
    return r->answered_ns && why == MHD_REQUEST_TERMINATED_WITH_ERROR;
}

/* The pool counts its own stages, and the calls that were cancelled there. */
static void count(const struct exchange *x, const struct request_record *record,
                  enum MHD_RequestTerminationCode why)
{
    const struct request *r = &x->request;
    struct metrics *m = exchange_site(x)->metrics;
    metrics_request(m, r->label, record->status, record->total_ms / 1000,
                    r->trace_id[0] ? r->trace_id : NULL);
    count_stage(m, STAGE_RECEIVE, record->receive_ms);
    count_stage(m, STAGE_SEND, record->send_ms);
    count_sizes(m, r, record);
    if (r->error == ERROR_CANCELLED) {
        if (!r->called)
            metrics_cancelled(m, STAGE_RECEIVE);
    } else if (r->error) {
        metrics_rejected(m, r->error);
    }
    if (fell_short(r, why))
        metrics_cancelled(m, STAGE_SEND);
}

static void write_line(const struct request_record *record, const char *key)
{
    struct log_pair pairs[] = {
        LOG_S("id", record->id),
        LOG_S("method", record->method),
        LOG_S("route", record->route),
        LOG_I("status", record->status),
        LOG_S("key", key[0] ? key : NULL), /* its name */
        LOG_I("request_bytes", record->request_bytes),
        LOG_I("response_bytes", record->response_bytes),
        LOG_R("ms", record->total_ms),
        LOG_S("error", record->error),
        LOG_S("trace_id", record->trace_id[0] ? record->trace_id : NULL),
    };
    log_event(LOG_INFO, "request", pairs, sizeof pairs / sizeof *pairs);
}

/* What only the HTTP thread writes. */
static void fill(const struct request *r, int64_t now, struct request_record *record)
{
    *record = (struct request_record){
        .route = r->label < route_count ? routes[r->label].path : "other",
        .method = method_name(r->method),
        .status = r->status,
        .error = r->error ? error_slug(r->error) : NULL,
        .request_bytes = r->body_bytes,
        .response_bytes = r->answer_bytes,
        .receive_ms = milliseconds(r->call.received_ns, r->call.complete_ns),
        .parse_ms = -1,
        .queue_ms = -1,
        .compute_ms = -1,
        .serialize_ms = r->serialize_ms,
        .send_ms = milliseconds(r->answered_ns, now),
        .total_ms = milliseconds(r->call.received_ns, now),
        .unix_ms = r->unix_ms,
    };
    memcpy(record->id, r->call.id, sizeof record->id);
    memcpy(record->trace_id, r->trace_id, sizeof record->trace_id);
}

/* What the service wrote of it, and is done with. */
static void fill_call(const struct request *r, struct request_record *record)
{
    const struct attention_call *call = &r->call;
    record->batch = call->batch;
    record->tokens = call->tokens;
    record->width = call->width;
    record->heads = call->heads;
    record->parse_ms = r->called ? call->parse_ms : -1;
    record->queue_ms = r->called ? call->queue_ms : -1;
    record->compute_ms = r->called ? call->compute_ms : -1;
}

static void keep(const struct site *site, const struct request_record *record,
                 const char *key)
{
    request_log_add(site->request_log, record);
    write_line(record, key);
}

void account_for(struct exchange *x, int64_t now, enum MHD_RequestTerminationCode why)
{
    const struct request *r = &x->request;
    if (r->accounted)
        return;
    settle_status(x);
    struct request_record record;
    fill(r, exchange_was_cut(x) ? x->cut.at_ns : now, &record);
    fill_call(r, &record);
    if (!r->error && fell_short(r, why))
        record.error = error_slug(ERROR_CANCELLED);
    count(x, &record, why);
    keep(exchange_site(x), &record, r->key.name);
    if (x->request.error == ERROR_INTERNAL)
        log_write(LOG_ERROR, "internal", LOG_S("id", record.id),
                  LOG_S("detail", x->request.call.error.message));
}

void account_for_hung(struct exchange *x)
{
    struct request *r = &x->request;
    struct metrics *m = exchange_site(x)->metrics;
    struct request_record record;
    fill(r, x->cut.at_ns, &record);
    record.status = reply_status(x->cut.error);
    record.error = error_slug(x->cut.error);
    record.response_bytes = x->cut.bytes;
    metrics_request(m, r->label, record.status, record.total_ms / 1000, NULL);
    count_sizes(m, r, &record);
    metrics_rejected(m, x->cut.error);
    keep(exchange_site(x), &record, r->key.name);
    r->accounted = true;
}

void account_for_words(struct site *site, const struct said *said)
{
    struct request_record record = {
        .route = "other",
        .method = method_name(METHOD_UNKNOWN),
        .status = reply_status(said->error),
        .error = error_slug(said->error),
        .response_bytes = said->bytes,
        .receive_ms = -1,
        .parse_ms = -1,
        .queue_ms = -1,
        .compute_ms = -1,
        .serialize_ms = -1,
        .send_ms = -1,
        .total_ms = milliseconds(said->began_ns, said->at_ns),
        .unix_ms = clock_wall_ms(),
    };
    memcpy(record.id, said->id, sizeof record.id);
    metrics_request(site->metrics, route_count, record.status, record.total_ms / 1000,
                    NULL);
    metrics_observe(site->metrics, METRIC_RESPONSE_BYTES, (double)said->bytes);
    metrics_rejected(site->metrics, said->error);
    keep(site, &record, "");
}
