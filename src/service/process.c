#include "service/process.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
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

/* /proc/self/stat, see proc(5): the name, which is field 2, ends at the last ')'. */
static void read_stat(struct process_usage *out)
{
    enum { THREADS = 20, START = 22, VIRTUAL = 23, RESIDENT = 24, FIELDS };
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';

    double fields[FIELDS] = {0};
    char *rest = strrchr(text, ')');
    rest = rest ? rest + strcspn(rest, "-0123456789") : text; /* field 3 is a letter */
    for (size_t i = 4; i < FIELDS; i++)
        fields[i] = strtod(rest, &rest);

    out->threads = fields[THREADS];
    out->virtual_bytes = fields[VIRTUAL];
    out->resident_bytes = fields[RESIDENT] * (double)sysconf(_SC_PAGESIZE);
    out->start_seconds = seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) +
                         fields[START] / (double)sysconf(_SC_CLK_TCK);
}

/* Slots of the table of descriptors, see proc(5); `otherwise` when it cannot be read.
 */
static double table_size(double otherwise)
{
    static const char name[] = "\nFDSize:";
    char text[4096];
    FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return otherwise;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *line = strstr(text, name);
    return line ? strtod(line + sizeof name - 1, NULL) : otherwise;
}

/* Where core dumps are off, the folder may be root's. The limit may be a thousand
 * million, of which nobody asks for each. */
static double count_by_asking(double limit)
{
    double size = table_size(limit), most = size < limit ? size : limit;
    enum { AT_ONCE = 1024 };
    struct pollfd fds[AT_ONCE];
    double count = 0;
    for (int first = 0; first < most; first += AT_ONCE) {
        int number = most - first < AT_ONCE ? (int)most - first : AT_ONCE;
        for (int i = 0; i < number; i++)
            fds[i] = (struct pollfd){.fd = first + i};
        if (poll(fds, (nfds_t)number, 0) < 0)
            return count; /* GCOVR_EXCL_LINE: the kernel has no memory */
        for (int i = 0; i < number; i++)
            count += !(fds[i].revents & POLLNVAL);
    }
    return count;
}

static double count_fds(double most)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return errno == EMFILE ? most : errno == EACCES ? count_by_asking(most) : 0;
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
        out->max_fds = (double)fds.rlim_cur;
    out->open_fds = count_fds(out->max_fds);
}
