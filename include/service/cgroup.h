/* cgroup.h - what the control groups of this process allow it. */
#ifndef SERVICE_CGROUP_H
#define SERVICE_CGROUP_H

#include <stddef.h>

struct cgroup_limits {
    double cpus;   /* processors' worth of time; 0: no limit */
    size_t memory; /* bytes; 0: no limit */
};

/* The tightest limits on the way from the process's own group up to the root of
 * what is mounted: v2 (cpu.max, memory.max), v1 (cpu.cfs_quota_us over
 * cpu.cfs_period_us, memory.limit_in_bytes), or both side by side. `root` is put
 * before /proc and /sys paths. What cannot be read or makes no sense counts as no
 * limit.
 * https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/. */
void cgroup_limits_read(const char *root, struct cgroup_limits *out);

#endif
