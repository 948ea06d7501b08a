/* exposition.h - numbers as Prometheus reads them: text format 0.0.4, or
 * OpenMetrics 1.0.0.
 *
 * One family after another: exposition_family(), then its samples; at the very end
 * exposition_end(). Failing is the buffer's. The two formats differ in where a
 * counter has its "_total" and an info its "_info", in exemplars, in how whole
 * bounds are spelt ("1" and "1.0") and in the last line.
 * https://prometheus.io/docs/instrumenting/exposition_formats
 * https://prometheus.io/docs/specs/om/open_metrics_spec */
#ifndef CODEC_EXPOSITION_H
#define CODEC_EXPOSITION_H

#include <stdint.h>

#include "base/buffer.h"

enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

/* An info is a gauge that is 1; its labels say something. */
enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE, METRICS_INFO, METRICS_HISTOGRAM };

struct exposition {
    struct buffer *out; /* borrowed */
    enum metrics_format format;
    enum metrics_kind kind; /* of the family now written */
    const char *name;       /* its name, without "_total" and "_info" */
};

struct metrics_label {
    const char *name;  /* ours: letters, digits, '_' */
    const char *value; /* UTF-8; escaped here */
};

/* One request that fell into a bucket. */
struct metrics_exemplar {
    char trace_id[33]; /* "": none yet */
    double value, unix_seconds;
};

/* `counts` has one more entry than `bounds`, for what is above them all; it is not
 * cumulative. Bounds are inclusive and grow. */
struct metrics_histogram {
    const double *bounds;
    size_t bound_count;
    const uint64_t *counts;
    double sum;
    const struct metrics_exemplar *exemplars; /* one a count, or NULL */
};

/* `help` is one line of plain text. */
void exposition_family(struct exposition *x, enum metrics_kind kind, const char *name,
                       const char *help);
void exposition_value(const struct exposition *x, const struct metrics_label *labels,
                      size_t label_count, double value);
void exposition_histogram(const struct exposition *x,
                          const struct metrics_label *labels, size_t label_count,
                          const struct metrics_histogram *h);
void exposition_end(const struct exposition *x);

#endif
