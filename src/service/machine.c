#include "service/machine.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/cgroup.h"

/* Sets larger than the 1024 processors of cpu_set_t are tried in turn: the kernel
 * refuses one that is smaller than its own. 0: not known. */
static size_t count_affinity(void)
{
    size_t count = 0;
    bool too_small = true;
    for (size_t size = CPU_SETSIZE; too_small && size <= 1 << 20; size *= 2) {
        size_t bytes = CPU_ALLOC_SIZE(size);
        cpu_set_t *set = CPU_ALLOC(size);
        bool known = set && sched_getaffinity(0, bytes, set) == 0;
        too_small = !known && errno == EINVAL;
        count = known ? (size_t)CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
    }
    return count;
}

/* MemTotal of /proc/meminfo, in bytes; 0: not known. */
static size_t read_memory_total(const char *root)
{
    char path[PATH_MAX], line[256];
    if (snprintf(path, sizeof path, "%s/proc/meminfo", root) >= (int)sizeof path)
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;

    static const char field[] = "MemTotal:";
    unsigned long long kib = 0;
    while (kib == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, field, sizeof field - 1) == 0)
            kib = strtoull(line + sizeof field - 1, NULL, 10);
    fclose(file);
    return kib < SIZE_MAX / 1024 ? (size_t)kib * 1024 : 0;
}

/* The first line of a file about the cache of one index; false: there is none. */
static bool read_cache(const char *root, int index, const char *what, char line[256])
{
    static const char folder[] = "/sys/devices/system/cpu/cpu0/cache/index";
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s%s%d/%s", root, folder, index, what) >=
        (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, 256, file);
    if (file)
        fclose(file);
    return read;
}

/* CPUs of a list such as "0-1,64"; 1 where it makes no sense. */
static size_t count_list(const char *list)
{
    size_t count = 0;
    char *end;
    do {
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (last < first || last - first > 1 << 20)
            return 1;
        count += last - first + 1;
        list = end + 1;
    } while (*end == ',');
    return count;
}

/* "512K", divided among the CPUs that share it; 0: not known. */
static size_t read_near_bytes(const char *root)
{
    char line[256];
    int index = 0;
    while (read_cache(root, index, "level", line) && strtoul(line, NULL, 10) != 2)
        index++;
    if (!read_cache(root, index, "size", line)) {
        long size = sysconf(_SC_LEVEL2_CACHE_SIZE);
        return size > 0 ? (size_t)size : 0;
    }
    char *unit;
    unsigned long size = strtoul(line, &unit, 10);
    size_t bytes = size > 1 << 20 ? 0 : size << (*unit == 'M' ? 20 : 10);
    return bytes /
           (read_cache(root, index, "shared_cpu_list", line) ? count_list(line) : 1);
}

static size_t smaller_known(size_t a, size_t b)
{
    if (a == 0 || b == 0)
        return a > b ? a : b;
    return a < b ? a : b;
}

void machine_inspect(const char *root, struct machine *out)
{
    struct cgroup_limits limits;
    cgroup_limits_read(root, &limits);
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    *out = (struct machine){
        .cpus_online = online > 0 ? (size_t)online : 1,
        .cpus_affinity = count_affinity(),
        .cpus_quota = limits.cpus,
        .memory_total = read_memory_total(root),
        .memory_cgroup = limits.memory,
        .near_bytes = read_near_bytes(root),
    };
    size_t usable = out->cpus_affinity ? out->cpus_affinity : out->cpus_online;
    out->cpus = usable;
    if (limits.cpus > 0 && ceil(limits.cpus) < (double)usable)
        out->cpus = (size_t)ceil(limits.cpus);
    out->memory = smaller_known(out->memory_total, out->memory_cgroup);
}
