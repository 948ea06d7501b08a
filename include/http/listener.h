/* listener.h - a listening socket: TCP over IPv4 or IPv6, or a socket file. */
#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"

struct listener {
    int fd;            /* -1: closed */
    char address[300]; /* "127.0.0.1:8080", "[::1]:8080", "unix:/run/a.sock" */
    char path[108];    /* of the socket file, removed when closed; "" for TCP */
};

/* `bind` is an address, a name that the machine resolves, or unix:PATH (`port` is then
 * ignored). Port 0 takes a free one; `address` names it. A socket file that nobody
 * listens on any more is replaced. False with `e` set; nothing is then open. */
MUST_USE bool listener_open(struct listener *l, const char *bind, uint16_t port,
                            struct error *e);

/* Is it unix:PATH? */
bool listener_is_file(const char *bind);

/* Whether `bind`, the value of `setting`, could be listened on as far as its text
 * tells: a well-formed address, what could be a name, or a path that fits into the
 * address of a socket file. Nothing is resolved. */
MUST_USE bool listener_check(const char *setting, const char *bind, struct error *e);

/* No new connection begins from here on; those that wait, or whose handshake is under
 * way, can still be accepted. A connection that the kernel lets in between the last
 * accept and the close would be reset, which its client cannot tell from a lost
 * request: so TCP drops each SYN for this socket (the client tries again a second later
 * and is refused), and a socket file loses its name. */
void listener_refuse(struct listener *l);

void listener_close(struct listener *l);

/* A blocking-free connection to what listens on `bind` and `port` on this machine,
 * as `--probe` does: an unspecified address is reached over loopback. -1 with `e`
 * set. The connection may still be under way. */
MUST_USE int listener_connect(const char *bind, uint16_t port, struct error *e);

#endif
