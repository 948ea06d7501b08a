/* Where it checks sizes, the C library's header has a recv() of its own, in line. */
#undef _FORTIFY_SOURCE

#include "http/guarded_read.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* What is not used of this takes no memory. Each entry is written by the thread of the
 * connection that has the descriptor; others have it before and after. */
static _Atomic(struct guard *) guards[GUARDED_DESCRIPTORS];

bool guarded_read_begin(int fd, struct guard *g)
{
    if (fd >= GUARDED_DESCRIPTORS)
        return false;
    atomic_store_explicit(&guards[fd], g, memory_order_release);
    return true;
}

void guarded_read_end(int fd)
{
    atomic_store_explicit(&guards[fd], NULL, memory_order_release);
}

struct guard *guarded_read_guard(int fd)
{
    if (fd < 0 || fd >= GUARDED_DESCRIPTORS)
        return NULL;
    return atomic_load_explicit(&guards[fd], memory_order_acquire);
}

/* One read: what `read` said, and in `passed` how much of it came out. What is to be
 * ignored is read alone. */
static ssize_t read_once(struct guard *g, guarded_reader *read, void *context,
                         char *buffer, size_t size, size_t *passed)
{
    size_t held = guard_held(g);
    char one = 0, *in = held < size ? buffer + held : &one;
    size_t wanted = held < size ? size - held : 1, ignored = guard_ignored(g);
    if (ignored > 0 && ignored < wanted)
        wanted = ignored;
    ssize_t n = read(context, in, wanted);
    *passed = n > 0 ? guard_filter(g, in, (size_t)n, buffer, size) : 0;
    return n == (ssize_t)wanted ? (ssize_t)size : n;
}

ssize_t guarded_read(struct guard *g, guarded_reader *read, void *context, void *buffer,
                     size_t size)
{
    char *out = buffer;
    size_t done = guard_rest(g, out, size);
    while (done < size && !guard_is_shut(g)) {
        size_t passed, room = size - done;
        ssize_t n = read_once(g, read, context, out + done, room, &passed);
        if (n <= 0 && done == 0)
            return n;
        done += passed;
        /* Only a read that was not filled says that the socket is empty. */
        if (n < (ssize_t)room)
            break;
    }
    guard_tell(g);
    return done > 0 ? (ssize_t)done : GUARDED_NOTHING;
}

struct socket_call {
    int fd, flags;
    const struct guard *guard; /* NULL: none */
};

/* What is to be ignored is not even copied: with MSG_TRUNC, TCP drops it (tcp(7)). */
static ssize_t read_socket(void *context, void *buffer, size_t size)
{
    const struct socket_call *call = context;
    int drops = call->guard && guard_ignored(call->guard) > 0 ? MSG_TRUNC : 0;
    return recvfrom(call->fd, buffer, size, call->flags | drops, NULL, NULL);
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    struct guard *g = flags & MSG_PEEK ? NULL : guarded_read_guard(fd);
    struct socket_call call = {fd, flags, g};
    if (!g)
        return read_socket(&call, buf, n);
    ssize_t got = guarded_read(g, read_socket, &call, buf, n);
    if (got != GUARDED_NOTHING)
        return got;
    errno = EAGAIN;
    return -1;
}
