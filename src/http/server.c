#include "http/server.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/acceptor.h"
#include "http/connection.h"
#include "http/exchange.h"
#include "http/guard.h"
#include "http/reply.h"
#include "http/tls_calls.h"
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
    struct no_memory no_memory;
    struct acceptor acceptor;
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

/* Room for the head; for what the library keeps of each of the fields and parameters
 * that the guard lets through; and for the answer's head. */
static size_t connection_memory(const struct settings *s)
{
    enum {
        EACH = GUARD_FIELD_LIMIT + GUARD_AND_LIMIT + 1,
        KEPT_OF_EACH = 64,
        ANSWER_HEAD = 2048,
        BESIDES = EACH * KEPT_OF_EACH + ANSWER_HEAD,
    };
    return (size_t)s->header_limit + BESIDES;
}

/* The library's own timer is refreshed by every byte, in or out, and knows only what
 * this machine's kernel took; so the watch keeps all deadlines. Of a socket file it
 * cannot know how much of an answer is taken: there the timer is of use, and runs while
 * an answer is sent (reply.c). */
static unsigned stall_timeout_s(const struct settings *s, const char *bind)
{
    return listener_is_file(bind) ? (unsigned)((s->write_timeout + 999) / 1000) : 0;
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
    /* Divided among the threads; the acceptor keeps the real limit. */
    unsigned limit =
        (unsigned)(s->connection_limit + (size_t)2 * ACCEPTOR_RESERVED) * threads;

    door->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
            MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
            (tls ? MHD_USE_TLS : MHD_NO_FLAG),
        0, NULL, NULL, exchange_step, &door->front, MHD_OPTION_EXTERNAL_LOGGER,
        library_log, NULL, MHD_OPTION_NOTIFY_CONNECTION, connection_notify,
        &door->front, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, &door->front,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_end, &door->front,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory(s),
        MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return door->daemon ||
           error_set(e, ERROR_INTERNAL, "", "the HTTP threads cannot be started");
}

static bool open_door(struct server *s, const char *bind, uint64_t port,
                      unsigned surfaces, unsigned threads, struct error *e)
{
    struct door *door = &s->doors[s->door_count++];
    door->front = (struct front){s->site, s->watch, surfaces, &s->no_memory,
                                 stall_timeout_s(s->site->settings, bind)};
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
    if (s->watch && acceptor_init(&s->acceptor, site, s->watch, e) &&
        no_memory_init(&s->no_memory, e) && open_doors(s, e))
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

static void take_connections(struct server *s, size_t door, size_t most)
{
    const struct door *d = &s->doors[door];
    acceptor_take(&s->acceptor, &d->listener, d->daemon, door == 0, most);
}

bool server_accept(struct server *s, int wake_fd, int timeout_ms)
{
    enum { TURN = 64 };
    struct pollfd fds[1 + DOORS] = {{.fd = wake_fd, .events = POLLIN}};
    int64_t pause_ns = s->acceptor.paused_until_ns - clock_now_ns();
    bool paused = pause_ns > 0;
    for (size_t i = 0; i < s->door_count; i++)
        fds[1 + i] = (struct pollfd){.fd = paused ? -1 : s->doors[i].listener.fd,
                                     .events = POLLIN};
    if (paused && timeout_ms > pause_ns / NS_PER_MS)
        timeout_ms = (int)(pause_ns / NS_PER_MS) + 1;

    if (poll(fds, 1 + s->door_count, timeout_ms) < 1) {
        acceptor_keep_room(&s->acceptor);
        return false;
    }
    for (size_t i = 0; i < s->door_count; i++)
        if (fds[1 + i].revents)
            take_connections(s, i, TURN);
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
        take_connections(s, i, SOMAXCONN);
        listener_close(&s->doors[i].listener);
    }
}

bool server_is_owed(struct server *s)
{
    return acceptor_arriving(&s->acceptor) > 0 || watch_sees_request(s->watch);
}

void server_refuse_unfinished(struct server *s)
{
    watch_cut_unfinished(s->watch);
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
    acceptor_free(&s->acceptor);
    if (s->watch)
        watch_delete(s->watch);
    no_memory_free(&s->no_memory);
    free(s);
}
