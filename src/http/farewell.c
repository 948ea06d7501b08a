#include "http/farewell.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/clock.h"

void farewell_add(struct farewell *f, int fd, int64_t now_ns)
{
    if (f->count == FAREWELL_SOCKETS) {
        close(fd);
        return;
    }
    f->sockets[f->count].fd = fd;
    f->sockets[f->count].until_ns = now_ns + 2 * NS_PER_S;
    f->count++;
}

/* At most 4 MiB a look, so that one client cannot keep the thread. */
static bool is_over(int fd)
{
    char bytes[16 * 1024];
    for (int i = 0; i < 256; i++) {
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0)
            return true;
        if (n < 0)
            return errno != EAGAIN && errno != EINTR;
    }
    return false;
}

void farewell_tick(struct farewell *f, int64_t now_ns)
{
    for (size_t i = f->count; i-- > 0;) {
        if (now_ns < f->sockets[i].until_ns && !is_over(f->sockets[i].fd))
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
