/* server.h - listens, hands connections to libmicrohttpd's threads, and stops without
 * losing one.
 *
 * Connections are accepted here, on the thread that calls server_accept(), and given
 * to the library's pool of epoll threads in turn. The library could accept them
 * itself, but then its limits are split among its threads and what is beyond hangs
 * unseen, two threads wake for each connection, and MHD_quiesce_daemon() may race with
 * a busy thread and abort the process (both remove the listening socket from the
 * thread's epoll set, and whoever is second panics). */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/site.h"

struct server;

/* Opens the listeners and starts the threads; `site` is borrowed. Connections wait in
 * the backlog until server_accept(). NULL with `e` set. */
MUST_USE struct server *server_new(struct site *site, struct error *e);

/* "127.0.0.1:8080", the real port; and of the metrics' own listener, or NULL. */
const char *server_address(const struct server *s);
const char *server_metrics_address(const struct server *s);

/* Takes connections for at most `timeout_ms`, or until `wake_fd` is readable; true
 * in the latter case. */
bool server_accept(struct server *s, int wake_fd, int timeout_ms);

/* No new connection begins; what has begun is still accepted, by server_accept(). */
void server_refuse(struct server *s);

/* Takes what was connected before, then closes the listeners. */
void server_stop_accepting(struct server *s);

/* A connection was accepted that no thread has begun with, or a request has come of
 * which nothing was read yet, or a client still sends what was refused. On the thread
 * that calls server_accept(). */
MUST_USE bool server_is_owed(struct server *s);

/* 503 to every client whose request has come in part only; it has a moment to take it,
 * see server_is_owed(). */
void server_refuse_unfinished(struct server *s);

/* Shuts all connections, answered or not. */
void server_cut(struct server *s);

/* No call may be with the pool. */
void server_delete(struct server *s);

#endif
