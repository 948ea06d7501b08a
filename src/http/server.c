#include "http/server.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/exchange.h"
#include "http/listener.h"
#include "http/reply.h"
#include "http/watch.h"
#include "service/clock.h"
#include "service/log.h"

enum { DOORS = 2 }; /* for callers; and for operators, where it is asked for */

struct door {
    struct listener listener;
    struct front front;
    struct MHD_Daemon *daemon;
};

struct server {
    struct site *site;
    struct watch *watch;
    struct door doors[DOORS];
    size_t door_count;
    int64_t paused_until_ns; /* out of descriptors: nothing is accepted */
};

/* The format is the library's. */
__attribute__((format(printf, 2, 0))) static void library_log(void *context,
                                                              const char *format,
                                                              va_list arguments)
{
    (void)context;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_write(LOG_DEBUG, "libmicrohttpd", LOG_S("message", text));
}

/* Room for the head; for 64 bytes that the library keeps for each of the fields and
 * parameters that http/guard lets through; and for the answer's head. */
static size_t connection_memory(const struct settings *s)
{
    enum { BESIDES = 16 * 1024 };
    return (size_t)s->header_limit + BESIDES;
}

/* The library's own timer is refreshed by every byte, in or out. The watch keeps the
 * deadlines of receiving; what is left to this one is a client that stopped reading
 * its answer, and less than half a minute would cut honest slow ones. */
static unsigned stall_timeout_s(const struct settings *s)
{
    unsigned idle = (unsigned)((s->idle_timeout + 999) / 1000);
    return idle > 30 ? idle : 30;
}

static bool start_daemon(struct door *door, const struct settings *s, unsigned threads,
                         struct error *e)
{
    struct MHD_OptionItem pool[] = {
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads,
         NULL},
        {MHD_OPTION_END, 0, NULL}};
    /* Divided among the threads; server_accept() keeps the real limit. */
    unsigned limit = (unsigned)(s->connection_limit + 64) * threads;

    door->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
            MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, exchange_step, &door->front, MHD_OPTION_EXTERNAL_LOGGER,
        library_log, NULL, MHD_OPTION_NOTIFY_CONNECTION, exchange_connection,
        &door->front, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, &door->front,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_end, &door->front,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory(s),
        MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_TIMEOUT,
        stall_timeout_s(s), MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, pool,
        MHD_OPTION_END);
    return door->daemon ||
           error_set(e, ERROR_INTERNAL, "", "the HTTP threads cannot be started");
}

static bool open_door(struct server *s, const char *bind, uint64_t port,
                      unsigned surfaces, unsigned threads, struct error *e)
{
    struct door *door = &s->doors[s->door_count++];
    door->front = (struct front){s->site, s->watch, surfaces};
    return listener_open(&door->listener, bind, (uint16_t)port, e) &&
           start_daemon(door, s->site->settings, threads, e);
}

static bool open_doors(struct server *s, struct error *e)
{
    const struct settings *set = s->site->settings;
    const char *bind;
    uint16_t port;
    bool apart = settings_metrics_listener(set, &bind, &port);
    unsigned surfaces = apart ? SURFACE_API : SURFACE_API | SURFACE_METRICS;
    return open_door(s, set->bind, set->port, surfaces, (unsigned)set->http_threads,
                     e) &&
           (!apart || open_door(s, bind, port, SURFACE_METRICS, 1, e));
}

struct server *server_new(struct site *site, struct error *e)
{
    struct server *s = calloc(1, sizeof *s);
    if (!s) {
        error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the server");
        return NULL;
    }
    s->site = site;
    s->watch = watch_new(e);
    if (s->watch && open_doors(s, e))
        return s;
    server_delete(s);
    return NULL;
}

const char *server_address(const struct server *s)
{
    return s->doors[0].listener.address;
}

const char *server_metrics_address(const struct server *s)
{
    return s->door_count > 1 ? s->doors[1].listener.address : NULL;
}

/* Over the limit: said, not left hanging. The client may have sent its request, so
 * the socket is read on for a moment. */
static void shed(struct server *s, int fd)
{
    struct error e = {0};
    error_set(&e, ERROR_OVERLOADED, "",
              "more than the %llu connections allowed are open (connection_limit)",
              (unsigned long long)s->site->settings->connection_limit);
    metrics_rejected(s->site->metrics, e.code);
    reply_raw(fd, &e);
    shutdown(fd, SHUT_WR);
    watch_farewell(s->watch, fd);
}

static bool out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* The backlog waits; looking at it again and again would take all of a CPU. */
static void pause_accepting(struct server *s, int error)
{
    int64_t now = clock_now_ns();
    if (now - s->paused_until_ns > NS_PER_S) /* one line for a row of pauses */
        log_write(LOG_WARN, "accept", LOG_S("error", strerror(error)));
    s->paused_until_ns = now + 100 * NS_PER_MS;
}

/* False when there is nothing more to take just now. */
static bool take_connection(struct server *s, struct door *door)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    struct sockaddr *address = (struct sockaddr *)&peer;
    int fd = accept4(door->listener.fd, address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        int error = errno;
        if (out_of_resources(error))
            pause_accepting(s, error);
        return error == ECONNABORTED || error == EINTR;
    }
    if (atomic_load(&s->site->connections) >= s->site->settings->connection_limit)
        shed(s, fd);
    else /* which closes it when it fails */
        MHD_add_connection(door->daemon, fd, address, size);
    return true;
}

static void take_connections(struct server *s, struct door *door, size_t most)
{
    while (most-- > 0 && take_connection(s, door)) {
    }
}

bool server_accept(struct server *s, int wake_fd, int timeout_ms)
{
    enum { TURN = 64 };
    struct pollfd fds[1 + DOORS] = {{.fd = wake_fd, .events = POLLIN}};
    int64_t pause_ns = s->paused_until_ns - clock_now_ns();
    bool paused = pause_ns > 0;
    for (size_t i = 0; i < s->door_count; i++)
        fds[1 + i] = (struct pollfd){.fd = paused ? -1 : s->doors[i].listener.fd,
                                     .events = POLLIN};
    if (paused && timeout_ms > pause_ns / NS_PER_MS)
        timeout_ms = (int)(pause_ns / NS_PER_MS) + 1;

    if (poll(fds, 1 + s->door_count, timeout_ms) < 1)
        return false;
    for (size_t i = 0; i < s->door_count; i++)
        if (fds[1 + i].revents)
            take_connections(s, &s->doors[i], TURN);
    return fds[0].revents != 0;
}

void server_refuse(struct server *s)
{
    for (size_t i = 0; i < s->door_count; i++)
        listener_refuse(&s->doors[i].listener);
}

void server_stop_accepting(struct server *s)
{
    for (size_t i = 0; i < s->door_count; i++) {
        take_connections(s, &s->doors[i], SOMAXCONN);
        listener_close(&s->doors[i].listener);
    }
}

void server_cut(struct server *s)
{
    watch_cut_all(s->watch);
}

void server_delete(struct server *s)
{
    for (size_t i = 0; i < s->door_count; i++) {
        if (s->doors[i].daemon)
            MHD_stop_daemon(s->doors[i].daemon);
        listener_close(&s->doors[i].listener);
    }
    if (s->watch)
        watch_delete(s->watch);
    free(s);
}
