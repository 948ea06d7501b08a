#include "http/tls_identity.h"

#include <dlfcn.h>

#include "http/tls_fixture.h"

/* The library, which may have no memory left: what it then leaves is a size. */
static bool key_fails;

int gnutls_session_ticket_key_generate(gnutls_datum_t *key)
{
    int (*real)(gnutls_datum_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "gnutls_session_ticket_key_generate");
    if (!key_fails)
        return real(key);
    *key = (gnutls_datum_t){.data = NULL, .size = 64};
    return GNUTLS_E_MEMORY_ERROR;
}

static struct tls_identity *load(const char *certificate, const char *key, time_t now,
                                 struct error *e)
{
    *e = (struct error){0};
    return tls_identity_load(tls_path(certificate), tls_path(key), now, e);
}

START_TEST(a_pair_is_held_until_the_last_lets_go)
{
    struct error e;
    gnutls_session_t session;
    tls_make("one", 3600);
    time_t now = time(NULL);
    struct tls_identity *identity = load("one.pem", "one.key", now, &e);
    ck_assert_msg(identity != NULL, "%s", e.message);
    time_t left = tls_identity_not_after(identity) - now;
    ck_assert(left > 3500 && left < 3700);
    tls_identity_hold(identity);
    tls_identity_release(identity);
    gnutls_init(&session, GNUTLS_SERVER);
    ck_assert(tls_identity_use(identity, session));
    gnutls_deinit(session);
    tls_identity_release(identity);
    tls_forget();
}
END_TEST

/* Of what a file holds nothing is said: it may be a key. */
START_TEST(what_cannot_be_used_is_refused_with_its_setting_and_file)
{
    static const struct {
        const char *certificate, *key;
        const char *setting, *file, *why;
        time_t later_s;
    } cases[] = {
        {"none", "one.key", "tls_certificate", "none", "No such file or directory", 0},
        {"one.pem", "none", "tls_key", "none", "No such file or directory", 0},
        {"", "one.key", "tls_certificate", "", "is not a regular file", 0},
        {"one.pem", "", "tls_key", "", "is not a regular file", 0},
        {"one.key", "one.key", "tls_certificate", "one.key",
         "is not a certificate in PEM", 0},
        {"one.pem", "one.pem", "tls_key", "one.pem",
         "is not a private key in PEM without a password", 0},
        {"one.pem", "two.key", "tls_key", "two.key",
         "is not the key of the first certificate in ", 0},
        {"one.pem", "one.key", "tls_certificate", "one.pem", "has expired on ", 7200},
        {"one.pem", "one.key", "tls_certificate", "one.pem", "is not valid before ",
         -7200},
    };
    tls_make("one", 3600);
    tls_make("two", 3600);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e;
        char start[256];
        struct tls_identity *identity =
            load(cases[i].certificate, cases[i].key, time(NULL) + cases[i].later_s, &e);
        ck_assert_ptr_null(identity);
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(e.path, cases[i].setting);
        snprintf(start, sizeof start, "%s: %s: %s", cases[i].setting,
                 tls_path(cases[i].file), cases[i].why);
        ck_assert_msg(strncmp(e.message, start, strlen(start)) == 0, "%s\nis not %s",
                      e.message, start);
    }
    tls_forget();
}
END_TEST

START_TEST(the_last_second_counts)
{
    struct error e;
    tls_make("one", 3600);
    struct tls_identity *identity = load("one.pem", "one.key", time(NULL), &e);
    ck_assert_ptr_nonnull(identity);
    time_t last = tls_identity_not_after(identity);
    tls_identity_release(identity);
    identity = load("one.pem", "one.key", last, &e);
    ck_assert_ptr_nonnull(identity);
    tls_identity_release(identity);
    ck_assert_ptr_null(load("one.pem", "one.key", last + 1, &e));
    tls_forget();
}
END_TEST

START_TEST(without_a_key_for_tickets_there_is_none)
{
    struct error e;
    tls_make("one", 3600);
    key_fails = true;
    struct tls_identity *identity = load("one.pem", "one.key", time(NULL), &e);
    key_fails = false;
    ck_assert_ptr_null(identity);
    ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
    ck_assert_ptr_nonnull(strstr(e.message, "memory"));
    tls_forget();
}
END_TEST

TEST_PROGRAM("tls_identity", a_pair_is_held_until_the_last_lets_go,
             without_a_key_for_tickets_there_is_none,
             what_cannot_be_used_is_refused_with_its_setting_and_file,
             the_last_second_counts)
