#include <stdlib.h>
#include <string.h>

#include "codec/request_log_document.h"
#include "http/handlers.h"
#include "http/reply.h"

void handle_metrics(struct exchange *x)
{
    static const char *const types[] = {
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8"};
    enum { METRICS_LIMIT = 4 * 1024 * 1024 };
    struct site *site = exchange_site(x);

    /* Read now, not kept up to date at every request: set by one thread at a time, it
     * could only be right in the end. */
    metrics_set(site->metrics, METRIC_IN_FLIGHT, (double)atomic_load(&site->in_flight));
    metrics_set(site->metrics, METRIC_MEMORY, (double)atomic_load(&site->memory.spent));
    metrics_set(site->metrics, METRIC_MEMORY_LIMIT, (double)site->memory.limit);
    metrics_set(site->metrics, METRIC_CONNECTIONS,
                (double)atomic_load(&site->connections));
    struct buffer text;
    buffer_init(&text, METRICS_LIMIT);
    metrics_write(site->metrics,
                  x->request.offer == 0 ? METRICS_PROMETHEUS : METRICS_OPENMETRICS,
                  &text);
    reply_buffer(x, types[x->request.offer], &text);
}

/* Of one answer: it is made on an HTTP thread, while others wait for theirs. */
enum { MOST_RECORDS = 1000 };

/* "limit=N"; as many as there may be without a query. */
static bool read_limit(const struct request *r, size_t *limit, struct error *e)
{
    if (!r->query[0] && !r->query_cut)
        return true;

    size_t name = strlen("limit="), digits = 0, value = 0;
    if (strncmp(r->query, "limit=", name) == 0)
        digits = strspn(r->query + name, "0123456789");
    for (size_t i = 0; i < digits && digits <= 5; i++)
        value = value * 10 + (size_t)(r->query[name + i] - '0');
    if (value < 1 || value > MOST_RECORDS || r->query[name + digits])
        return error_set(e, ERROR_BAD_REQUEST, "",
                         "the only query known here is limit=N, N from 1 to %d",
                         MOST_RECORDS);
    *limit = value;
    return true;
}

static void reply_records(struct exchange *x, struct request_record *records,
                          size_t most)
{
    enum { RECORDS_LIMIT = MOST_RECORDS * 2048 };
    size_t count = request_log_read(exchange_site(x)->request_log, records, most);
    struct buffer document;
    buffer_init(&document, RECORDS_LIMIT);
    request_log_document_write(records, count, &document);
    reply_buffer(x, "application/json", &document);
}

void handle_metrics_requests(struct exchange *x)
{
    size_t kept = exchange_site(x)->settings->request_log_size;
    size_t limit = MOST_RECORDS;
    struct error e = {0};
    struct request_record *records = NULL;
    if (read_limit(&x->request, &limit, &e)) {
        limit = limit < kept ? limit : kept;
        records = malloc(limit * sizeof *records);
        if (!records)
            error_set(&e, ERROR_OUT_OF_MEMORY, "", "there is no memory for the answer");
    }
    if (records)
        reply_records(x, records, limit);
    else
        reply_problem(x, &e);
    free(records);
}
