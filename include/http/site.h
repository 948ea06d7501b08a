/* site.h - what every exchange of this process shares. Owned by main, borrowed by
 * everyone else. */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "codec/info_document.h"
#include "http/cors.h"
#include "http/tls.h"
#include "service/attention_service.h"
#include "service/keys.h"
#include "service/machine.h"
#include "service/metrics.h"
#include "service/request_log.h"
#include "service/settings.h"

enum { SITE_SPARES = 8 };

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): cache lines apart */
struct site {
    const struct settings *settings;
    struct info info; /* what /v1/info says */
    char blas[64];
    struct metrics *metrics;
    struct request_log *request_log;
    struct attention_service *service;
    struct keys *keys; /* NULL: nobody is asked for one */
    struct cors cors;
    struct tls *tls; /* NULL: connections are plain */

    _Atomic bool ready;    /* the worked example came out right */
    _Atomic bool hung;     /* every worker is stuck: /readyz says 503 */
    _Atomic bool draining; /* a stop was asked for: /readyz says 503 */
    _Atomic bool closing;  /* new requests are refused, connections are closed */

    /* Each request writes these: apart from what is only read. */
    alignas(64) struct memory_budget memory; /* of all requests together */
    alignas(64) _Atomic size_t connections;  /* open, from when they are accepted */
    _Atomic size_t in_flight;                /* requests begun and not yet answered */
    struct {
        alignas(64) struct arena_spare blocks; /* for the next request */
    } spares[SITE_SPARES];                     /* connections are dealt out to them */
};

/* Whether what the settings name can be used, beyond their own bounds: the file of
 * keys, the origins and the certificate. Starts nothing, logs nothing. False with `e`
 * set. */
MUST_USE bool site_check(const struct settings *settings, struct error *e);

/* Decides what the settings left to be found out (and writes it into `settings`,
 * which is borrowed), then starts the pool. False with `e` set: call site_close()
 * all the same. */
MUST_USE bool site_open(struct site *site, struct settings *settings,
                        const struct machine *machine, struct error *e);

/* How many connections are open beyond what leaves room for some more; 0: there is
 * room. Any thread. */
size_t site_crowd(const struct site *site);

/* Whether more than half of the memory for requests is in use. Any thread. */
bool site_memory_is_short(const struct site *site);

/* Reads the file of keys and the certificate again; on the thread that called
 * site_open(). What is wrong is logged, and stays as it was. */
void site_reload(struct site *site);

void site_close(struct site *site);

#endif
