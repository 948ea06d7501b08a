#include "http/connection.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http/account.h"
#include "http/arrivals.h"
#include "http/exchange.h"
#include "http/watch.h"
#include "service/clock.h"

static struct exchange *open_exchange(const struct front *front,
                                      struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    guard_init(&x->guard, front->site->settings->header_limit);
    x->front = front;
    x->connection = connection;
    if (!wire_open(&x->wire, connection, exchange_site(x)->tls, &x->guard)) {
        wire_close(&x->wire); /* GCOVR_EXCL_START a million files */
        free(x);
        return NULL;
        /* GCOVR_EXCL_STOP */
    }
    x->fd = x->wire.fd;
    int64_t now = clock_now_ns();
    atomic_init(&x->rests_ns, now);
    atomic_init(&x->deadline_ns,
                now + (int64_t)front->site->settings->header_timeout * NS_PER_MS);
    atomic_init(&x->phase, PHASE_IDLE);
    atomic_init(&x->holders, 1);
    if (watch_add(front->watch, x))
        return x;
    wire_close(&x->wire);
    free(x);
    return NULL;
}

static void say_farewell(const struct exchange *x)
{
    int copy = fcntl(x->fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 && watch_give_way(x->front->watch))
        copy = fcntl(x->fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return;
    shutdown(copy, SHUT_WR); /* with TLS the library has not */
    watch_farewell(x->front->watch, copy);
}

static void close_exchange(const struct front *front, struct exchange *x)
{
    watch_remove(front->watch, x);
    bool told = exchange_was_cut(x) && x->cut.bytes > 0;
    if (told && x->cut.id[0]) /* and no request had begun */
        account_for_words(front->site, &x->cut);
    if (x->linger || told)
        say_farewell(x);
    wire_close(&x->wire);
    exchange_release(x);
}

void connection_notify(void *front, struct MHD_Connection *connection, void **exchange,
                       enum MHD_ConnectionNotificationCode what)
{
    const struct front *at = front;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        arrivals_end(wire_socket(connection));
        *exchange = open_exchange(at, connection);
        if (!*exchange) /* nobody would watch it */
            wire_forsake(connection);
        return;
    }
    struct exchange *x = *exchange;
    /* The library tells of no end when it had no memory for a refusal. */
    void *unended = x && x->begun ? x : NULL;
    exchange_end(front, connection, &unended, MHD_REQUEST_TERMINATED_WITH_ERROR);
    if (x)
        close_exchange(at, x);
    atomic_fetch_sub(&at->site->connections, 1);
}
