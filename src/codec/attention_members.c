#include "codec/attention_members.h"

#include <assert.h>

#include "codec/json_option.h"

enum { MOST_MEMBERS = 64 }; /* in all tables of one object */

void *request_filled_by(const struct request_decoder *d, const struct request_member *m)
{
    return (char *)d->out + m->offset;
}

static bool unknown_member(const struct field *at, struct json_text name,
                           const struct request_members *tables, size_t count,
                           struct error *e)
{
    const char *names[MOST_MEMBERS];
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        assert(tables[i].count <= MOST_MEMBERS - known);
        for (size_t j = 0; j < tables[i].count; j++)
            names[known++] = tables[i].member[j].name;
    }
    return json_option_unknown(at, name, names, known, e);
}

static const struct request_member *find(struct json_text name,
                                         const struct request_members *tables,
                                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < tables[i].count; j++)
            if (json_text_is(name, tables[i].member[j].name))
                return &tables[i].member[j];
    return NULL;
}

bool request_object(struct request_decoder *d, const struct request_members *tables,
                    size_t count, const struct field *at, struct json_members *seen,
                    struct error *e)
{
    struct json_text name;
    bool found;
    if (!json_reader_object(&d->reader, at, seen, e))
        return false;
    for (;;) {
        if (!json_reader_member(&d->reader, seen, &name, &found, e))
            return false;
        if (!found)
            return true;
        const struct request_member *m = find(name, tables, count);
        if (!m)
            return unknown_member(at, name, tables, count, e);
        if (!m->read(d, m, FIELD_NAME(at, m->name), e))
            return false;
    }
}

bool request_needs(const struct json_members *seen, const char *name,
                   const struct field *at, struct error *e)
{
    return json_members_have(seen, name) ||
           field_error(at, e, ERROR_INVALID_INPUT, "has no \"%s\"", name);
}

bool request_read_count(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, struct error *e)
{
    return json_option_whole(&d->reader, at, 1, SIZE_MAX, request_filled_by(d, m), e);
}

bool request_read_whole(struct request_decoder *d, const struct request_member *m,
                        const struct field *at, struct error *e)
{
    return json_option_whole(&d->reader, at, 0, SIZE_MAX, request_filled_by(d, m), e);
}

bool request_read_seed(struct request_decoder *d, const struct request_member *m,
                       const struct field *at, struct error *e)
{
    uint64_t *seed = request_filled_by(d, m);
    size_t whole = 0;
    if (!json_option_whole(&d->reader, at, 0, JSON_SIZE_MOST, &whole, e))
        return false;
    *seed = whole;
    return true;
}

bool request_read_boolean(struct request_decoder *d, const struct request_member *m,
                          const struct field *at, struct error *e)
{
    return json_reader_boolean(&d->reader, at, request_filled_by(d, m), e);
}
