/* attention_members.h - the members of a request: tables of names and of what reads
 * each. Used by attention_request and the files that read its parts. */
#ifndef CODEC_ATTENTION_MEMBERS_H
#define CODEC_ATTENTION_MEMBERS_H

#include "codec/attention_request.h"
#include "codec/tensor_json.h"

struct request_decoder {
    struct json_reader reader;
    const struct attention_limits *limits;
    struct arena *arena;
    struct attention_request *out;
};

/* A member the caller may send, and what reads it. */
struct request_member {
    const char *name;
    bool (*read)(struct request_decoder *d, const struct request_member *m,
                 const struct field *at, struct error *e);
    size_t offset; /* of what it fills in the request, where the reader needs it */
};

struct request_members {
    const struct request_member *member;
    size_t count;
};

#define REQUEST_FILLS(what) offsetof(struct attention_request, what)
#define REQUEST_MEMBERS(table)                                       \
    {                                                                \
        .member = (table), .count = sizeof(table) / sizeof(table)[0] \
    }

/* Of the request itself: what is computed with, how, and what is answered. */
extern const struct request_members request_inputs, request_options, request_answers;

void *request_filled_by(const struct request_decoder *d,
                        const struct request_member *m);

/* Readers that several tables use; each fills what its member's offset says. */

typedef bool request_read(struct request_decoder *d, const struct request_member *m,
                          const struct field *at, struct error *e);
request_read request_read_count;   /* size_t, 1 or more */
request_read request_read_whole;   /* size_t, 0 or more */
request_read request_read_seed;    /* uint64_t, up to 2^53 */
request_read request_read_boolean; /* bool */

/* Members that have a file of their own. */
request_read request_read_rope, request_read_method;

/* Walks over an object and hands each member, looked for in `tables`, to its reader;
 * unknown ones are refused. `seen` then holds the names that were there. */
MUST_USE bool request_object(struct request_decoder *d,
                             const struct request_members *tables, size_t count,
                             const struct field *at, struct json_members *seen,
                             struct error *e);

/* True when `name` was there, else refuses the object at `at`. */
MUST_USE bool request_needs(const struct json_members *seen, const char *name,
                            const struct field *at, struct error *e);

#endif
