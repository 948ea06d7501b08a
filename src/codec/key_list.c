#include "codec/key_list.h"

#include <string.h>

#define BLANKS " \t\r"

enum { WORDS = 4, LEAST_WORDS = 3 };

/* Of one line; borrowed from the text. */
struct word {
    const char *text;
    size_t length;
};

static const struct {
    const char *name;
    enum key_role role;
} roles[] = {{"infer", ROLE_INFER}, {"admin", ROLE_ADMIN}, {"metrics", ROLE_METRICS}};
enum { ROLES = sizeof roles / sizeof *roles };

const char *key_role_name(enum key_role role)
{
    size_t i = 0;
    while (i < ROLES - 1 && roles[i].role != role)
        i++;
    return roles[i].name;
}

static bool refuse(size_t line, const char *why, struct error *e)
{
    return error_set(e, ERROR_INVALID_INPUT, "keys_file", "line %zu: %s", line, why);
}

/* Cuts the line at `*text` into words and moves on behind it. Returns how many there
 * are, of which the first WORDS are kept. */
static size_t cut_line(const char **text, struct word words[WORDS])
{
    size_t count = 0;
    const char *at = *text + strspn(*text, BLANKS);
    while (*at && *at != '\n' && *at != '#') {
        size_t length = strcspn(at, BLANKS "\n");
        if (count < WORDS)
            words[count] = (struct word){at, length};
        count++;
        at += length;
        at += strspn(at, BLANKS);
    }
    at += strcspn(at, "\n"); /* a comment */
    *text = *at ? at + 1 : at;
    return count;
}

static bool read_name(struct word word, char name[KEY_NAME_BYTES])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (word.length >= KEY_NAME_BYTES || strspn(word.text, alphabet) < word.length)
        return false;
    memcpy(name, word.text, word.length);
    name[word.length] = '\0';
    return true;
}

static unsigned role_of(const char *text, size_t length)
{
    for (size_t i = 0; i < ROLES; i++)
        if (strlen(roles[i].name) == length && memcmp(roles[i].name, text, length) == 0)
            return roles[i].role;
    return 0;
}

/* A list with commas, each role once. */
static bool read_roles(struct word word, unsigned *set)
{
    const char *at = word.text, *end = at + word.length;
    for (*set = 0;; at++) {
        size_t length = strcspn(at, ", \t\r\n");
        unsigned role = role_of(at, length);
        if (!role || (*set & role))
            return false;
        *set |= role;
        at += length;
        if (at == end)
            return true;
    }
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool read_digest(struct word word, uint8_t digest[KEY_DIGEST_BYTES])
{
    if (word.length != (size_t)2 * KEY_DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < KEY_DIGEST_BYTES; i++) {
        int high = digit_of(word.text[2 * i]), low = digit_of(word.text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static bool read_limit(struct word word, uint32_t *limit)
{
    *limit = 0;
    for (size_t i = 0; i < word.length; i++) {
        if (word.text[i] < '0' || word.text[i] > '9')
            return false;
        *limit = *limit * 10 + (uint32_t)(word.text[i] - '0');
        if (*limit > KEY_LIMIT_MOST)
            return false;
    }
    return true;
}

static bool read_line(const struct word words[WORDS], size_t count, size_t line,
                      struct key_line *out, struct error *e)
{
    *out = (struct key_line){.has_limit = count == WORDS};
    if (count < LEAST_WORDS || count > WORDS)
        return refuse(line, "is not `name roles sha256 [limit]`", e);
    if (!read_name(words[0], out->name))
        return refuse(line, "the name is not 1 to 32 of A-Z a-z 0-9 . _ -", e);
    if (!read_roles(words[1], &out->roles))
        return refuse(line, "the roles are not some of infer,admin,metrics, each once",
                      e);
    if (!read_digest(words[2], out->digest))
        return refuse(
            line, "the digest is not 64 hexadecimal digits, the SHA-256 of a key", e);
    if (out->has_limit && !read_limit(words[3], &out->limit))
        return refuse(line, "the limit is not a whole number from 0 to 1000000", e);
    return true;
}

static bool is_new(const struct key_list *list, const struct key_line *one, size_t line,
                   struct error *e)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->lines[i].name, one->name) == 0)
            return refuse(line, "the name stands in an earlier line, too", e);
        if (memcmp(list->lines[i].digest, one->digest, KEY_DIGEST_BYTES) == 0)
            return refuse(line, "the digest stands in an earlier line, too", e);
    }
    return true;
}

/* Lines that hold words. */
static size_t count_lines(const char *text)
{
    struct word words[WORDS];
    size_t count = 0;
    while (*text)
        count += cut_line(&text, words) > 0;
    return count;
}

bool key_list_read(const char *text, struct arena *arena, struct key_list *out,
                   struct error *e)
{
    *out = (struct key_list){0};
    size_t count = count_lines(text);
    if (count > KEYS_MOST)
        return error_set(e, ERROR_INVALID_INPUT, "keys_file",
                         "there are %zu keys, at most %d are allowed", count,
                         KEYS_MOST);
    if (count == 0) /* which a file that is just being written is, too */
        return error_set(e, ERROR_INVALID_INPUT, "keys_file", "there is no key");
    out->lines = arena_alloc(arena, count, sizeof *out->lines, e);
    if (!out->lines)
        return false;

    for (size_t line = 1; *text; line++) {
        struct word words[WORDS];
        struct key_line *one = &out->lines[out->count];
        size_t found = cut_line(&text, words);
        if (found == 0)
            continue;
        if (!read_line(words, found, line, one, e) || !is_new(out, one, line, e))
            return false;
        out->count++;
    }
    return true;
}
