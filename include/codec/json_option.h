/* json_option.h - the common kinds of members a request has, with their refusals. */
#ifndef CODEC_JSON_OPTION_H
#define CODEC_JSON_OPTION_H

#include "codec/json_reader.h"

/* A whole number from `least` to `most`; most SIZE_MAX: to JSON_SIZE_MOST. */
MUST_USE bool json_option_whole(struct json_reader *r, const struct field *at,
                                size_t least, size_t most, size_t *out,
                                struct error *e);

/* One of a few words; `*out` becomes its index. */
MUST_USE bool json_option_choice(struct json_reader *r, const struct field *at,
                                 const char *const *words, size_t count, size_t *out,
                                 struct error *e);

enum { JSON_SHOWN_BYTES = 60 };

/* As much of a name as may be shown, for a pointer; "?" for zero bytes, which would end
 * it. */
void json_option_shown(struct json_text name, char word[JSON_SHOWN_BYTES + 1]);

/* Refuses a member that is none of `names`, by its name (or as much of it as may be
 * shown) and with the nearest known one. Returns false. */
bool json_option_unknown(const struct field *at, struct json_text name,
                         const char *const *names, size_t count, struct error *e);

/* An array of the arena whose length is not known before its end. Zero-initialise;
 * what it grew out of stays in the arena. */
struct json_list {
    void *items;
    size_t count, capacity;
};

/* A place for one more item of `size` bytes, which `count` then includes; NULL with
 * `e` set when the arena is spent. */
MUST_USE void *json_list_add(struct json_list *list, size_t size, struct arena *arena,
                             struct error *e);

#endif
