/* metrics_shares.h - the metrics laid open, for their two sources: metrics.c counts,
 * metrics_write.c shows. Nobody else includes this. */
#ifndef SERVICE_METRICS_SHARES_H
#define SERVICE_METRICS_SHARES_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "service/metrics.h"

enum { CACHE_LINE = 64, MOST_COUNTS = 26, SHARES = 16 };

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

/* A value, or a histogram: then `value` is its sum. */
struct cell {
    _Atomic double value;
    _Atomic uint64_t counts[MOST_COUNTS]; /* not cumulative */
};

/* Each status that http/reply knows; 499: the client left before its answer. */
static const unsigned codes[] = {200, 204, 400, 401, 403, 404, 405, 406,
                                 408, 411, 413, 414, 415, 417, 422, 429,
                                 431, 499, 500, 501, 503, 504, 505};
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

struct route_share {
    _Atomic uint64_t by_code[CODE_COUNT + 1]; /* the last: other */
    struct cell seconds;
};

/* What some threads have counted; the sum over all shares is what is shown. Threads
 * with shares of their own do not pass cache lines to and fro at every count. */
struct share {
    alignas(CACHE_LINE) struct cell cells[METRIC_COUNT];
    struct cell stages[STAGE_COUNT];
    _Atomic uint64_t rejected[REASON_COUNT];
    _Atomic uint64_t cancelled[STAGE_COUNT];
    struct route_share routes[];
};

struct route {
    const char *name;
    struct metrics_exemplar exemplars[MOST_COUNTS]; /* under exemplar_lock */
};

struct metrics {
    unsigned char *shares; /* SHARES of share_bytes each */
    size_t share_bytes;
    _Atomic double gauges[METRIC_COUNT]; /* what was set; added to what was counted */
    const char *version, *blas, *simd;
    double start_seconds;
    pthread_mutex_t exemplar_lock;
    size_t route_count; /* "other" included */
    struct route routes[];
};

static inline struct share *share_at(const struct metrics *m, size_t i)
{
    return (struct share *)(void *)(m->shares + i * m->share_bytes);
}

static inline const struct scale *plain_scale(size_t which)
{
    return plain[which].kind == BYTES ? &bytes_scale : &lengths_scale;
}

#endif
