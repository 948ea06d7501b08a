#include "support/scarce.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Every block that could be had begins with a pointer to the one before. */
static void **hoard;
static struct rlimit before;

bool scarce_pages_begin(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    puts("skipped: memory cannot be made scarce under a sanitizer");
    return false;
#else
    getrlimit(RLIMIT_AS, &before);
    struct rlimit none = {.rlim_cur = 1, .rlim_max = before.rlim_max};
    return setrlimit(RLIMIT_AS, &none) == 0;
#endif
}

void scarce_pages_end(void)
{
    setrlimit(RLIMIT_AS, &before);
}

/* No page more than there is now, and nothing of what is free inside the heap. */
bool scarce_memory_begin(void)
{
    if (!scarce_pages_begin())
        return false;
    for (size_t size = 1 << 20; size >= sizeof(void *); size /= 2)
        for (void **block; (block = malloc(size));) {
            *block = hoard;
            hoard = block;
        }
    return true;
}

void scarce_memory_end(void)
{
    scarce_pages_end();
    while (hoard) {
        void **last = hoard;
        hoard = *last;
        free(last);
    }
}

bool scarce_files_begin(void)
{
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &none) == 0;
}

void scarce_files_end(void)
{
    setrlimit(RLIMIT_NOFILE, &before);
}
