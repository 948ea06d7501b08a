#include "service/cgroup.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 4096 };

/* One hierarchy the process is in: a line of /proc/self/cgroup. */
struct group {
    const char *controllers; /* "cpu,cpuacct"; "": version 2 */
    const char *path;        /* from the root of the hierarchy: "/docker/1f" */
};

/* Where such a hierarchy is mounted: a line of /proc/self/mountinfo. */
struct mount {
    char from[PATH_MAX]; /* the part of the hierarchy that is seen there */
    char at[PATH_MAX];
};

static FILE *open_under(const char *root, const char *path)
{
    char full[PATH_MAX];
    int length = snprintf(full, sizeof full, "%s%s", root, path);
    return length < (int)sizeof full ? fopen(full, "re") : NULL;
}

/* True when `word` is one of the comma-separated `words`. */
static bool lists(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* 36 35 98:0 /from /at rw,noatime master:1 - cgroup cgroup rw,cpu,cpuacct
 * True when `line` is the mount of version 2 (`controller` NULL) or of the version 1
 * hierarchy of `controller`. See proc(5). */
static bool parse_mount(char *line, const char *controller, struct mount *m)
{
    char type[32], super[LINE_BYTES];
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(rest, " - %31s %*s %4095s", type, super) != 2 ||
        sscanf(line, "%*s %*s %*s %4095s %4095s", m->from, m->at) != 2)
        return false;
    if (!controller)
        return strcmp(type, "cgroup2") == 0;
    return strcmp(type, "cgroup") == 0 && lists(super, controller);
}

static void find_mount(const char *root, const char *controller, struct mount *m)
{
    FILE *file = open_under(root, "/proc/self/mountinfo");
    char line[LINE_BYTES];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file))
        found = parse_mount(line, controller, m);
    if (file)
        fclose(file);
    if (found)
        return;

    snprintf(m->from, sizeof m->from, "/");
    snprintf(m->at, sizeof m->at, "/sys/fs/cgroup%s%s", controller ? "/" : "",
             controller ? controller : "");
}

/* The group's folder below the mount, "" or "/a/b". In a container, where the mount
 * shows only a part of the hierarchy, or where the path leads out of it, the
 * mount itself is the nearest group that can be seen. */
static const char *path_below(const struct mount *m, const char *path)
{
    if (strstr(path, "/.."))
        return "";
    size_t above = strcmp(m->from, "/") == 0 ? 0 : strlen(m->from);
    if (strncmp(path, m->from, above) != 0)
        return "";
    if (path[above] != '/' || path[above + 1] == '\0')
        return "";
    return path + above;
}

/* The words of a one-line file; false when it is not there or empty. */
static bool read_line(const char *root, const char *folder, const char *name,
                      char *line, size_t size)
{
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = open_under(root, path);
    if (!file)
        return false;
    bool read = fgets(line, (int)size, file);
    fclose(file);
    return read;
}

/* A whole number of at most 63 bits, and where it ends; false for anything else,
 * such as "max" and -1, which say "no limit". */
static bool parse_whole(const char *text, const char **end, uint64_t *value)
{
    text += strspn(text, " ");
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *rest;
    *value = strtoull(text, &rest, 10); /* what is too large becomes ULLONG_MAX */
    *end = rest;
    return *value <= INT64_MAX;
}

static void tighten_cpus(struct cgroup_limits *out, uint64_t quota, uint64_t period)
{
    if (quota == 0 || period == 0)
        return;
    double cpus = (double)quota / (double)period;
    if (out->cpus == 0 || cpus < out->cpus)
        out->cpus = cpus;
}

static void tighten_memory(struct cgroup_limits *out, const char *text)
{
    /* Version 1 says "no limit" as the largest multiple of a page in 63 bits. */
    const uint64_t unlimited = (uint64_t)1 << 62;
    uint64_t bytes;
    if (!parse_whole(text, &text, &bytes) || bytes == 0 || bytes >= unlimited)
        return;
    if (out->memory == 0 || bytes < out->memory)
        out->memory = (size_t)bytes;
}

static void read_v2(const char *root, const char *folder, struct cgroup_limits *out)
{
    char line[128];
    const char *rest = line;
    uint64_t quota, period;
    if (read_line(root, folder, "cpu.max", line, sizeof line) &&
        parse_whole(rest, &rest, &quota) && parse_whole(rest, &rest, &period))
        tighten_cpus(out, quota, period);
    if (read_line(root, folder, "memory.max", line, sizeof line))
        tighten_memory(out, line);
}

static void read_v1_cpu(const char *root, const char *folder, struct cgroup_limits *out)
{
    char line[128];
    const char *end;
    uint64_t quota, period;
    if (read_line(root, folder, "cpu.cfs_quota_us", line, sizeof line) &&
        parse_whole(line, &end, &quota) &&
        read_line(root, folder, "cpu.cfs_period_us", line, sizeof line) &&
        parse_whole(line, &end, &period))
        tighten_cpus(out, quota, period);
}

static void read_v1_memory(const char *root, const char *folder,
                           struct cgroup_limits *out)
{
    char line[128];
    if (read_line(root, folder, "memory.limit_in_bytes", line, sizeof line))
        tighten_memory(out, line);
}

/* Calls `read` for the group's folder and every one above it, up to the mount. */
static void walk_up(const char *root, const char *controller, const char *path,
                    void (*read)(const char *, const char *, struct cgroup_limits *),
                    struct cgroup_limits *out)
{
    struct mount m;
    find_mount(root, controller, &m);
    char folder[2 * PATH_MAX];
    snprintf(folder, sizeof folder, "%s%s", m.at, path_below(&m, path));

    size_t top = strlen(m.at);
    for (char *end = folder + strlen(folder); end; end = strrchr(folder + top, '/')) {
        *end = '\0';
        read(root, folder, out);
    }
}

/* 4:cpu,cpuacct:/docker/1f, or 0::/user.slice. See cgroups(7). */
static bool parse_group(char *line, struct group *g)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return false;
    *path = '\0';
    *g = (struct group){.controllers = controllers + 1, .path = path + 1};
    return true;
}

void cgroup_limits_read(const char *root, struct cgroup_limits *out)
{
    *out = (struct cgroup_limits){0};
    FILE *file = open_under(root, "/proc/self/cgroup");
    char line[LINE_BYTES];
    struct group g;
    while (file && fgets(line, sizeof line, file)) {
        if (!parse_group(line, &g))
            continue;
        if (g.controllers[0] == '\0')
            walk_up(root, NULL, g.path, read_v2, out);
        if (lists(g.controllers, "cpu"))
            walk_up(root, "cpu", g.path, read_v1_cpu, out);
        if (lists(g.controllers, "memory"))
            walk_up(root, "memory", g.path, read_v1_memory, out);
    }
    if (file)
        fclose(file);
}
