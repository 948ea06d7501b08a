/* machine.h - the CPUs, the memory and the cache this process may really use. */
#ifndef SERVICE_MACHINE_H
#define SERVICE_MACHINE_H

#include <stddef.h>

/* CPUs: the smaller of the affinity mask and the cgroup quota, rounded up, at
 * least 1 (v2 cpu.max from the own cgroup up to the root, v1 cpu.cfs_quota_us).
 * Memory: the least memory.max on that way (v1 memory.limit_in_bytes), else what
 * the machine has. Cache: the second level of the first CPU, divided among the CPUs
 * that share it. */
struct machine {
    size_t cpus_online, cpus_affinity;
    double cpus_quota; /* 0: none */
    size_t cpus;
    size_t memory_total, memory_cgroup; /* bytes; memory_cgroup 0: no limit */
    size_t memory;
    size_t near_bytes; /* of cache; 0: not known */
};

/* `root` is put before /proc and /sys paths: "" in the service, a folder of
 * fixtures in tests. What cannot be read counts as not limited. */
void machine_inspect(const char *root, struct machine *out);

#endif
