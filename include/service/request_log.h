/* request_log.h - the last N requests, for GET /metrics/requests. */
#ifndef SERVICE_REQUEST_LOG_H
#define SERVICE_REQUEST_LOG_H

#include <stdint.h>

#include "base/buffer.h"

/* Times are in milliseconds; -1: the stage was not reached. Zero sizes are not shown.
 */
struct request_record {
    char id[129];
    char trace_id[33]; /* "" when the request had none */
    const char *route; /* template, static */
    const char *method;
    unsigned status;
    const char *error; /* error_slug(), or NULL */
    size_t request_bytes, response_bytes;
    size_t batch, tokens, width, heads; /* tokens of the longest sequence */
    double receive_ms, parse_ms, queue_ms, compute_ms, serialize_ms, send_ms, total_ms;
    int64_t unix_ms; /* wall clock at arrival */
};

struct request_log; /* a ring under a lock that is held for one copy */

struct request_log *request_log_new(size_t capacity);
void request_log_delete(struct request_log *log);
void request_log_add(struct request_log *log, const struct request_record *record);

/* Copies up to `most` records into `out`, newest first; returns how many. */
size_t request_log_read(struct request_log *log, struct request_record *out,
                        size_t most);

#endif
