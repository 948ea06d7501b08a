#include <stdio.h>
#include <string.h>

#include "service/metrics_shares.h"
#include "service/process.h"

/* Where a counter or a cell is within each share. */
static size_t place(const struct metrics *m, const void *in_first_share)
{
    return (size_t)((const unsigned char *)in_first_share - m->shares);
}

static double sum_of(const struct metrics *m, const _Atomic uint64_t *in_first_share)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < SHARES; i++) {
        const void *at = m->shares + i * m->share_bytes + place(m, in_first_share);
        sum += atomic_load_explicit((const _Atomic uint64_t *)at, memory_order_relaxed);
    }
    return (double)sum;
}

/* A cell summed over the shares; returns its value. */
static double gather(const struct metrics *m, const struct cell *in_first_share,
                     uint64_t counts[MOST_COUNTS])
{
    double value = 0;
    memset(counts, 0, MOST_COUNTS * sizeof *counts);
    for (size_t i = 0; i < SHARES; i++) {
        const void *at = m->shares + i * m->share_bytes + place(m, in_first_share);
        const struct cell *cell = at;
        value += atomic_load_explicit(&cell->value, memory_order_relaxed);
        for (size_t n = 0; n < MOST_COUNTS; n++)
            counts[n] += atomic_load_explicit(&cell->counts[n], memory_order_relaxed);
    }
    return value;
}

static void write_histogram(struct metrics *m, const struct exposition *x,
                            const struct metrics_label *label,
                            const struct cell *in_first_share,
                            const struct scale *scale,
                            const struct metrics_exemplar *exemplars)
{
    uint64_t counts[MOST_COUNTS];
    double sum = gather(m, in_first_share, counts);
    struct metrics_histogram h = {
        .bounds = scale->bounds,
        .bound_count = scale->count,
        .counts = counts,
        .sum = sum,
        .exemplars = exemplars,
    };
    exposition_histogram(x, label, label ? 1 : 0, &h);
}

static void write_info(struct metrics *m, struct exposition *x)
{
    const struct metrics_label labels[] = {
        {"version", m->version}, {"blas", m->blas}, {"simd", m->simd}};
    exposition_family(x, METRICS_INFO, "attentiond_build",
                      "What was built and what it runs on.");
    exposition_value(x, labels, 3, 1);
}

static void write_requests(struct metrics *m, struct exposition *x)
{
    exposition_family(x, METRICS_COUNTER, "attentiond_requests", "Requests answered.");
    for (size_t r = 0; r < m->route_count; r++)
        for (size_t c = 0; c <= CODE_COUNT; c++) {
            char code[16] = "other";
            if (c < CODE_COUNT)
                snprintf(code, sizeof code, "%u", codes[c]);
            const struct metrics_label labels[] = {{"route", m->routes[r].name},
                                                   {"code", code}};
            exposition_value(x, labels, 2,
                             sum_of(m, &share_at(m, 0)->routes[r].by_code[c]));
        }

    exposition_family(
        x, METRICS_HISTOGRAM, "attentiond_request_duration_seconds",
        "Time from the first byte of a request to the last of its answer.");
    for (size_t r = 0; r < m->route_count; r++) {
        struct metrics_exemplar exemplars[MOST_COUNTS];
        pthread_mutex_lock(&m->exemplar_lock);
        memcpy(exemplars, m->routes[r].exemplars, sizeof exemplars);
        pthread_mutex_unlock(&m->exemplar_lock);
        write_histogram(m, x, &(struct metrics_label){"route", m->routes[r].name},
                        &share_at(m, 0)->routes[r].seconds, &seconds_scale, exemplars);
    }
}

static void write_stages(struct metrics *m, struct exposition *x)
{
    exposition_family(x, METRICS_HISTOGRAM, "attentiond_stage_duration_seconds",
                      "Time requests spent in each stage they reached.");
    for (size_t i = 0; i < STAGE_COUNT; i++)
        write_histogram(m, x, &(struct metrics_label){"stage", stage_names[i]},
                        &share_at(m, 0)->stages[i], &seconds_scale, NULL);
}

static void write_refusals(struct metrics *m, struct exposition *x)
{
    exposition_family(x, METRICS_COUNTER, "attentiond_rejected",
                      "Requests refused, by the last word of the problem type.");
    for (size_t i = 0; i < REASON_COUNT; i++)
        exposition_value(x, &(struct metrics_label){"reason", error_slug(reasons[i])},
                         1, sum_of(m, &share_at(m, 0)->rejected[i]));

    exposition_family(x, METRICS_COUNTER, "attentiond_cancelled",
                      "Requests whose client left, by the stage they were in.");
    for (size_t i = 0; i < STAGE_COUNT; i++)
        exposition_value(x, &(struct metrics_label){"stage", stage_names[i]}, 1,
                         sum_of(m, &share_at(m, 0)->cancelled[i]));
}

static double value_of(const struct metrics *m, size_t which)
{
    uint64_t counts[MOST_COUNTS];
    return gather(m, &share_at(m, 0)->cells[which], counts) +
           atomic_load_explicit(&m->gauges[which], memory_order_relaxed);
}

static void write_plain(struct metrics *m, struct exposition *x)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (plain[i].kind == COUNTER || plain[i].kind == GAUGE) {
            exposition_family(
                x, plain[i].kind == COUNTER ? METRICS_COUNTER : METRICS_GAUGE,
                plain[i].name, plain[i].help);
            exposition_value(x, NULL, 0, value_of(m, i));
        } else {
            exposition_family(x, METRICS_HISTOGRAM, plain[i].name, plain[i].help);
            write_histogram(m, x, NULL, &share_at(m, 0)->cells[i], plain_scale(i),
                            NULL);
        }
    }
}

static void write_process(struct metrics *m, struct exposition *x)
{
    struct process_usage usage;
    process_usage_read(&usage);
    const struct {
        enum metrics_kind kind;
        const char *name, *help;
        double value;
    } rows[] = {
        {METRICS_COUNTER, "process_cpu_seconds", "User and system CPU time spent.",
         usage.cpu_seconds},
        {METRICS_GAUGE, "process_open_fds", "Open file descriptors.", usage.open_fds},
        {METRICS_GAUGE, "process_max_fds", "File descriptors that may be open.",
         usage.max_fds},
        {METRICS_GAUGE, "process_virtual_memory_bytes", "Virtual memory size.",
         usage.virtual_bytes},
        {METRICS_GAUGE, "process_resident_memory_bytes", "Resident memory size.",
         usage.resident_bytes},
        {METRICS_GAUGE, "process_start_time_seconds",
         "Start of the process, in Unix time.", m->start_seconds},
        {METRICS_GAUGE, "process_threads", "Threads of the process.", usage.threads},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        exposition_family(x, rows[i].kind, rows[i].name, rows[i].help);
        exposition_value(x, NULL, 0, rows[i].value);
    }
}

void metrics_write(struct metrics *m, enum metrics_format format, struct buffer *out)
{
    struct exposition x = {.out = out, .format = format};
    write_info(m, &x);
    write_requests(m, &x);
    write_stages(m, &x);
    write_refusals(m, &x);
    write_plain(m, &x);
    write_process(m, &x);
    exposition_end(&x);
}
