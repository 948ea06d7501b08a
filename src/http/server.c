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
#include "http/tls_calls.h"
#include "http/watch.h"
#include "service/clock.h"
#include "service/log.h"

enum {
    DOORS = 2,    /* for callers; and for operators, where it is asked for */
    RESERVED = 64 /* connections of operators beyond connection_limit */
};

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
    struct no_memory no_memory;
    int64_t paused_until_ns;  /* out of descriptors: nothing is accepted */
    int64_t crowded_until_ns; /* room was made: the next look is due then */
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
    enum { BESIDES = 10 * 1024 };
    return (size_t)s->header_limit + BESIDES;
}

/* The library's own timer is refreshed by every byte, in or out, and knows only what
 * this machine's kernel took; so the watch keeps all deadlines. Of a socket file it
 * cannot know how much of an answer is taken: there the timer is of use. */
static unsigned stall_timeout_s(const struct settings *s, const struct door *door)
{
    bool tcp = door->listener.path[0] == '\0';
    return tcp ? 0 : (unsigned)((s->write_timeout + 999) / 1000);
}

static bool start_daemon(struct door *door, const struct settings *s, unsigned threads,
                         struct error *e)
{
    struct MHD_OptionItem options[TLS_OPTIONS + 2];
    size_t count = 0;
    bool tls = door->front.site->tls != NULL;
    if (tls && !tls_calls_found(e))
        return false; /* GCOVR_EXCL_LINE: another GnuTLS than was built for */
    if (tls)
        count = tls_options(options);
    if (threads > 1)
        options[count++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE,
                                                   (intptr_t)threads, NULL};
    options[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    /* Divided among the threads; server_accept() keeps the real limit. */
    unsigned limit = (unsigned)(s->connection_limit + (size_t)2 * RESERVED) * threads;

    door->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
            MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
            (tls ? MHD_USE_TLS : MHD_NO_FLAG),
        0, NULL, NULL, exchange_step, &door->front, MHD_OPTION_EXTERNAL_LOGGER,
        library_log, NULL, MHD_OPTION_NOTIFY_CONNECTION, exchange_connection,
        &door->front, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, &door->front,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_end, &door->front,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory(s),
        MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_TIMEOUT,
        stall_timeout_s(s, door), MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
        options, MHD_OPTION_END);
    return door->daemon ||
           error_set(e, ERROR_INTERNAL, "", "the HTTP threads cannot be started");
}

static bool open_door(struct server *s, const char *bind, uint64_t port,
                      unsigned surfaces, unsigned threads, struct error *e)
{
    struct door *door = &s->doors[s->door_count++];
    door->front = (struct front){s->site, s->watch, surfaces, &s->no_memory};
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
    if (s->watch && no_memory_init(&s->no_memory, e) && open_doors(s, e))
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
    if (s->site->tls) { /* nothing can be said before a handshake */
        close(fd);
        return;
    }
    reply_raw(fd, &e, attention_service_retry_after(s->site->service));
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

/* Room is made before it is gone, from what rests: a connection that was shut is
 * closed a moment later. Not for every one that comes, as all are looked at. */
static void keep_room(struct server *s, size_t open)
{
    enum { PERIOD_MS = 20, MOST_SPARE = 64 };
    size_t limit = s->site->settings->connection_limit;
    size_t spare = limit / 16 < MOST_SPARE ? limit / 16 : MOST_SPARE;
    int64_t now = clock_now_ns();
    if (open + spare < limit || now < s->crowded_until_ns)
        return;
    s->crowded_until_ns = now + PERIOD_MS * NS_PER_MS;
    size_t missing = open + spare + 1 - limit;
    watch_make_room(s->watch, missing);
}

static bool has_room(struct server *s, const struct door *door)
{
    size_t open = atomic_load(&s->site->connections);
    keep_room(s, open);
    bool callers = door == s->doors;
    return open < s->site->settings->connection_limit + (callers ? 0 : RESERVED);
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
    if (!has_room(s, door)) {
        shed(s, fd);
        return true;
    }
    atomic_fetch_add(&s->site->arriving, 1); /* until its thread has begun with it */
    if (MHD_add_connection(door->daemon, fd, address, size) != MHD_YES)
        atomic_fetch_sub(&s->site->arriving, 1); /* it was closed */
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

    if (poll(fds, 1 + s->door_count, timeout_ms) < 1) {
        size_t open = atomic_load(&s->site->connections);
        keep_room(s, open); /* those that came may rest by now */
        return false;
    }
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

bool server_is_owed(struct server *s)
{
    return atomic_load(&s->site->arriving) > 0 || watch_sees_request(s->watch);
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
    no_memory_free(&s->no_memory);
    free(s);
}
