/* metric_series.h - what a test reads of the metrics. */
#ifndef TESTS_SERVICE_METRIC_SERIES_H
#define TESTS_SERVICE_METRIC_SERIES_H

#include <stdio.h>

#include "service/metrics.h"
#include "support/test.h"

/* The value of a series in Prometheus text. */
static inline double series(struct metrics *m, const char *name)
{
    struct buffer text;
    size_t length;
    buffer_init(&text, 1 << 20);
    metrics_write(m, METRICS_PROMETHEUS, &text);
    char *all = buffer_take(&text, &length), line[100];
    ck_assert_ptr_nonnull(all);
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(all, line);
    ck_assert_msg(at != NULL, "no %s", name);
    double value = strtod(at + strlen(line), NULL);
    free(all);
    return value;
}

#endif
