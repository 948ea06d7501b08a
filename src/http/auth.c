#include "http/auth.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <strings.h>

const char *auth_token(const char *value, size_t *length)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    static const char scheme[] = "Bearer ";
    if (!value || strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return NULL;
    const char *token = value + sizeof scheme - 1;
    token += strspn(token, " ");
    size_t letters = strspn(token, alphabet);
    *length = letters + strspn(token + letters, "=");
    bool whole = token[*length + strspn(token + *length, " \t")] == '\0' && letters > 0;
    return whole && *length >= KEY_LEAST_BYTES && *length <= KEY_MOST_BYTES ? token
                                                                            : NULL;
}

static enum key_verdict verdict_of(struct keys *keys, struct request *r)
{
    uint8_t digest[KEY_DIGEST_BYTES];
    size_t length;
    const char *token =
        r->head.authorizations == 1 ? auth_token(r->head.authorization, &length) : NULL;
    if (!token || gnutls_hash_fast(GNUTLS_DIG_SHA256, token, length, digest) != 0)
        return KEY_UNKNOWN;
    return keys_take(keys, digest, r->route->roles, &r->key);
}

/* "metrics or admin" */
static void name_roles(unsigned roles, char *text)
{
    const char *between = "";
    for (unsigned role = 1; role <= roles; role *= 2)
        if (roles & role) {
            text = stpcpy(stpcpy(text, between), key_role_name((enum key_role)role));
            between = " or ";
        }
}

bool auth_check(struct exchange *x)
{
    struct request *r = &x->request;
    struct error *e = &r->refusal;
    struct keys *keys = exchange_site(x)->keys;
    if (!keys || !r->route || !r->route->roles)
        return true;

    char roles[64];
    switch (verdict_of(keys, r)) {
    case KEY_TAKEN: return true;
    case KEY_UNKNOWN:
        return error_set(e, ERROR_UNAUTHORIZED, "",
                         "send `Authorization: Bearer KEY` with a key of this service");
    case KEY_FORBIDDEN:
        name_roles(r->route->roles, roles);
        return error_set(e, ERROR_FORBIDDEN, "",
                         "the key is not for this path, which needs the role %s",
                         roles);
    case KEY_BUSY: break;
    }
    return error_set(e, ERROR_RATE_LIMITED, "",
                     "%zu requests of this key are in progress, and no more are "
                     "allowed (per_key_limit, or the key's own limit)",
                     r->key.limit);
}
