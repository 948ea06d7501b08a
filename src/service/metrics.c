#include "service/metrics.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "service/process.h"

enum { CACHE_LINE = 64, MOST_COUNTS = 26 };

/* What a family's histograms are cut at. */
struct scale {
    size_t count;
    double bounds[MOST_COUNTS - 1];
};

static const struct scale seconds_scale = {18,
                                           {50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3,
                                            5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5,
                                            1, 2.5, 5, 10, 30}};
static const struct scale lengths_scale = {
    14, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192}};
static const struct scale bytes_scale = {
    25, {0x1p6,  0x1p7,  0x1p8,  0x1p9,  0x1p10, 0x1p11, 0x1p12, 0x1p13, 0x1p14,
         0x1p15, 0x1p16, 0x1p17, 0x1p18, 0x1p19, 0x1p20, 0x1p21, 0x1p22, 0x1p23,
         0x1p24, 0x1p25, 0x1p26, 0x1p27, 0x1p28, 0x1p29, 0x1p30}};

/* Its own cache lines: threads that count different things do not disturb each
 * other. */
struct cell {
    alignas(CACHE_LINE) _Atomic double value; /* of a histogram: the sum */
    _Atomic uint64_t counts[MOST_COUNTS];     /* histograms: not cumulative */
};

/* Each status that http/reply knows; 499: the client left before its answer. */
static const unsigned codes[] = {200, 204, 400, 404, 405, 406, 408, 411, 413, 414,
                                 415, 417, 422, 431, 499, 500, 501, 503, 504};
enum { CODE_COUNT = sizeof codes / sizeof *codes };

static const enum error_code reasons[] = {
#define X(code, slug, title) code,
    ERROR_CODES(X)
#undef X
};
enum { REASON_COUNT = sizeof reasons / sizeof *reasons };

static const char *const stage_names[STAGE_COUNT] = {
    [STAGE_RECEIVE] = "receive",     [STAGE_PARSE] = "parse",
    [STAGE_QUEUE] = "queue",         [STAGE_COMPUTE] = "compute",
    [STAGE_SERIALIZE] = "serialize", [STAGE_SEND] = "send"};

static const struct {
    enum { COUNTER, GAUGE, LENGTHS, BYTES } kind;
    const char *name, *help;
} plain[METRIC_COUNT] = {
#define METRIC(id, kind, name, help) [id] = {kind, name, help},
#include "service/metrics.def"
#undef METRIC
};

struct route {
    const char *name;
    _Atomic uint64_t by_code[CODE_COUNT + 1]; /* the last: other */
    struct cell seconds;
    struct metrics_exemplar exemplars[MOST_COUNTS]; /* under exemplar_lock */
};

struct metrics {
    struct cell cells[METRIC_COUNT];
    struct cell stages[STAGE_COUNT];
    _Atomic uint64_t rejected[REASON_COUNT];
    _Atomic uint64_t cancelled[STAGE_COUNT];
    const char *version, *blas, *simd;
    double start_seconds;
    pthread_mutex_t exemplar_lock;
    size_t route_count; /* "other" included */
    struct route routes[];
};

struct metrics *metrics_new(const char *const *routes, size_t route_count)
{
    /* Both structs are whole cache lines long, as aligned_alloc() wants it. */
    size_t bytes = sizeof(struct metrics) + (route_count + 1) * sizeof(struct route);
    struct metrics *m = aligned_alloc(CACHE_LINE, bytes);
    if (!m)
        return NULL;
    memset(m, 0, bytes);

    m->version = m->blas = m->simd = "";
    m->route_count = route_count + 1;
    for (size_t i = 0; i < route_count; i++)
        m->routes[i].name = routes[i];
    m->routes[route_count].name = "other";
    pthread_mutex_init(&m->exemplar_lock, NULL);

    struct process_usage usage;
    process_usage_read(&usage);
    m->start_seconds = usage.start_seconds;
    return m;
}

void metrics_delete(struct metrics *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->exemplar_lock);
    free(m);
}

void metrics_build_info(struct metrics *m, const char *version, const char *blas,
                        const char *simd)
{
    m->version = version;
    m->blas = blas;
    m->simd = simd;
}

static void add(_Atomic double *value, double amount)
{
    double before = atomic_load_explicit(value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        value, &before, before + amount, memory_order_relaxed, memory_order_relaxed))
        ;
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Returns the bucket. */
static size_t observe(struct cell *cell, const struct scale *scale, double value)
{
    size_t i = 0;
    while (i < scale->count && value > scale->bounds[i])
        i++;
    count(&cell->counts[i]);
    add(&cell->value, value);
    return i;
}

void metrics_add(struct metrics *m, enum metric which, double amount)
{
    add(&m->cells[which].value, amount);
}

void metrics_set(struct metrics *m, enum metric which, double value)
{
    atomic_store_explicit(&m->cells[which].value, value, memory_order_relaxed);
}

