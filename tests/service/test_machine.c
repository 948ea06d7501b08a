#include "service/machine.h"

#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/cgroup.h"
#include "support/scarce.h"
#include "support/test.h"

#define MOUNT_V2 "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_CPU                                                                   \
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup " \
    "rw,cpu,cpuacct\n"
#define MOUNT_MEMORY "36 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define OTHER_MOUNTS                                                      \
    "23 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"                      \
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n" \
    "37 31 0:37 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"   \
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"

/* A system's files, path and content in turn, ended by NULL; and what to find. */
struct system {
    const char *name;
    const char *files[20];
    double cpus;
    size_t memory;
};

static char root[] = "/tmp/attentiond-machine-XXXXXX";

static void make_file(const char *path, const char *content)
{
    char full[PATH_MAX];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    fclose(file);
}

static void make_root(const char *const files[])
{
    memcpy(strrchr(root, '-'), "-XXXXXX", 8);
    ck_assert_ptr_nonnull(mkdtemp(root));
    for (; *files; files += 2)
        make_file(files[0], files[1]);
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void remove_root(void)
{
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct system systems[] = {
    {"nothing at all", {NULL}, 0, 0},
    {"version 2",
     {"/proc/self/cgroup", "0::/user.slice\n", "/proc/self/mountinfo",
      OTHER_MOUNTS MOUNT_V2, "/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n",
      "/sys/fs/cgroup/user.slice/memory.max", "268435456\n"},
     1.5,
     268435456},
    {"version 2 without a limit",
     {"/proc/self/cgroup", "0::/user.slice\n", "/proc/self/mountinfo", MOUNT_V2,
      "/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n",
      "/sys/fs/cgroup/user.slice/memory.max", "max\n"},
     0,
     0},
    {"version 2: the tightest limit is above the own group",
     {"/proc/self/cgroup", "0::/a/b/c\n", "/proc/self/mountinfo", MOUNT_V2,
      "/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n", "/sys/fs/cgroup/a/b/cpu.max",
      "max 100000\n", "/sys/fs/cgroup/a/cpu.max", "50000 100000\n",
      "/sys/fs/cgroup/a/b/c/memory.max", "max\n", "/sys/fs/cgroup/a/b/memory.max",
      "1000\n", "/sys/fs/cgroup/a/memory.max", "2000\n"},
     0.5,
     1000},
    {"version 2 in a container: the group is the root that is seen",
     {"/proc/self/cgroup", "0::/\n", "/proc/self/mountinfo", MOUNT_V2,
      "/sys/fs/cgroup/cpu.max", "200000 100000\n", "/sys/fs/cgroup/memory.max",
      "4096\n"},
     2,
     4096},
    {"version 2 mounted elsewhere, and only in part",
     {"/proc/self/cgroup", "0::/docker/1f/app\n", "/proc/self/mountinfo",
      "30 23 0:26 /docker/1f /cg rw - cgroup2 none rw\n", "/cg/app/cpu.max",
      "300000 100000\n", "/cg/memory.max", "8192\n"},
     3,
     8192},
    {"a group that lies outside of what is mounted",
     {"/proc/self/cgroup", "0::/elsewhere\n", "/proc/self/mountinfo",
      "30 23 0:26 /docker/1f /cg rw - cgroup2 none rw\n", "/cg/cpu.max",
      "100000 100000\n", "/cg/elsewhere/cpu.max", "1 100000\n"},
     1,
     0},
    {"a group whose name only begins like what is mounted",
     {"/proc/self/cgroup", "0::/docker/1ff\n", "/proc/self/mountinfo",
      "30 23 0:26 /docker/1f /cg rw - cgroup2 none rw\n", "/cg/cpu.max",
      "100000 100000\n", "/cg/f/cpu.max", "1 100000\n"},
     1,
     0},
    {"a group above the namespace's root",
     {"/proc/self/cgroup", "0::/../other\n", "/proc/self/mountinfo", MOUNT_V2,
      "/sys/fs/cgroup/cpu.max", "100000 100000\n", "/sys/fs/other/cpu.max",
      "1 100000\n"},
     1,
     0},
    {"version 2 without mountinfo",
     {"/proc/self/cgroup", "0::/a\n", "/sys/fs/cgroup/a/cpu.max", "100000 100000\n"},
     1,
     0},
    {"version 1",
     {"/proc/self/cgroup",
      "12:cpuset:/docker/1f\n4:memory:/docker/1f\n3:cpu,cpuacct:/docker/1f\n"
      "1:name=systemd:/docker/1f\n",
      "/proc/self/mountinfo", OTHER_MOUNTS MOUNT_CPU MOUNT_MEMORY,
      "/sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_quota_us", "250000\n",
      "/sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_period_us", "100000\n",
      "/sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes", "134217728\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
     2.5,
     134217728},
    {"version 1 without a limit",
     {"/proc/self/cgroup", "4:memory:/\n3:cpu,cpuacct:/\n", "/proc/self/mountinfo",
      MOUNT_CPU MOUNT_MEMORY, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
     0,
     0},
    {"version 1: the tightest limit is above the own group",
     {"/proc/self/cgroup", "3:cpuacct,cpu:/a/b\n", "/proc/self/mountinfo", MOUNT_CPU,
      "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n",
      "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n",
      "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "20000\n",
      "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "10000\n"},
     2,
     0},
    {"version 1 in a container that sees only its own part",
     {"/proc/self/cgroup", "4:memory:/docker/1f\n", "/proc/self/mountinfo",
      "36 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n"},
     0,
     4096},
    {"version 1 without mountinfo",
     {"/proc/self/cgroup", "3:cpu:/a\n", "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us",
      "100000\n", "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"},
     1,
     0},
    {"both side by side: the tighter counts",
     {"/proc/self/cgroup", "4:memory:/m\n3:cpu,cpuacct:/c\n0::/u\n",
      "/proc/self/mountinfo",
      OTHER_MOUNTS MOUNT_CPU MOUNT_MEMORY
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
      "/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "300000\n",
      "/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n",
      "/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "1000\n",
      "/sys/fs/cgroup/unified/u/cpu.max", "200000 100000\n",
      "/sys/fs/cgroup/unified/u/memory.max", "2000\n"},
     2,
     1000},
    {"what makes no sense is no limit",
     {"/proc/self/cgroup", "garbage\n:\n::\n0::/a\n3:cpu:/a\n4:memory:/a\n",
      "/proc/self/mountinfo",
      "garbage\n - \n1 2 - cgroup2\n1 - cgroup2 a b\n" MOUNT_V2 MOUNT_CPU MOUNT_MEMORY,
      "/sys/fs/cgroup/a/cpu.max", "lots of time\n", "/sys/fs/cgroup/a/memory.max",
      "-5\n", "/sys/fs/cgroup/cpu.max", "100000\n", "/sys/fs/cgroup/memory.max", "0\n",
      "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "100000\n",
      "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "0\n",
      "/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "99999999999999999999999\n"},
     0,
     0},
    {"empty files",
     {"/proc/self/cgroup", "0::/a\n", "/proc/self/mountinfo", "",
      "/sys/fs/cgroup/a/cpu.max", "", "/sys/fs/cgroup/a/memory.max", ""},
     0,
     0},
};

START_TEST(limits_are_found_in_every_kind_of_hierarchy)
{
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        make_root(systems[i].files);
        struct cgroup_limits limits;
        cgroup_limits_read(root, &limits);
        remove_root();
        ck_assert_msg(fabs(limits.cpus - systems[i].cpus) < 1e-12, "%s: %g cpus",
                      systems[i].name, limits.cpus);
        ck_assert_msg(limits.memory == systems[i].memory, "%s: %zu bytes",
                      systems[i].name, limits.memory);
    }
}
END_TEST

static struct machine inspect(const char *const files[])
{
    struct machine m;
    make_root(files);
    machine_inspect(root, &m);
    remove_root();
    return m;
}

#define V2_FILES(cpu_max, memory_max)                                \
    "/proc/self/cgroup", "0::/\n", "/proc/self/mountinfo", MOUNT_V2, \
        "/sys/fs/cgroup/cpu.max", (cpu_max), "/sys/fs/cgroup/memory.max", (memory_max)

START_TEST(memory_is_the_smaller_of_the_machines_and_the_groups)
{
    static const struct {
        const char *meminfo, *limit;
        size_t memory;
    } rows[] = {
        {"MemFree: 1 kB\nMemTotal:       1024 kB\n", "4096\n", 4096},
        {"MemTotal:       1024 kB\n", "2097152\n", 1048576},
        {"MemTotal:       1024 kB\n", "max\n", 1048576},
        {"MemTotal:       many kB\n", "4096\n", 4096},
        {"", "max\n", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct machine m = inspect(
            (const char *const[]){"/proc/meminfo", rows[i].meminfo,
                                  V2_FILES("max 100000\n", rows[i].limit), NULL});
        ck_assert_uint_eq(m.memory, rows[i].memory);
    }
}
END_TEST

#define CACHE "/sys/devices/system/cpu/cpu0/cache/index"

START_TEST(the_near_cache_is_the_second_level_divided_among_those_who_share_it)
{
    static const struct {
        const char *level, *size, *shared;
        size_t bytes;
    } rows[] = {
        {"2\n", "512K\n", "0\n", 512 << 10},
        {"2\n", "2048K\n", "0,64\n", 1 << 20},
        {"2\n", "4M\n", "0-3\n", 1 << 20},
        {"2\n", "3072K\n", "0-1,8\n", 1 << 20},
        {"2\n", "1024K\n", "who\n", 1 << 20},
        {"2\n", "1024K\n", "7-3\n", 1 << 20},
        {"2\n", "1024K\n", "0-99999999999\n", 1 << 20},
        {"2\n", "big\n", "0\n", 0},
        {"2\n", "99999999999K\n", "0\n", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct machine m = inspect((const char *const[]){
            CACHE "0/level", "1\n", CACHE "0/size", "32K\n", CACHE "1/level",
            rows[i].level, CACHE "1/size", rows[i].size, CACHE "1/shared_cpu_list",
            rows[i].shared, NULL});
        ck_assert_uint_eq(m.near_bytes, rows[i].bytes);
    }
    long known = sysconf(_SC_LEVEL2_CACHE_SIZE);
    struct machine m = inspect(
        (const char *const[]){CACHE "0/level", "1\n", CACHE "0/size", "32K\n", NULL});
    ck_assert_uint_eq(m.near_bytes, known > 0 ? (size_t)known : 0);
}
END_TEST

START_TEST(a_quota_is_rounded_up_and_never_more_than_the_affinity)
{
    static const struct {
        const char *cpu_max;
        size_t cpus; /* SIZE_MAX: as many as the affinity has */
    } rows[] = {{"1000 100000\n", 1},
                {"100000 100000\n", 1},
                {"100001 100000\n", 2},
                {"99999900000 100000\n", SIZE_MAX},
                {"max 100000\n", SIZE_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct machine m =
            inspect((const char *const[]){V2_FILES(rows[i].cpu_max, "max\n"), NULL});
        size_t want = rows[i].cpus < m.cpus_affinity ? rows[i].cpus : m.cpus_affinity;
        ck_assert_uint_eq(m.cpus, want);
    }
}
END_TEST

START_TEST(affinity_is_what_the_kernel_says)
{
    cpu_set_t one, before;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    size_t first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    struct machine m = inspect((const char *const[]){NULL});
    sched_setaffinity(0, sizeof before, &before);
    ck_assert_uint_eq(m.cpus_affinity, 1);
    ck_assert_uint_eq(m.cpus, 1);
    ck_assert_uint_ge(m.cpus_online, 1);
    ck_assert_double_eq(m.cpus_quota, 0);
}
END_TEST

START_TEST(the_real_machine_has_something)
{
    struct machine m;
    machine_inspect("", &m);
    ck_assert_uint_ge(m.cpus, 1);
    ck_assert_uint_ge(m.memory_total, 1 << 20);
    ck_assert_uint_le(m.memory, m.memory_total);
    ck_assert_uint_gt(m.memory, 0);
}
END_TEST

START_TEST(a_root_that_is_too_long_is_nothing)
{
    char deep[2 * PATH_MAX] = {0};
    memset(deep, '/', sizeof deep - 1);
    struct machine m;
    machine_inspect(deep, &m);
    ck_assert_uint_eq(m.memory, 0);
    ck_assert_uint_ge(m.cpus, 1);
}
END_TEST

START_TEST(without_memory_or_files_the_machine_is_what_is_online)
{
    struct machine m;
    if (scarce_memory_begin()) {
        machine_inspect("", &m);
        scarce_memory_end();
        ck_assert_uint_eq(m.cpus_affinity, 0);
        ck_assert_uint_ge(m.cpus, 1);
        ck_assert_uint_eq(m.memory, 0);
    }
    ck_assert(scarce_files_begin());
    machine_inspect("", &m);
    scarce_files_end();
    ck_assert_uint_ge(m.cpus, 1);
    ck_assert_uint_eq(m.memory, 0);
}
END_TEST

TEST_PROGRAM("machine", limits_are_found_in_every_kind_of_hierarchy,
             memory_is_the_smaller_of_the_machines_and_the_groups,
             the_near_cache_is_the_second_level_divided_among_those_who_share_it,
             a_quota_is_rounded_up_and_never_more_than_the_affinity,
             affinity_is_what_the_kernel_says, the_real_machine_has_something,
             a_root_that_is_too_long_is_nothing,
             without_memory_or_files_the_machine_is_what_is_online)
