#include "service/kept_memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void kept_memory_configure(void)
{
    enum { ARENAS = 2, EACH = KEPT_MEMORY / ARENAS };
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, EACH);
    mallopt(M_TRIM_THRESHOLD, EACH);
}

/* The second figure of /proc/self/statm, see proc(5); 0 where there is none. */
static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    char text[128] = "", *second;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    strtoul(text, &second, 10);
    return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

void kept_memory_return(size_t in_use, size_t most, bool idle)
{
    size_t kept = idle ? KEPT_MEMORY : KEPT_WHEN_BUSY, resident = resident_bytes();
    kept = kept < most ? kept : most;
    if (resident > kept && resident - kept > in_use)
        malloc_trim(0);
}
