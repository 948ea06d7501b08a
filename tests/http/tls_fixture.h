/* tls_fixture.h - certificates made here and now, and clients that speak TLS. */
#ifndef TESTS_HTTP_TLS_FIXTURE_H
#define TESTS_HTTP_TLS_FIXTURE_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/stat.h>

#include "http/site_fixture.h"

/* A folder of this process, with two files a certificate: NAME.pem and NAME.key. */
static char tls_folder[64];

static inline const char *tls_path(const char *name)
{
    static char paths[8][128];
    static size_t turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", tls_folder, name);
    return path;
}

static inline void tls_write(const char *name, const void *bytes, size_t length)
{
    FILE *file = fopen(tls_path(name), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

/* Self-signed, for the common name `name`, valid from an hour ago on for `seconds`. */
static inline void tls_make(const char *name, time_t seconds)
{
    if (!tls_folder[0]) {
        snprintf(tls_folder, sizeof tls_folder, "/tmp/attentiond-tls-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(tls_folder));
    }
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    gnutls_datum_t pem;
    time_t now = time(NULL);
    gnutls_x509_privkey_init(&key);
    gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    gnutls_x509_crt_init(&certificate);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, "\1", 1);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                  (unsigned)strlen(name));
    gnutls_x509_crt_set_activation_time(certificate, now - 3600);
    gnutls_x509_crt_set_expiration_time(certificate, now + seconds);
    gnutls_x509_crt_set_key(certificate, key);
    ck_assert_int_eq(
        gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);

    char file[64];
    gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem);
    snprintf(file, sizeof file, "%s.pem", name);
    tls_write(file, pem.data, pem.size);
    gnutls_free(pem.data);
    gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
    snprintf(file, sizeof file, "%s.key", name);
    tls_write(file, pem.data, pem.size);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

/* `from` in the place of `to`, as one who renews a certificate does it. */
static inline void tls_replace(const char *from, const char *to)
{
    ck_assert_int_eq(rename(tls_path(from), tls_path(to)), 0);
}

/* The flags of a site that shows the certificate `one`, and further ones. */
static inline void tls_start(struct fixture *f, const char *const *more)
{
    tls_make("one", 3600);
    const char *flags[24] = {"--tls-certificate", tls_path("one.pem"), "--tls-key",
                             tls_path("one.key")};
    for (size_t i = 4; *more; i++)
        flags[i] = *more++;
    fixture_start(f, flags);
}

static inline void tls_forget(void)
{
    static const char *const names[] = {"one.pem", "one.key", "two.pem", "two.key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(tls_path(names[i]));
    ck_assert_int_eq(rmdir(tls_folder), 0);
    tls_folder[0] = '\0';
}

static inline void tls_end(struct fixture *f)
{
    fixture_end(f, false);
    tls_forget();
}

struct secure_client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t trust;
};

/* Shakes hands by these priorities (NULL: GnuTLS' own); the result of that. */
static inline int secure_connect(struct secure_client *c, int fd,
                                 const char *priorities)
{
    static unsigned char h2[] = "h2", http_1_1[] = "http/1.1";
    static const gnutls_datum_t protocols[] = {{h2, 2}, {http_1_1, 8}};
    *c = (struct secure_client){.fd = fd};
    gnutls_certificate_allocate_credentials(&c->trust);
    gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
    ck_assert_int_eq(gnutls_priority_set_direct(
                         c->session, priorities ? priorities : "NORMAL", NULL),
                     0);
    gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->trust);
    gnutls_alpn_set_protocols(c->session, protocols, 2, 0);
    gnutls_transport_set_int(c->session, fd);
    int result;
    do {
        result = gnutls_handshake(c->session);
    } while (result < 0 && !gnutls_error_is_fatal(result) && result != GNUTLS_E_AGAIN);
    return result;
}

static inline void secure_open(struct secure_client *c, const struct fixture *f)
{
    int result = secure_connect(c, client_open(f), NULL);
    ck_assert_msg(result == 0, "%s", gnutls_strerror(result));
}

static inline void secure_close(struct secure_client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->trust);
    close(c->fd);
}

static inline void secure_send_bytes(struct secure_client *c, const char *bytes,
                                     size_t length)
{
    while (length > 0) {
        ssize_t n = gnutls_record_send(c->session, bytes, length);
        if (n <= 0)
            return;
        bytes += n;
        length -= (size_t)n;
    }
}

static inline void secure_send(struct secure_client *c, const char *text)
{
    secure_send_bytes(c, text, strlen(text));
}

static inline ssize_t secure_recv(struct secure_client *c, char *to, size_t most)
{
    ssize_t n;
    int tickets = 0; /* each counts as a read without a byte */
    do {
        n = gnutls_record_recv(c->session, to, most);
    } while (n == GNUTLS_E_AGAIN && ++tickets < 4);
    return n;
}

/* As client_hear(). */
static inline const char *secure_hear(struct secure_client *c)
{
    size_t length = 0, whole = sizeof heard - 1;
    while (length < whole && secure_recv(c, heard + length, 1) == 1) {
        heard[++length] = '\0';
        if (length < 4 || strcmp(heard + length - 4, "\r\n\r\n") != 0)
            continue;
        const char *field = strstr(heard, "Content-Length: ");
        whole = length + (field ? (size_t)atoi(field + 16) : 0);
        while (length < whole) {
            ssize_t n = secure_recv(c, heard + length, whole - length);
            if (n <= 0)
                break;
            length += (size_t)n;
        }
        break;
    }
    heard[length] = '\0';
    return heard;
}

/* Ended as it should be: by a close_notify. */
static inline bool secure_is_closed(struct secure_client *c)
{
    char byte;
    return secure_recv(c, &byte, 1) == 0;
}

/* The common name of the certificate that was shown. Static memory. */
static inline const char *secure_name(const struct secure_client *c)
{
    static char name[64];
    unsigned count = 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(c->session, &count);
    gnutls_x509_crt_t certificate;
    size_t size = sizeof name;
    if (!shown || count == 0)
        return "";
    gnutls_x509_crt_init(&certificate);
    gnutls_x509_crt_import(certificate, shown, GNUTLS_X509_FMT_DER);
    gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
                                  &size);
    gnutls_x509_crt_deinit(certificate);
    return name;
}

#endif
