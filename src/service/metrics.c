#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/size.h"
#include "service/metrics_shares.h"
#include "service/process.h"

/* Threads are numbered as they come; one share may serve several of them. */
static struct share *own_share(const struct metrics *m)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned number; /* from 1; 0: none yet */
    if (number == 0)
        number = 1 + atomic_fetch_add(&threads, 1) % SHARES;
    return share_at(m, number - 1);
}

static bool make_shares(struct metrics *m)
{
    size_t bytes = sizeof(struct share) + m->route_count * sizeof(struct route_share);
    m->share_bytes = size_divided_up(bytes, CACHE_LINE) * CACHE_LINE;
    m->shares = aligned_alloc(CACHE_LINE, SHARES * m->share_bytes);
    if (m->shares)
        memset(m->shares, 0, SHARES * m->share_bytes);
    return m->shares != NULL;
}

struct metrics *metrics_new(const char *const *routes, size_t route_count)
{
    struct metrics *m =
        calloc(1, sizeof(struct metrics) + (route_count + 1) * sizeof(struct route));
    if (!m)
        return NULL;

    m->version = m->blas = m->simd = "";
    m->route_count = route_count + 1;
    for (size_t i = 0; i < route_count; i++)
        m->routes[i].name = routes[i];
    m->routes[route_count].name = "other";
    pthread_mutex_init(&m->exemplar_lock, NULL);
    if (!make_shares(m)) {
        metrics_delete(m);
        return NULL;
    }

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
    free(m->shares);
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
    add(&own_share(m)->cells[which].value, amount);
}

void metrics_set(struct metrics *m, enum metric which, double value)
{
    atomic_store_explicit(&m->gauges[which], value, memory_order_relaxed);
}

void metrics_observe(struct metrics *m, enum metric which, double value)
{
    observe(&own_share(m)->cells[which], plain_scale(which), value);
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
    size_t at = route < m->route_count ? route : m->route_count - 1;
    struct route_share *share = &own_share(m)->routes[at];
    count(&share->by_code[code_index(status)]);
    size_t bucket = observe(&share->seconds, &seconds_scale, seconds);
    if (trace_id && trace_id[0])
        keep_exemplar(m, &m->routes[at].exemplars[bucket], trace_id, seconds);
}

void metrics_stage(struct metrics *m, enum metrics_stage stage, double seconds)
{
    observe(&own_share(m)->stages[stage], &seconds_scale, seconds);
}

void metrics_rejected(struct metrics *m, enum error_code reason)
{
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (reasons[i] == reason)
            count(&own_share(m)->rejected[i]);
}

void metrics_cancelled(struct metrics *m, enum metrics_stage stage)
{
    count(&own_share(m)->cancelled[stage]);
}
