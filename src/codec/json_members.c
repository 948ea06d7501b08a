#include "codec/json_members.h"

#include <string.h>

/* FNV-1a (Fowler, Noll and Vo). Names that collide only cost a comparison each. */
static uint32_t hash_of(struct json_text name)
{
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < name.length; i++)
        hash = (hash ^ (unsigned char)name.bytes[i]) * 16777619;
    return hash;
}

static bool is_same(struct json_text a, struct json_text b)
{
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

enum json_members_status json_members_add(struct json_members *m, struct json_text name)
{
    const uint32_t hash = hash_of(name);
    for (size_t i = 0; i < m->count; i++)
        if (m->hash[i] == hash && is_same(m->name[i], name))
            return JSON_MEMBERS_TWICE;

    if (m->count == JSON_MAX_MEMBERS)
        return JSON_MEMBERS_TOO_MANY;
    m->hash[m->count] = hash;
    m->name[m->count++] = name;
    return JSON_MEMBERS_OK;
}

bool json_members_have(const struct json_members *m, const char *name)
{
    const struct json_text text = {name, strlen(name)};
    for (size_t i = 0; i < m->count; i++)
        if (is_same(m->name[i], text))
            return true;
    return false;
}
