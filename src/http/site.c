#include "http/site.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "core/blas.h"
#include "core/vector_kernels.h"
#include "http/listener.h"
#include "http/routes.h"
#include "service/clock.h"
#include "service/log.h"

/* A worker does as much in some 25 s, which is about the default timeout. */
#define QUEUE_WORK_A_WORKER UINT64_C(2000000000000)

static bool decide(struct settings *s, const struct machine *machine, struct error *e)
{
    if (s->workers == 0)
        s->workers = machine->cpus;
    if (s->queue_depth == 0)
        s->queue_depth = 64 * s->workers;
    if (s->queue_work == 0)
        s->queue_work = QUEUE_WORK_A_WORKER * s->workers;
    if (s->memory_limit == 0)
        s->memory_limit = machine->memory / 4;
    /* With none it would start, and refuse every request. */
    return s->memory_limit > 0 ||
           error_set(e, ERROR_INTERNAL, "memory_limit",
                     "how much memory there is cannot be read: set memory_limit");
}

static struct attention_limits limits_of(const struct settings *s,
                                         const struct machine *machine)
{
    return (struct attention_limits){
        .max_batch = s->max_batch,
        .max_tokens = s->max_tokens,
        .max_width = s->max_width,
        .max_heads = s->max_heads,
        .max_map_numbers = s->max_map_numbers,
        .answer_limit = s->answer_limit,
        .json_depth = s->json_depth,
        .near_bytes = machine->near_bytes,
    };
}

static struct info info_of(const struct settings *s, const struct machine *machine)
{
    return (struct info){
        .version = ATTENTIOND_VERSION,
        .simd = vector_kernels_choice(0)->name,
        .attention = limits_of(s, machine),
        .header_limit = s->header_limit,
        .body_limit = s->body_limit,
        .connection_limit = s->connection_limit,
        .queue_depth = s->queue_depth,
        .queue_work = s->queue_work,
        .timeout_ms = (double)s->timeout,
        .queue_wait_ms = (double)s->queue_wait,
        .header_timeout_ms = (double)s->header_timeout,
        .body_timeout_ms = (double)s->body_timeout,
        .idle_timeout_ms = (double)s->idle_timeout,
        .workers = s->workers,
        .http_threads = s->http_threads,
        .cpus = machine->cpus,
        .cpus_online = machine->cpus_online,
        .cpus_affinity = machine->cpus_affinity,
        .cpus_quota = machine->cpus_quota,
        .memory_limit = s->memory_limit,
        .memory = machine->memory,
        .memory_total = machine->memory_total,
        .memory_cgroup = machine->memory_cgroup,
    };
}

static struct metrics *open_metrics(const struct info *info)
{
    const char *labels[64];
    size_t count = 0;
    for (; count < route_count && count < 64; count++)
        labels[count] = routes[count].path;
    struct metrics *metrics = metrics_new(labels, count);
    if (metrics)
        metrics_build_info(metrics, info->version, info->blas, info->simd);
    return metrics;
}

static bool open_service(struct site *site, struct error *e)
{
    const struct settings *s = site->settings;
    const struct attention_service_options options = {
        .workers = s->workers,
        .queue_depth = s->queue_depth,
        .queue_work = s->queue_work,
        .queue_wait_ns = (int64_t)s->queue_wait * NS_PER_MS,
        .timeout_ns = (int64_t)s->timeout * NS_PER_MS,
        .task_timeout_ns = (int64_t)s->task_timeout * NS_PER_MS,
        .limits = site->info.attention,
        .metrics = site->metrics,
    };
    site->service = attention_service_new(&options, e);
    atomic_store(&site->ready, site->service != NULL);
    return site->service != NULL;
}

/* Leaves `keys` NULL where no file is named. */
static bool open_keys(const struct settings *s, struct keys **keys, struct error *e)
{
    *keys = NULL;
    if (!s->keys_file[0])
        return true;
    *keys = keys_new(s->keys_file, (size_t)s->per_key_limit, gnutls_memcmp, e);
    return *keys != NULL;
}

