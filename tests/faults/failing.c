#include "faults/failing.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static _Atomic unsigned calls, first; /* first 0: nothing fails */
static _Atomic bool for_ever, accepts;
static _Thread_local bool spared;

void failing_begin(unsigned k, bool ever)
{
    atomic_store(&calls, 0);
    atomic_store(&for_ever, ever);
    atomic_store(&first, k);
}

void failing_begin_accepts(void)
{
    atomic_store(&calls, 0);
    atomic_store(&accepts, true);
}

static _Atomic int adds; /* enum failing_adds */
int failing_slow[FAILING_SLOW];
_Atomic unsigned failing_slow_count;

void failing_begin_adds(enum failing_adds how)
{
    atomic_store(&adds, how);
}

unsigned failing_end(void)
{
    atomic_store(&adds, ADDS_TAKEN);
    atomic_store(&accepts, false);
    atomic_store(&first, 0);
    return atomic_load(&calls);
}

void failing_spare(void)
{
    spared = true;
}

static bool fails(int error)
{
    unsigned k = atomic_load(&first);
    if (spared || k == 0)
        return false;
    unsigned call = atomic_fetch_add(&calls, 1) + 1;
    if (call < k || (call > k && !atomic_load(&for_ever)))
        return false;
    errno = error;
    return true;
}

/* The linker sends calls of `name` to __wrap_name, and __real_name is the real one. */
#define FAILS_WITH(error, failed, type, name, parameters, arguments) \
    type __real_##name parameters;                                   \
    type __wrap_##name parameters;                                   \
    type __wrap_##name parameters                                    \
    {                                                                \
        return fails(error) ? (failed) : __real_##name arguments;    \
    }

FAILS_WITH(ENOMEM, NULL, void *, malloc, (size_t n), (n))
FAILS_WITH(ENOMEM, NULL, void *, calloc, (size_t n, size_t size), (n, size))
FAILS_WITH(ENOMEM, NULL, void *, realloc, (void *p, size_t n), (p, n))
FAILS_WITH(ENOMEM, NULL, void *, aligned_alloc, (size_t to, size_t n), (to, n))
FAILS_WITH(EAGAIN, EAGAIN, int, pthread_create,
           (pthread_t * t, const pthread_attr_t *a, void *(*run)(void *), void *c),
           (t, a, run, c))
FAILS_WITH(EMFILE, -1, int, socket, (int domain, int type, int protocol),
           (domain, type, protocol))
FAILS_WITH(EAGAIN, -1, ssize_t, getrandom, (void *p, size_t n, unsigned flags),
           (p, n, flags))
FAILS_WITH(EMFILE, NULL, FILE *, fopen, (const char *path, const char *mode),
           (path, mode))
FAILS_WITH(ENOMEM, NULL, struct MHD_Response *, MHD_create_response_from_buffer,
           (size_t n, void *p, enum MHD_ResponseMemoryMode mode), (n, p, mode))
FAILS_WITH(ENOMEM, NULL, struct MHD_Response *, MHD_create_response_from_iovec,
           (const struct MHD_IoVec *v, unsigned n, MHD_ContentReaderFreeCallback f,
            void *c),
           (v, n, f, c))
FAILS_WITH(ENOMEM, NULL, struct MHD_Response *, MHD_create_response_from_callback,
           (uint64_t size, size_t block, MHD_ContentReaderCallback read, void *c,
            MHD_ContentReaderFreeCallback f),
           (size, block, read, c, f))
FAILS_WITH(ENOMEM, MHD_NO, enum MHD_Result, MHD_add_response_header,
           (struct MHD_Response * r, const char *name, const char *value),
           (r, name, value))
FAILS_WITH(ENOMEM, MHD_NO, enum MHD_Result, MHD_queue_response,
           (struct MHD_Connection * c, unsigned status, struct MHD_Response *r),
           (c, status, r))

int __real_accept4(int fd, struct sockaddr *a, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *size, int flags)
{
    if (!atomic_load(&accepts))
        return __real_accept4(fd, a, size, flags);
    atomic_fetch_add(&calls, 1);
    errno = EMFILE;
    return -1;
}

enum MHD_Result __real_MHD_add_connection(struct MHD_Daemon *d, int fd,
                                          const struct sockaddr *a, socklen_t size);
enum MHD_Result __wrap_MHD_add_connection(struct MHD_Daemon *d, int fd,
                                          const struct sockaddr *a, socklen_t size);
enum MHD_Result __wrap_MHD_add_connection(struct MHD_Daemon *d, int fd,
                                          const struct sockaddr *a, socklen_t size)
{
    int how = atomic_load(&adds);
    if (how == ADDS_TAKEN)
        return __real_MHD_add_connection(d, fd, a, size);
    if (how == ADDS_SLOW)
        failing_slow[atomic_fetch_add(&failing_slow_count, 1)] = fd;
    else
        close(fd);
    return how == ADDS_REFUSED ? MHD_NO : MHD_YES;
}