static const struct scale *plain_scale(size_t which)
{
    return plain[which].kind == BYTES ? &bytes_scale : &lengths_scale;
}

void metrics_observe(struct metrics *m, enum metric which, double value)
{
    observe(&m->cells[which], plain_scale(which), value);
}

static size_t code_index(unsigned status)
{
    size_t i = 0;
    while (i < CODE_COUNT && codes[i] != status)
        i++;
    return i;
}

static void keep_exemplar(struct metrics *m, struct metrics_exemplar *slot,
                          const char *trace_id, double value)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&m->exemplar_lock);
    snprintf(slot->trace_id, sizeof slot->trace_id, "%s", trace_id);
    slot->value = value;
    slot->unix_seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    pthread_mutex_unlock(&m->exemplar_lock);
}

void metrics_request(struct metrics *m, size_t route, unsigned status, double seconds,
                     const char *trace_id)
{
    struct route *r = &m->routes[route < m->route_count ? route : m->route_count - 1];
    count(&r->by_code[code_index(status)]);
    size_t bucket = observe(&r->seconds, &seconds_scale, seconds);
    if (trace_id && trace_id[0])
        keep_exemplar(m, &r->exemplars[bucket], trace_id, seconds);
}

void metrics_stage(struct metrics *m, enum metrics_stage stage, double seconds)
{
    observe(&m->stages[stage], &seconds_scale, seconds);
}

void metrics_rejected(struct metrics *m, enum error_code reason)
{
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (reasons[i] == reason)
            count(&m->rejected[i]);
}

void metrics_cancelled(struct metrics *m, enum metrics_stage stage)
{
    count(&m->cancelled[stage]);
}

static void write_histogram(const struct exposition *x,
                            const struct metrics_label *label, struct cell *cell,
                            const struct scale *scale,
                            const struct metrics_exemplar *exemplars)
{
    uint64_t counts[MOST_COUNTS];
    for (size_t i = 0; i <= scale->count; i++)
        counts[i] = atomic_load_explicit(&cell->counts[i], memory_order_relaxed);
    struct metrics_histogram h = {
        .bounds = scale->bounds,
        .bound_count = scale->count,
        .counts = counts,
        .sum = atomic_load_explicit(&cell->value, memory_order_relaxed),
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
                             (double)atomic_load(&m->routes[r].by_code[c]));
        }

    exposition_family(
        x, METRICS_HISTOGRAM, "attentiond_request_duration_seconds",
        "Time from the first byte of a request to the last of its answer.");
    for (size_t r = 0; r < m->route_count; r++) {
        struct metrics_exemplar exemplars[MOST_COUNTS];
        pthread_mutex_lock(&m->exemplar_lock);
        memcpy(exemplars, m->routes[r].exemplars, sizeof exemplars);
        pthread_mutex_unlock(&m->exemplar_lock);
        write_histogram(x, &(struct metrics_label){"route", m->routes[r].name},
                        &m->routes[r].seconds, &seconds_scale, exemplars);
    }
}

static void write_stages(struct metrics *m, struct exposition *x)
{
    exposition_family(x, METRICS_HISTOGRAM, "attentiond_stage_duration_seconds",
                      "Time requests spent in each stage they reached.");
    for (size_t i = 0; i < STAGE_COUNT; i++)
        write_histogram(x, &(struct metrics_label){"stage", stage_names[i]},
                        &m->stages[i], &seconds_scale, NULL);
}

static void write_refusals(struct metrics *m, struct exposition *x)
{
    exposition_family(x, METRICS_COUNTER, "attentiond_rejected",
                      "Requests refused, by the last word of the problem type.");
    for (size_t i = 0; i < REASON_COUNT; i++)
        exposition_value(x, &(struct metrics_label){"reason", error_slug(reasons[i])},
                         1, (double)atomic_load(&m->rejected[i]));

    exposition_family(x, METRICS_COUNTER, "attentiond_cancelled",
                      "Requests whose client left, by the stage they were in.");
    for (size_t i = 0; i < STAGE_COUNT; i++)
        exposition_value(x, &(struct metrics_label){"stage", stage_names[i]}, 1,
                         (double)atomic_load(&m->cancelled[i]));
}

static void write_plain(struct metrics *m, struct exposition *x)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (plain[i].kind == COUNTER || plain[i].kind == GAUGE) {
            exposition_family(
                x, plain[i].kind == COUNTER ? METRICS_COUNTER : METRICS_GAUGE,
                plain[i].name, plain[i].help);
            exposition_value(x, NULL, 0, atomic_load(&m->cells[i].value));
        } else {
            exposition_family(x, METRICS_HISTOGRAM, plain[i].name, plain[i].help);
            write_histogram(x, NULL, &m->cells[i], plain_scale(i), NULL);
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
