/* json_members.h - the names of an object's members so far, to refuse duplicates. */
#ifndef CODEC_JSON_MEMBERS_H
#define CODEC_JSON_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/json_string.h"

enum { JSON_MAX_MEMBERS = 128 };

struct json_members {
    size_t count;
    uint32_t hash[JSON_MAX_MEMBERS]; /* of the names: most comparisons end here */
    struct json_text name[JSON_MAX_MEMBERS]; /* borrowed */
};

enum json_members_status { JSON_MEMBERS_OK, JSON_MEMBERS_TWICE, JSON_MEMBERS_TOO_MANY };

enum json_members_status json_members_add(struct json_members *m,
                                          struct json_text name);

bool json_members_have(const struct json_members *m, const char *name);

#endif
