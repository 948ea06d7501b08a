#include "http/arrivals.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "http/guarded_read.h"

struct arrival {
    int fd;
    uint64_t socket;
};

/* Which socket arrives with a descriptor; 0: none. What is not used of this takes no
 * memory. */
static _Atomic uint64_t arriving[GUARDED_DESCRIPTORS];

bool arrivals_init(struct arrivals *a, size_t most, struct error *e)
{
    *a = (struct arrivals){.room = most};
    a->list = calloc(most, sizeof *a->list);
    return a->list ||
           error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the connections");
}

void arrivals_free(struct arrivals *a)
{
    free(a->list);
    a->list = NULL;
}

/* 0: it is closed. The descriptor may be anyone's by now, which ThreadSanitizer would
 * take for a race if it knew this call. */
static uint64_t socket_of(int fd)
{
    struct statx s;
    return statx(fd, "", AT_EMPTY_PATH, STATX_INO, &s) == 0 ? s.stx_ino : 0;
}

/* Drops those that do not arrive any more. */
static void look(struct arrivals *a)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->count; i++) {
        struct arrival one = a->list[i];
        uint64_t known = one.socket;
        if (atomic_load(&arriving[one.fd]) != known)
            continue;
        if (socket_of(one.fd) == known)
            a->list[kept++] = one;
        else if (atomic_compare_exchange_strong(&arriving[one.fd], &known, 0))
            a->lost++;
    }
    a->count = kept;
}

void arrivals_add(struct arrivals *a, int fd)
{
    if (fd >= GUARDED_DESCRIPTORS) /* which http/guarded_read refuses */
        return;                    /* GCOVR_EXCL_LINE a million files */
    if (a->count == a->room)
        look(a);
    struct arrival one = {fd, socket_of(fd)};
    if (atomic_exchange(&arriving[fd], one.socket) != 0)
        a->lost++; /* who had the descriptor before */
    a->list[a->count++] = one;
}

void arrivals_end(int fd)
{
    if (fd < GUARDED_DESCRIPTORS)
        atomic_store(&arriving[fd], 0);
}

size_t arrivals_settle(struct arrivals *a)
{
    look(a);
    size_t lost = a->lost;
    a->lost = 0;
    return lost;
}
