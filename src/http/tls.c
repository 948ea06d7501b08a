#include "http/tls.h"

#include <gnutls/abstract.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct tls {
    const struct settings *settings;
    struct metrics *metrics;
    struct tls_identity *_Atomic current; /* held */
    _Atomic size_t looking;               /* threads that are about to hold it */
};

/* In the form of gnutls_priority_init(3). */
static const char priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:"
    "-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
    "-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:"
    "-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1";

static struct tls_identity *load(const struct tls *tls, struct error *e)
{
    return tls_identity_load(tls->settings->tls_certificate, tls->settings->tls_key,
                             time(NULL), e);
}

static void show_expiry(const struct tls *tls, const struct tls_identity *identity)
{
    if (tls->metrics)
        metrics_set(tls->metrics, METRIC_TLS_CERTIFICATE_EXPIRY,
                    (double)tls_identity_not_after(identity));
}

struct tls *tls_new(const struct settings *s, struct metrics *metrics, struct error *e)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls) { /* GCOVR_EXCL_START */
        error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for TLS");
        return NULL;
    } /* GCOVR_EXCL_STOP */
    tls->settings = s;
    tls->metrics = metrics;
    struct tls_identity *identity = load(tls, e);
    if (!identity) {
        free(tls);
        return NULL;
    }
    atomic_init(&tls->current, identity);
    show_expiry(tls, identity);
    return tls;
}

void tls_delete(struct tls *tls)
{
    if (!tls)
        return;
    tls_identity_release(atomic_load(&tls->current));
    free(tls);
}

/* Who has seen the old one, but does not hold it yet, is waited for: microseconds. */
bool tls_reload(struct tls *tls, struct error *e)
{
    struct tls_identity *fresh = load(tls, e);
    if (!fresh)
        return false;
    show_expiry(tls, fresh);
    struct tls_identity *old = atomic_exchange(&tls->current, fresh);
    while (atomic_load(&tls->looking) > 0)
        sched_yield(); /* GCOVR_EXCL_LINE hardly ever */
    tls_identity_release(old);
    return true;
}

struct tls_identity *tls_take(struct tls *tls)
{
    atomic_fetch_add(&tls->looking, 1);
    struct tls_identity *identity = atomic_load(&tls->current);
    tls_identity_hold(identity);
    atomic_fetch_sub(&tls->looking, 1);
    return identity;
}

void tls_not_after(struct tls *tls, char text[TLS_TIME_BYTES])
{
    struct tls_identity *identity = tls_take(tls);
    time_t last = tls_identity_not_after(identity);
    tls_identity_release(identity);
    struct tm utc;
    strftime(text, TLS_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&last, &utc));
}

void tls_failed(struct tls *tls)
{
    metrics_add(tls->metrics, METRIC_TLS_HANDSHAKES_FAILED, 1);
}

/* The library wants to have one; each session has its own already, see wire_open().
 * NOLINTBEGIN(readability-non-const-parameter): the type is GnuTLS' */
/* GCOVR_EXCL_START not called */
static int no_certificate(gnutls_session_t session,
                          const struct gnutls_cert_retr_st *info,
                          gnutls_pcert_st **certificates, unsigned *count,
                          gnutls_ocsp_data_st **ocsp, unsigned *ocsp_count,
                          gnutls_privkey_t *key, unsigned *flags)
{
    (void)session, (void)info, (void)certificates, (void)count, (void)ocsp;
    (void)ocsp_count, (void)key, (void)flags;
    return -1;
}
/* GCOVR_EXCL_STOP
 * NOLINTEND(readability-non-const-parameter) */

size_t tls_options(struct MHD_OptionItem options[TLS_OPTIONS])
{
    options[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
                                         (void *)(uintptr_t)priorities};
    options[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK2, 0,
                                         (void *)(uintptr_t)no_certificate};
    return TLS_OPTIONS;
}
