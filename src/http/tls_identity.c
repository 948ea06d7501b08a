#include "http/tls_identity.h"

#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "service/text_file.h"

struct tls_identity {
    _Atomic size_t holders;
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t ticket_key;
    time_t not_after;
};

/* What the files hold, while they are read. */
struct pair {
    const char *certificate_path, *key_path;
    gnutls_x509_crt_t *chain;
    unsigned length;
    gnutls_x509_privkey_t key;
};

static bool refuse(struct error *e, const char *setting, const char *path,
                   const char *why)
{
    return error_set(e, ERROR_INVALID_INPUT, setting, "%s: %s: %s", setting, path, why);
}

/* Before the text is freed, for it may be a key. */
static void forget(char *text, size_t length)
{
    gnutls_memset(text, 0, length);
    free(text);
}

static char *read_text(const char *path, const char *setting, size_t *length,
                       struct error *e)
{
    enum { MOST = 1024 * 1024 };
    struct error why = {0};
    char *text = text_file_read(path, setting, MOST, length, NULL, &why);
    if (!text)
        error_set(e, why.code, setting, "%s: %s", setting, why.message);
    return text;
}

static bool read_chain(struct pair *p, struct error *e)
{
    static const char setting[] = "tls_certificate";
    size_t length;
    char *text = read_text(p->certificate_path, setting, &length, e);
    if (!text)
        return false;
    const gnutls_datum_t pem = {(unsigned char *)text, (unsigned)length};
    int result = gnutls_x509_crt_list_import2(&p->chain, &p->length, &pem,
                                              GNUTLS_X509_FMT_PEM, 0);
    forget(text, length);
    return result >= 0 ||
           refuse(e, setting, p->certificate_path, "is not a certificate in PEM");
}

static bool read_key(struct pair *p, struct error *e)
{
    static const char setting[] = "tls_key";
    size_t length;
    char *text = read_text(p->key_path, setting, &length, e);
    if (!text)
        return false;
    const gnutls_datum_t pem = {(unsigned char *)text, (unsigned)length};
    int result = gnutls_x509_privkey_init(&p->key);
    if (result >= 0)
        result = gnutls_x509_privkey_import2(p->key, &pem, GNUTLS_X509_FMT_PEM, NULL,
                                             GNUTLS_PKCS_PLAIN);
    forget(text, length);
    return result >= 0 || refuse(e, setting, p->key_path,
                                 "is not a private key in PEM without a password");
}

static bool check_time(const struct pair *p, time_t now, struct error *e)
{
    static const char setting[] = "tls_certificate";
    time_t from = gnutls_x509_crt_get_activation_time(p->chain[0]);
    time_t until = gnutls_x509_crt_get_expiration_time(p->chain[0]);
    char day[16];
    struct tm utc;
    const time_t *when = now < from ? &from : &until;
    strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(when, &utc));
    if (now < from)
        return error_set(e, ERROR_INVALID_INPUT, setting,
                         "%s: %s: is not valid before %s", setting, p->certificate_path,
                         day);
    if (now > until)
        return error_set(e, ERROR_INVALID_INPUT, setting, "%s: %s: has expired on %s",
                         setting, p->certificate_path, day);
    return true;
}

/* The credentials have copies of both. */
static bool join(const struct pair *p, struct tls_identity *identity, struct error *e)
{
    identity->not_after = gnutls_x509_crt_get_expiration_time(p->chain[0]);
    int result = gnutls_certificate_allocate_credentials(&identity->credentials);
    if (result >= 0)
        result = gnutls_certificate_set_x509_key(identity->credentials, p->chain,
                                                 (int)p->length, p->key);
    if (result == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return error_set(e, ERROR_INVALID_INPUT, "tls_key",
                         "tls_key: %s: is not the key of the first certificate in %s",
                         p->key_path, p->certificate_path);
    if (result >= 0)
        result = gnutls_session_ticket_key_generate(&identity->ticket_key);
    return result >= 0 || /* no memory, or no random numbers */
           refuse(e, "tls_certificate", p->certificate_path, gnutls_strerror(result));
}

static void free_pair(struct pair *p)
{
    for (unsigned i = 0; i < p->length; i++)
        gnutls_x509_crt_deinit(p->chain[i]);
    gnutls_free(p->chain);
    if (p->key)
        gnutls_x509_privkey_deinit(p->key);
}

struct tls_identity *tls_identity_load(const char *certificate_path,
                                       const char *key_path, time_t now,
                                       struct error *e)
{
    struct tls_identity *identity = calloc(1, sizeof *identity);
    if (!identity) { /* GCOVR_EXCL_START */
        error_set(e, ERROR_OUT_OF_MEMORY, "tls_certificate",
                  "no memory for the certificate");
        return NULL;
    } /* GCOVR_EXCL_STOP */
    atomic_init(&identity->holders, 1);
    struct pair pair = {.certificate_path = certificate_path, .key_path = key_path};
    bool good = read_chain(&pair, e) && read_key(&pair, e) &&
                check_time(&pair, now, e) && join(&pair, identity, e);
    free_pair(&pair);
    if (good)
        return identity;
    tls_identity_release(identity);
    return NULL;
}

void tls_identity_hold(struct tls_identity *identity)
{
    atomic_fetch_add(&identity->holders, 1);
}

void tls_identity_release(struct tls_identity *identity)
{
    if (atomic_fetch_sub(&identity->holders, 1) > 1)
        return;
    if (identity->credentials)
        gnutls_certificate_free_credentials(identity->credentials);
    if (identity->ticket_key.data) /* or there was no memory for it, but a size */
        gnutls_memset(identity->ticket_key.data, 0, identity->ticket_key.size);
    gnutls_free(identity->ticket_key.data);
    free(identity);
}

bool tls_identity_use(const struct tls_identity *identity, gnutls_session_t session)
{
    return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                                  identity->credentials) >= 0 &&
           gnutls_session_ticket_enable_server(session, &identity->ticket_key) >= 0;
}

time_t tls_identity_not_after(const struct tls_identity *identity)
{
    return identity->not_after;
}
