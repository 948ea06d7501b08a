/* key_list.h - the file of keys: who may do what, a line each.
 *
 *   # name   roles            SHA-256 of the key, in hexadecimal        limit
 *   alice    infer            9f86d081884c7d659a2feaa0c55ad015...        4
 *   scraper  metrics          60303ae22b998861bce3b28f33eec1be...
 *
 * Blanks between; what follows a # at the start of a line or behind a blank is a
 * comment. The key itself is never in the file: it is hashed at rest. A plain, fast
 * hash is enough for that, since a key is not a password: the commands of the README
 * make one of 256 random bits, which nobody guesses however fast he hashes, so salt
 * and stretching (RFC 9106) would only slow the service down. For the same reason a
 * key of fewer than KEY_LEAST_BYTES is never accepted. */
#ifndef CODEC_KEY_LIST_H
#define CODEC_KEY_LIST_H

#include <stdint.h>

#include "base/arena.h"

enum key_role { ROLE_INFER = 1, ROLE_ADMIN = 2, ROLE_METRICS = 4 };

enum {
    KEY_NAME_BYTES = 33, /* 1 to 32 of A-Z a-z 0-9 . _ - and the zero byte */
    KEY_DIGEST_BYTES = 32,
    KEY_LEAST_BYTES = 32, /* of the key, in characters: 128 bits in hexadecimal */
    KEY_MOST_BYTES = 512,
    KEY_LIMIT_MOST = 1000000,
    KEYS_MOST = 1024
};

struct key_line {
    char name[KEY_NAME_BYTES];
    unsigned roles; /* set of enum key_role, never empty */
    uint8_t digest[KEY_DIGEST_BYTES];
    bool has_limit;
    uint32_t limit; /* requests at once; 0: any number */
};

struct key_list {
    struct key_line *lines; /* in the arena */
    size_t count;           /* 1 to KEYS_MOST */
};

/* Reads all of `text`, which ends with a zero byte. False with `e` set:
 * ERROR_INVALID_INPUT, for no key or too many, or "line 3: <why>" for the first line
 * that is not one, or has the name or the digest of an earlier one;
 * ERROR_OUT_OF_MEMORY. No message holds anything of the text: where a digest is missing
 * the key itself may stand there. */
MUST_USE bool key_list_read(const char *text, struct arena *arena, struct key_list *out,
                            struct error *e);

/* "infer", for one role. */
const char *key_role_name(enum key_role role);

#endif
