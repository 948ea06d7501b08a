/* tls_calls.h - stands between libmicrohttpd and GnuTLS.
 *
 * Two functions of GnuTLS are defined again in this program, so that the library calls
 * these. For a session whose pointer (gnutls_session_set_ptr) is a struct wire,
 *
 *   gnutls_handshake()    says at once that the handshake is over, and
 *   gnutls_record_recv()  is wire_read(), which does it before the first byte is read.
 *
 * With a handshake of its own the library takes all of a CPU until it has ended: after
 * one that waits for the client, the edge of epoll counts as not yet seen, and it turns
 * round and round. After a read that waits it does not. (0.9.75: MHD_run_tls_handshake_
 * and MHD_epoll.) Sessions without a pointer get what GnuTLS does. */
#ifndef HTTP_TLS_CALLS_H
#define HTTP_TLS_CALLS_H

#include <gnutls/gnutls.h>

#include "base/error.h"

/* False with `e` set: the functions of GnuTLS were not found, nothing works. */
MUST_USE bool tls_calls_found(struct error *e);

/* Those of GnuTLS. */
int tls_calls_handshake(gnutls_session_t session);
ssize_t tls_calls_recv(gnutls_session_t session, void *data, size_t size);

#endif
