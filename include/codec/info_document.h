/* info_document.h - GET /v1/info: what this service is, found and allows. */
#ifndef CODEC_INFO_DOCUMENT_H
#define CODEC_INFO_DOCUMENT_H

#include "base/buffer.h"
#include "core/attention_input.h"

/* Bytes, counts and milliseconds. Texts are borrowed. */
struct info {
    const char *version;
    const char *blas; /* the library's own description of its build */
    const char *simd; /* the path the kernel takes on this CPU */

    struct attention_limits attention;
    size_t header_limit, body_limit, connection_limit, queue_depth, queue_work;
    double timeout_ms, queue_wait_ms, header_timeout_ms, body_timeout_ms,
        idle_timeout_ms;
    size_t workers, http_threads;

    size_t cpus, cpus_online, cpus_affinity;
    double cpus_quota; /* 0: none */
    size_t memory_limit, memory, memory_total;
    size_t memory_cgroup; /* 0: none */
};

/* {"name", "version", "blas", "simd", "workers", "http_threads", "limits", "cpu",
 * "memory"}; each limit by the name of its setting, times with "_ms" behind it.
 * A quota or cgroup limit that does not exist is null. */
void info_document_write(const struct info *info, struct buffer *out);

#endif
