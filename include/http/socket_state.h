/* socket_state.h - what the kernel knows of a connection's bytes. Any thread, while the
 * socket is open. Linux: TCP_INFO of tcp(7), SIOCOUTQ. */
#ifndef HTTP_SOCKET_STATE_H
#define HTTP_SOCKET_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the client has ever sent a byte. Of other sockets than TCP that is not known,
 * and said to be so. */
bool socket_has_received(int fd);

/* How many bytes the client's kernel has taken so far, ever, and how many wait for it.
 * False where it is not known: no TCP. */
bool socket_sending(int fd, uint64_t *taken, uint64_t *waiting);

#endif