/* Leaves `tls` NULL where no certificate is named. */
static bool open_tls(const struct settings *s, struct metrics *metrics,
                     struct tls **tls, struct error *e)
{
    *tls = NULL;
    if (!s->tls_certificate[0])
        return true;
    *tls = tls_new(s, metrics, e);
    return *tls != NULL;
}

bool site_check(const struct settings *s, struct error *e)
{
    struct cors cors;
    struct keys *keys = NULL;
    struct tls *tls = NULL;
    bool good =
        listener_check("bind", s->bind, e) &&
        (!s->metrics_bind[0] || listener_check("metrics_bind", s->metrics_bind, e)) &&
        cors_read(s->cors_origins, &cors, e) && open_keys(s, &keys, e) &&
        open_tls(s, NULL, &tls, e);
    keys_delete(keys);
    tls_delete(tls);
    return good;
}

static void log_keys(const struct site *site, const char *event)
{
    if (!site->keys)
        return;
    log_write(LOG_INFO, event, LOG_I("keys", keys_count(site->keys)));
    if (keys_exposed(site->keys))
        log_write(LOG_WARN, "keys_file", LOG_S("path", site->settings->keys_file),
                  LOG_S("warning", "everybody may read it: chmod o-r"));
}

static void log_tls(const struct site *site, const char *event)
{
    char not_after[TLS_TIME_BYTES];
    if (!site->tls)
        return;
    tls_not_after(site->tls, not_after);
    log_write(LOG_INFO, event,
              LOG_S("tls_certificate", site->settings->tls_certificate),
              LOG_S("not_after", not_after));
}

static void reload_tls(struct site *site)
{
    struct error e = {0};
    if (!site->tls || tls_reload(site->tls, &e))
        log_tls(site, "reloaded");
    else
        log_write(LOG_ERROR, "reload", LOG_S("error", e.message),
                  LOG_S("tls_certificate", "the old one stays"));
}

size_t site_crowd(const struct site *site)
{
    enum { MOST_SPARE = 64 };
    size_t limit = site->settings->connection_limit, open = site->connections;
    size_t spare = limit / 16 < MOST_SPARE ? limit / 16 : MOST_SPARE;
    return open + spare < limit ? 0 : open + spare + 1 - limit;
}

bool site_memory_is_short(const struct site *site)
{
    return site->memory.spent > site->memory.limit / 2;
}

void site_reload(struct site *site)
{
    reload_tls(site);
    struct error e = {0};
    if (!site->keys || keys_reload(site->keys, &e))
        log_keys(site, "reloaded");
    else
        log_write(LOG_ERROR, "reload", LOG_S("error", e.message),
                  LOG_S("keys", "the old ones stay"));
}

bool site_open(struct site *site, struct settings *s, const struct machine *machine,
               struct error *e)
{
    memset(site, 0, sizeof *site);
    if (!decide(s, machine, e))
        return false;
    site->settings = s;
    if (!cors_read(s->cors_origins, &site->cors, e) || !open_keys(s, &site->keys, e))
        return false;
    log_keys(site, "keys");
    site->memory.limit = s->memory_limit;
    blas_description(site->blas, sizeof site->blas);
    site->info = info_of(s, machine);
    site->info.blas = site->blas;

    site->metrics = open_metrics(&site->info);
    site->request_log = request_log_new(s->request_log_size);
    if (!site->metrics || !site->request_log)
        return error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the metrics");
    if (!open_tls(s, site->metrics, &site->tls, e))
        return false;
    log_tls(site, "tls");
    return open_service(site, e);
}

void site_close(struct site *site)
{
    if (site->service) {
        /* A stream may have asked for more after the drain. */
        attention_service_close(site->service);
        attention_service_drain(site->service, clock_now_ns());
        attention_service_delete(site->service);
    }
    if (site->request_log)
        request_log_delete(site->request_log);
    metrics_delete(site->metrics);
    keys_delete(site->keys);
    tls_delete(site->tls);
    for (size_t i = 0; i < SITE_SPARES; i++)
        arena_spare_free(&site->spares[i].blocks);
}
