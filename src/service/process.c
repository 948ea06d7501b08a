#include "service/process.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* /proc/self/stat, see proc(5): after the name, which ends at the last ')', fields
 * 20 to 24 are threads, (obsolete), start, virtual bytes and resident pages. */
static void read_stat(struct process_usage *out)
{
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return;
    char text[1024];
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';

    const char *rest = strrchr(text, ')');
    double start;
    if (!rest ||
        sscanf(rest,
               ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
               "%*s %*s %lf %*s %lf %lf %lf",
               &out->threads, &start, &out->virtual_bytes, &out->resident_bytes) != 4)
        return;
    out->resident_bytes *= (double)sysconf(_SC_PAGESIZE);
    out->start_seconds = seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) +
                         start / (double)sysconf(_SC_CLK_TCK);
}

static double count_fds(double most)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return errno == EMFILE ? most : 0;
    double count = 0;
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - 1; /* the folder's own */
}

void process_usage_read(struct process_usage *out)
{
    *out = (struct process_usage){0};
    read_stat(out);

    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out->cpu_seconds =
            (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
            ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) * 1e-6;

    struct rlimit fds;
    if (getrlimit(RLIMIT_NOFILE, &fds) == 0)
        out->max_fds =
            fds.rlim_cur == RLIM_INFINITY ? (double)INFINITY : (double)fds.rlim_cur;
    out->open_fds = count_fds(out->max_fds);
}
