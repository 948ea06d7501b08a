#include "codec/info_document.h"

#include "codec/json_document.h"

static json_t *count_of(size_t count)
{
    return json_integer((json_int_t)count);
}

static json_t *count_or_null(size_t count)
{
    return count ? count_of(count) : json_null();
}

static json_t *limits_of(const struct info *info)
{
    const struct attention_limits *a = &info->attention;
    const struct {
        const char *name;
        size_t value;
    } counts[] = {
        {"max_batch", a->max_batch},
        {"max_tokens", a->max_tokens},
        {"max_width", a->max_width},
        {"max_heads", a->max_heads},
        {"max_map_numbers", a->max_map_numbers},
        {"answer_limit", a->answer_limit},
        {"json_depth", a->json_depth},
        {"header_limit", info->header_limit},
        {"body_limit", info->body_limit},
        {"memory_limit", info->memory_limit},
        {"connection_limit", info->connection_limit},
        {"queue_depth", info->queue_depth},
        {"queue_work", info->queue_work},
    };
    const struct {
        const char *name;
        double value;
    } times[] = {
        {"queue_wait_ms", info->queue_wait_ms},
        {"timeout_ms", info->timeout_ms},
        {"header_timeout_ms", info->header_timeout_ms},
        {"body_timeout_ms", info->body_timeout_ms},
        {"idle_timeout_ms", info->idle_timeout_ms},
    };

    json_t *limits = json_object();
    int bad = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        bad |= json_object_set_new(limits, counts[i].name, count_of(counts[i].value));
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        bad |= json_object_set_new(limits, times[i].name,
                                   json_document_ms(times[i].value));
    if (!bad)
        return limits;
    json_decref(limits);
    return NULL;
}

static json_t *cpu_of(const struct info *info)
{
    json_t *quota = info->cpus_quota > 0 ? json_real(info->cpus_quota) : json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "usable", count_of(info->cpus), "online",
                     count_of(info->cpus_online), "affinity",
                     count_of(info->cpus_affinity), "quota", quota);
}

static json_t *memory_of(const struct info *info)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "budget", count_of(info->memory_limit),
                     "usable", count_of(info->memory), "total",
                     count_of(info->memory_total), "cgroup",
                     count_or_null(info->memory_cgroup));
}

void info_document_write(const struct info *info, struct buffer *out)
{
    json_t *document =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", "attentiond",
                  "version", json_document_text(info->version), "blas",
                  json_document_text(info->blas), "simd",
                  json_document_text(info->simd), "workers", count_of(info->workers),
                  "http_threads", count_of(info->http_threads), "limits",
                  limits_of(info), "cpu", cpu_of(info), "memory", memory_of(info));
    json_document_write(document, out);
}
