/* Any bytes as a file of keys: what is read is written again in the plainest form and
 * must then read the same; what is refused is refused without a word of it. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/key_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE = 256 };

static char *write_line(const struct key_line *line, char *at)
{
    at += sprintf(at, "%s ", line->name);
    const char *comma = "";
    for (unsigned role = ROLE_INFER; role <= ROLE_METRICS; role *= 2)
        if (line->roles & role) {
            at += sprintf(at, "%s%s", comma, key_role_name((enum key_role)role));
            comma = ",";
        }
    *at++ = ' ';
    for (size_t i = 0; i < KEY_DIGEST_BYTES; i++)
        at += sprintf(at, "%02x", line->digest[i]);
    if (line->has_limit)
        at += sprintf(at, " %u", line->limit);
    return at + sprintf(at, "\n");
}

static void check_again(const struct key_list *list)
{
    char *text = malloc(list->count * LINE + 1), *at = text;
    assert(text);
    for (size_t i = 0; i < list->count; i++)
        at = write_line(&list->lines[i], at);

    struct arena arena;
    struct key_list again;
    struct error e = {0};
    arena_init(&arena, KEYS_MOST * sizeof(struct key_line), NULL);
    assert(key_list_read(text, &arena, &again, &e));
    assert(again.count == list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct key_line *a = &list->lines[i], *b = &again.lines[i];
        assert(strcmp(a->name, b->name) == 0 && a->roles == b->roles);
        assert(memcmp(a->digest, b->digest, KEY_DIGEST_BYTES) == 0);
        assert(a->has_limit == b->has_limit && a->limit == b->limit);
    }
    arena_free(&arena);
    free(text);
}

/* Names and digests once, roles and limits within their bounds. */
static void check_list(const struct key_list *list)
{
    assert(list->count >= 1 && list->count <= KEYS_MOST);
    for (size_t i = 0; i < list->count; i++) {
        const struct key_line *a = &list->lines[i];
        assert(a->name[0] && strnlen(a->name, KEY_NAME_BYTES) < KEY_NAME_BYTES);
        assert(a->roles && !(a->roles & ~7u));
        assert(a->limit <= KEY_LIMIT_MOST && (a->has_limit || a->limit == 0));
        for (size_t k = 0; k < i; k++) {
            assert(strcmp(a->name, list->lines[k].name) != 0);
            assert(memcmp(a->digest, list->lines[k].digest, KEY_DIGEST_BYTES) != 0);
        }
    }
}

/* The messages are ours, but for a number: so they are printable, and no text of the
 * file is in them that could be a key. */
static void check_message(const struct error *e, const char *text)
{
    assert(e->code == ERROR_INVALID_INPUT && e->message[0]);
    for (const char *c = e->message; *c; c++)
        assert(*c >= ' ' && *c <= '~');
    char word[33] = "";
    for (; *text && strlen(text) >= 32; text++) {
        memcpy(word, text, 32);
        if (!strpbrk(word, " \t\r\n")) /* ours have shorter words */
            assert(!strstr(e->message, word));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* exactly as large: overreads are seen */
    assert(text);
    memcpy(text, data, size);
    text[size] = '\0';

    struct arena arena;
    struct key_list list;
    struct error e = {0};
    arena_init(&arena, KEYS_MOST * sizeof(struct key_line), NULL);
    if (key_list_read(text, &arena, &list, &e)) {
        check_list(&list);
        check_again(&list);
    } else {
        check_message(&e, text);
    }
    arena_free(&arena);
    free(text);
    return 0;
}
