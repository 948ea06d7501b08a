/* tls.h - the certificate in use, which is replaced while connections go on: those
 * that have begun keep theirs.
 *
 * Versions 1.3 and 1.2, with forward secrecy and authenticated encryption only; no
 * renegotiation, no early data. */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include <microhttpd.h>

#include "http/tls_identity.h"
#include "service/metrics.h"
#include "service/settings.h"

struct tls;

/* Reads tls_certificate and tls_key of `s`, which is borrowed, and sets the gauge of
 * the expiry. `metrics` is NULL where no connection will come. NULL with `e` set as
 * tls_identity_load() says. */
MUST_USE struct tls *tls_new(const struct settings *s, struct metrics *metrics,
                             struct error *e);
void tls_delete(struct tls *tls); /* NULL is fine */

/* Reads both files again, for the connections that come. False with `e` set: the old
 * certificate stays. One thread at a time. */
MUST_USE bool tls_reload(struct tls *tls, struct error *e);

/* The certificate of now, to be released. Any thread; takes no lock. */
struct tls_identity *tls_take(struct tls *tls);

/* "2030-01-31T23:59:59Z": the last second in which it is valid. */
enum { TLS_TIME_BYTES = 32 };
void tls_not_after(struct tls *tls, char text[TLS_TIME_BYTES]);

/* What libmicrohttpd has to be told about it; returns TLS_OPTIONS. */
enum { TLS_OPTIONS = 2 };
size_t tls_options(struct MHD_OptionItem options[TLS_OPTIONS]);

/* Counts a handshake that failed. Any thread. */
void tls_failed(struct tls *tls);

#endif
