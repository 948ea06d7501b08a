#include "http/farewell.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/clock.h"

/* The one that was read on for longest gives way. */
static size_t oldest(const struct farewell *f)
{
    size_t found = 0;
    for (size_t i = 1; i < f->count; i++)
        if (f->sockets[i].until_ns < f->sockets[found].until_ns)
            found = i;
    return found;
}

void farewell_add(struct farewell *f, int fd, int64_t now_ns)
{
    size_t at = f->count;
    if (at == FAREWELL_SOCKETS) {
        at = oldest(f);
        close(f->sockets[at].fd);
    } else {
        f->count++;
    }
    f->sockets[at].fd = fd;
    f->sockets[at].until_ns = now_ns + 2 * NS_PER_S;
}

bool farewell_give_way(struct farewell *f)
{
    if (f->count == 0)
        return false;
    size_t at = oldest(f);
    close(f->sockets[at].fd);
    f->sockets[at] = f->sockets[--f->count];
    return true;
}

/* Of 16 KiB: at most 4 MiB of one client a look, and 16 MiB of all, so that they cannot
 * keep the thread, and the lock under which it looks. */
enum { MOST_READS = 1024, READS_EACH = 256 };

static bool is_over(int fd, int *left)
{
    char bytes[16 * 1024];
    int most = *left < READS_EACH ? *left : READS_EACH;
    for (int i = 0; i < most; i++) {
        --*left;
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC);
        if (n == 0)
            return true;
        if (n < 0)
            return errno != EAGAIN && errno != EINTR;
    }
    return false;
}

void farewell_tick(struct farewell *f, int64_t now_ns)
{
    int left = MOST_READS;
    for (size_t i = f->count; i-- > 0;) {
        if (now_ns < f->sockets[i].until_ns && !is_over(f->sockets[i].fd, &left))
            continue;
        close(f->sockets[i].fd);
        f->sockets[i] = f->sockets[--f->count];
    }
}

void farewell_close(struct farewell *f)
{
    for (size_t i = 0; i < f->count; i++)
        close(f->sockets[i].fd);
    f->count = 0;
}
