/* request_record.h - what is kept of a request that was answered.
 *
 * Times are in milliseconds; -1: the stage was not reached. Sizes of zero are not
 * shown. */
#ifndef CODEC_REQUEST_RECORD_H
#define CODEC_REQUEST_RECORD_H

#include <stddef.h>
#include <stdint.h>

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

#endif
