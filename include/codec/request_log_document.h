/* request_log_document.h - GET /metrics/requests: the last requests, as JSON. */
#ifndef CODEC_REQUEST_LOG_DOCUMENT_H
#define CODEC_REQUEST_LOG_DOCUMENT_H

#include "base/buffer.h"
#include "codec/request_record.h"

/* {"requests": [{"id", "trace_id", "time", "route", "method", "status", "error",
 * "request_bytes", "response_bytes", "batch", "tokens", "width", "heads",
 * "receive_ms", "parse_ms", "queue_ms", "compute_ms", "serialize_ms", "send_ms",
 * "total_ms"}]} in the order given. What a request did not have (an error, sizes, a
 * stage it did not reach) is left out. `time` is the arrival, RFC 3339 in UTC. */
void request_log_document_write(const struct request_record *records, size_t count,
                                struct buffer *out);

#endif
