/* Any bytes as what the kernel says of control groups: seven files, one behind the
 * other, ended by a byte of 1. Whatever stands there, the limits are none or make
 * sense. */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 7, SEPARATOR = 1 };

/* Where each of them is seen, in the root and in a group below it. */
static const char *const places[FILES][2] = {
    {"proc/self/cgroup"},
    {"proc/self/mountinfo"},
    {"sys/fs/cgroup/cpu.max", "sys/fs/cgroup/a/cpu.max"},
    {"sys/fs/cgroup/memory.max", "sys/fs/cgroup/a/memory.max"},
    {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us"},
    {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us"},
    {"sys/fs/cgroup/memory/memory.limit_in_bytes",
     "sys/fs/cgroup/memory/a/memory.limit_in_bytes"},
};
static const char *const folders[] = {"proc",
                                      "proc/self",
                                      "sys",
                                      "sys/fs",
                                      "sys/fs/cgroup",
                                      "sys/fs/cgroup/a",
                                      "sys/fs/cgroup/cpu",
                                      "sys/fs/cgroup/cpu/a",
                                      "sys/fs/cgroup/memory",
                                      "sys/fs/cgroup/memory/a"};
enum { FOLDERS = sizeof folders / sizeof *folders };

static char root[] = "/tmp/fuzz_cgroup_XXXXXX";
static int file[FILES];

static const char *under_root(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void remove_tree(void)
{
    for (size_t i = 0; i < FILES; i++)
        for (size_t k = 0; k < 2 && places[i][k]; k++)
            unlink(under_root(places[i][k]));
    for (size_t i = FOLDERS; i-- > 0;)
        rmdir(under_root(folders[i]));
    rmdir(root);
}

/* Links to files in memory, so that an input costs no disk. */
static void make_tree(void)
{
    assert(mkdtemp(root));
    atexit(remove_tree);
    for (size_t i = 0; i < FOLDERS; i++)
        assert(mkdir(under_root(folders[i]), 0700) == 0);
    for (size_t i = 0; i < FILES; i++) {
        char target[64];
        file[i] = memfd_create("cgroup", MFD_CLOEXEC);
        assert(file[i] >= 0);
        snprintf(target, sizeof target, "/proc/self/fd/%d", file[i]);
        for (size_t k = 0; k < 2 && places[i][k]; k++)
            assert(symlink(target, under_root(places[i][k])) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    if (!made)
        make_tree();
    made = true;

    const uint8_t *at = data, *end = data + size;
    for (size_t i = 0; i < FILES; i++) {
        const uint8_t *stop = memchr(at, SEPARATOR, (size_t)(end - at));
        stop = stop ? stop : end;
        assert(ftruncate(file[i], 0) == 0);
        assert(pwrite(file[i], at, (size_t)(stop - at), 0) == stop - at);
        at = stop < end ? stop + 1 : end;
    }

    struct cgroup_limits limits;
    cgroup_limits_read(root, &limits);
    assert(isfinite(limits.cpus) && limits.cpus >= 0);
    assert(limits.memory < (size_t)1 << 62);
    return 0;
}
