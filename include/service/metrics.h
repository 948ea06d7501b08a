/* metrics.h - what is counted, and how it is shown to Prometheus.
 *
 * Counting is atomic and takes no lock, except for exemplars, whose small lock
 * only a finished request and a scrape take. A scrape resets nothing. Every series
 * exists, at 0, from the start. Any thread may call. */
#ifndef SERVICE_METRICS_H
#define SERVICE_METRICS_H

#include <stdint.h>

#include "base/buffer.h"
#include "codec/exposition.h"

struct metrics; /* opaque: atomics */

/* Label values are closed sets: `routes` (templates such as "/v1/attention"; the
 * last one, "other", is added here) come from the caller's route table and are
 * borrowed. NULL when there is no memory. */
struct metrics *metrics_new(const char *const *routes, size_t route_count);
void metrics_delete(struct metrics *m); /* NULL is fine */

enum metrics_stage {
    STAGE_RECEIVE,
    STAGE_PARSE,
    STAGE_QUEUE,
    STAGE_COMPUTE,
    STAGE_SERIALIZE,
    STAGE_SEND,
    STAGE_COUNT
};

/* Plain counters, gauges and histograms, one line each in metrics.def. */
enum metric {
#define METRIC(id, ...) id,
#include "service/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Counters; gauges too, by the difference, for those that several threads move. */
void metrics_add(struct metrics *m, enum metric which, double amount);
void metrics_set(struct metrics *m, enum metric which, double value); /* gauges */
void metrics_observe(struct metrics *m, enum metric which,
                     double value); /* histograms */

/* The labelled families. `route` is an index into the routes, or route_count for
 * "other"; a status the service never answers is counted as code "other"; `seconds`
 * may be anything from 0. A trace id is 32 hexadecimal digits. */
void metrics_request(struct metrics *m, size_t route, unsigned status, double seconds,
                     const char *trace_id /* exemplar, or NULL */);
void metrics_stage(struct metrics *m, enum metrics_stage stage, double seconds);
void metrics_rejected(struct metrics *m, enum error_code reason); /* not ERROR_NONE */
void metrics_cancelled(struct metrics *m, enum metrics_stage stage);

/* The values of attentiond_build_info; borrowed, set once before serving. */
void metrics_build_info(struct metrics *m, const char *version, const char *blas,
                        const char *simd);

/* Prometheus text 0.0.4, or OpenMetrics 1.0.0 with exemplars. process_* are read
 * here, from /proc/self. About 50 KiB. */
void metrics_write(struct metrics *m, enum metrics_format format, struct buffer *out);

#endif
