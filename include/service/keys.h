/* keys.h - the keys in use: found by their digest, counted while they are used, and
 * replaced as a whole while requests go on.
 *
 * keys_take() and keys_give_back() take no lock and may be called by any thread; the
 * others belong to one thread, the main one. Requests of a key whose line survives a
 * reload stay counted; a key is known by its name, so that a new digest for a name
 * replaces the old one at once. */
#ifndef SERVICE_KEYS_H
#define SERVICE_KEYS_H

#include "codec/key_list.h"

struct keys;     /* opaque: the table, and what is counted */
struct key_slot; /* what is counted of one name */

/* 0 when two digests are the same, in a time that depends on `size` alone. */
typedef int key_compare(const void *one, const void *other, size_t size);

/* Reads the file `path`, which is borrowed, as is `compare`. `limit` is for keys whose
 * line has none; 0: any number. NULL with `e` set: ERROR_INVALID_INPUT and one line
 * that names the file and, where one is to blame, its line, but nothing of what it
 * holds. A file that everybody may write to is refused, for it would let everybody in.
 */
MUST_USE struct keys *keys_new(const char *path, size_t limit, key_compare *compare,
                               struct error *e);

/* Reads the file again. False with `e` set: all stays as it was. Returns when no thread
 * looks at the old table any more, which is microseconds. */
MUST_USE bool keys_reload(struct keys *k, struct error *e);

/* Nobody may hold a key. NULL is fine. */
void keys_delete(struct keys *k);

/* Whether everybody may read the file, which is worth a warning: it holds digests only,
 * but says who has a key. */
bool keys_exposed(const struct keys *k);

size_t keys_count(const struct keys *k); /* keys in the table */

enum key_verdict {
    KEY_TAKEN,     /* counted until it is given back */
    KEY_UNKNOWN,   /* no line has this digest */
    KEY_FORBIDDEN, /* it has none of the roles */
    KEY_BUSY,      /* as many of its requests are in progress as it may have */
};

/* What was found; zero-initialise. */
struct key_use {
    char name[KEY_NAME_BYTES]; /* "" for KEY_UNKNOWN */
    size_t limit;              /* of this key; 0: any number */
    struct key_slot *slot;     /* NULL: nothing is counted */
};

/* The key whose token has this digest, for one of `roles`. All digests are compared,
 * whether one matches or not. */
MUST_USE enum key_verdict keys_take(struct keys *k,
                                    const uint8_t digest[KEY_DIGEST_BYTES],
                                    unsigned roles, struct key_use *use);

/* Takes one request off the count, if keys_take() has put it there. */
void keys_give_back(struct key_use *use);

#endif
