/* tls_identity.h - a certificate with its key, which connections hold while they use
 * it. Any thread may hold and release it. */
#ifndef HTTP_TLS_IDENTITY_H
#define HTTP_TLS_IDENTITY_H

#include <gnutls/gnutls.h>
#include <time.h>

#include "base/error.h"

struct tls_identity; /* opaque: counts its holders */

/* Reads two PEM files: the certificate, followed by those that lead to its root, and
 * its key, which has no password. The first holder is the caller. NULL with `e` set
 * (ERROR_INVALID_INPUT at the setting, the file named first, nothing of what it holds)
 * when a file cannot be read, the key is that of another certificate, or the
 * certificate is not valid at `now`. */
MUST_USE struct tls_identity *tls_identity_load(const char *certificate_path,
                                                const char *key_path, time_t now,
                                                struct error *e);

void tls_identity_hold(struct tls_identity *identity);
void tls_identity_release(struct tls_identity *identity); /* the last frees it */

/* The session of a server shows this certificate and gives out tickets, with which a
 * client that comes again before the certificate is replaced saves a round. Must be
 * held until the session is gone. False: there is no memory. */
MUST_USE bool tls_identity_use(const struct tls_identity *identity,
                               gnutls_session_t session);

/* The last second in which it is valid. */
time_t tls_identity_not_after(const struct tls_identity *identity);

#endif
