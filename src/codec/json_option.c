#include "codec/json_option.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/spelling.h"

enum { FIRST_ITEMS = 16, WORDS_BYTES = 256 };

bool json_option_whole(struct json_reader *r, const struct field *at, size_t least,
                       size_t most, size_t *out, struct error *e)
{
    size_t size = 0;
    if (!json_reader_size(r, at, &size, e))
        return false;
    if (size >= least && size <= most && size <= JSON_SIZE_MOST) {
        *out = size;
        return true;
    }
    if (most != SIZE_MAX)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "must be a whole number from %zu to %zu", least, most);
    if (size == JSON_SIZE_BEYOND)
        return field_error(at, e, ERROR_INVALID_INPUT, "must be at most %zu",
                           JSON_SIZE_MOST);
    return field_error(at, e, ERROR_INVALID_INPUT,
                       "must be a whole number, %zu or more", least);
}

/* must be "a", "b" or "c" */
static bool wrong_word(const struct field *at, const char *const *words, size_t count,
                       struct error *e)
{
    char list[WORDS_BYTES];
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        const char *before = i == 0 ? "" : i + 1 < count ? ", " : " or ";
        length += (size_t)snprintf(list + length, sizeof list - length, "%s\"%s\"",
                                   before, words[i]);
        assert(length < sizeof list);
    }
    return field_error(at, e, ERROR_INVALID_INPUT, "must be %s", list);
}

bool json_option_choice(struct json_reader *r, const struct field *at,
                        const char *const *words, size_t count, size_t *out,
                        struct error *e)
{
    struct json_text text;
    if (!json_reader_string(r, at, &text, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (json_text_is(text, words[i])) {
            *out = i;
            return true;
        }
    }
    return wrong_word(at, words, count, e);
}

void json_option_shown(struct json_text name, char word[JSON_SHOWN_BYTES + 1])
{
    size_t shown = name.length < JSON_SHOWN_BYTES ? name.length : JSON_SHOWN_BYTES;
    memcpy(word, name.bytes, shown);
    for (char *zero; (zero = memchr(word, '\0', shown));)
        *zero = '?';
    word[shown] = '\0';
}

bool json_option_unknown(const struct field *at, struct json_text name,
                         const char *const *names, size_t count, struct error *e)
{
    char word[JSON_SHOWN_BYTES + 1];
    json_option_shown(name, word);

    const struct field *here = FIELD_NAME(at, word);
    const char *nearest = spelling_nearest(word, names, count);
    if (!nearest)
        return field_error(here, e, ERROR_INVALID_INPUT, "unknown member");
    return field_error(here, e, ERROR_INVALID_INPUT,
                       "unknown member; did you mean \"%s\"?", nearest);
}

void *json_list_add(struct json_list *list, size_t size, struct arena *arena,
                    struct error *e)
{
    if (list->count == list->capacity) {
        size_t larger = list->capacity ? 2 * list->capacity : FIRST_ITEMS;
        void *room = arena_alloc(arena, larger, size, e);
        if (!room)
            return NULL;
        if (list->count > 0)
            memcpy(room, list->items, list->count * size);
        list->items = room;
        list->capacity = larger;
    }
    return (char *)list->items + size * list->count++;
}
