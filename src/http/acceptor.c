#include "http/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/account.h"
#include "http/last_words.h"
#include "service/clock.h"
#include "service/log.h"

bool acceptor_init(struct acceptor *a, struct site *site, struct watch *watch,
                   struct error *e)
{
    *a = (struct acceptor){.site = site, .watch = watch};
    return arrivals_init(&a->arrivals,
                         site->settings->connection_limit + ACCEPTOR_RESERVED, e);
}

/* The library has ended all that it had. */
void acceptor_free(struct acceptor *a)
{
    if (!a->arrivals.list)
        return;
    atomic_fetch_sub(&a->site->connections, arrivals_settle(&a->arrivals));
    arrivals_free(&a->arrivals);
}

size_t acceptor_arriving(struct acceptor *a)
{
    size_t lost = arrivals_settle(&a->arrivals);
    atomic_fetch_sub(&a->site->connections, lost);
    return a->arrivals.count;
}

/* Over the limit: said, not left hanging. The client may have sent its request, so
 * the socket is read on for a moment. */
static void shed(struct acceptor *a, int fd)
{
    struct error e = {0};
    struct said said = {.error = ERROR_OVERLOADED, .at_ns = clock_now_ns()};
    error_set(&e, ERROR_OVERLOADED, "",
              "more than the %llu connections allowed are open (connection_limit)",
              (unsigned long long)a->site->settings->connection_limit);
    if (a->site->tls) { /* nothing can be said before a handshake */
        metrics_rejected(a->site->metrics, e.code);
        close(fd);
        return;
    }
    request_id_generate(said.id);
    said.began_ns = said.at_ns;
    said.bytes = last_words_send(
        fd, &e, attention_service_retry_after(a->site->service), said.id);
    shutdown(fd, SHUT_WR);
    watch_farewell(a->watch, fd);
    account_for_words(a->site, &said);
}

static bool out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* The backlog waits; looking at it again and again would take all of a CPU. */
static void pause_accepting(struct acceptor *a, int error)
{
    int64_t now = clock_now_ns();
    if (now - a->paused_until_ns > NS_PER_S) /* one line for a row of pauses */
        log_write(LOG_WARN, "accept", LOG_S("error", strerror(error)));
    a->paused_until_ns = now + 100 * NS_PER_MS;
}

/* Room is made before it is gone, from what rests: a connection that was shut is
 * closed a moment later. Not for every one that comes, as all are looked at. */
void acceptor_keep_room(struct acceptor *a)
{
    enum { PERIOD_MS = 20 };
    size_t crowd = site_crowd(a->site);
    int64_t now = clock_now_ns();
    if (crowd == 0 || now < a->crowded_until_ns)
        return;
    a->crowded_until_ns = now + PERIOD_MS * NS_PER_MS;
    watch_make_room(a->watch, crowd);
}

static bool has_room(struct acceptor *a, bool callers)
{
    size_t limit =
        a->site->settings->connection_limit + (callers ? 0 : ACCEPTOR_RESERVED);
    acceptor_keep_room(a);
    if (atomic_load(&a->site->connections) < limit)
        return true;
    acceptor_arriving(a); /* as far as they have not ended unseen */
    return atomic_load(&a->site->connections) < limit;
}

/* Without descriptors those give way that were answered already, one for one. False:
 * there is none, or nobody waits: the kernel wants a descriptor before it looks. */
static bool make_way(struct acceptor *a, const struct listener *listener, int error)
{
    struct pollfd waiting = {.fd = listener->fd, .events = POLLIN};
    if (!out_of_resources(error) || poll(&waiting, 1, 0) < 1)
        return false;
    if (watch_give_way(a->watch))
        return true;
    pause_accepting(a, error);
    return false;
}

/* False when there is nothing more to take just now. */
static bool take(struct acceptor *a, const struct listener *listener,
                 struct MHD_Daemon *daemon, bool callers)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    struct sockaddr *address = (struct sockaddr *)&peer;
    int fd = accept4(listener->fd, address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        int error = errno;
        return error == ECONNABORTED || error == EINTR || make_way(a, listener, error);
    }
    if (!has_room(a, callers)) {
        shed(a, fd);
        return true;
    }
    arrivals_add(&a->arrivals, fd);
    atomic_fetch_add(&a->site->connections, 1);
    if (MHD_add_connection(daemon, fd, address, size) != MHD_YES) { /* closed by it */
        arrivals_end(fd);
        atomic_fetch_sub(&a->site->connections, 1);
    }
    return true;
}

void acceptor_take(struct acceptor *a, const struct listener *listener,
                   struct MHD_Daemon *daemon, bool callers, size_t most)
{
    while (most-- > 0 && take(a, listener, daemon, callers)) {
    }
}
