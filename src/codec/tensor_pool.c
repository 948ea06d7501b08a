#include <string.h>

#include "codec/tensor_parts.h"

enum { FIRST_BYTES = 1024 };

void tensor_pool_init(struct tensor_pool *p, struct json_reader *r,
                      enum tensor_leaf leaf)
{
    *p = (struct tensor_pool){.reader = r, .begin = r->at, .leaf = leaf};
}

static size_t leaf_size(enum tensor_leaf leaf)
{
    switch (leaf) {
    case LEAF_BOOLEAN: return sizeof(uint8_t);
    case LEAF_WHOLE: return sizeof(size_t);
    case LEAF_FLOAT:
    case LEAF_BIAS:
    case LEAF_ANY_MASK: break;
    }
    return sizeof(float);
}

/* The text that is left is expected to be as dense as the text so far was, and an
 * eighth denser; a value and its comma take two characters at least. */
static size_t guess(const struct tensor_pool *p)
{
    const size_t size = leaf_size(p->leaf);
    const size_t read = (size_t)(p->reader->at - p->begin) + 1;
    const size_t left = (size_t)(p->reader->end - p->reader->at);
    const size_t most = (left / 2 + 1) * size;
    const double expected = (double)p->used / (double)read * (double)left * 1.125;
    const size_t likely = (size_t)expected + FIRST_BYTES;
    const size_t wanted = likely > p->used ? likely : p->used; /* at least doubled */
    return wanted < most ? wanted : most;
}

bool tensor_pool_reserve(struct tensor_pool *p, size_t bytes, bool more,
                         struct error *e)
{
    if (bytes <= p->capacity - p->used)
        return true;

    const size_t guessed = more ? guess(p) : 0;
    const size_t capacity = p->used + (guessed > bytes ? guessed : bytes);
    /* Given back first: the bytes stay, and the new room may begin where it was. */
    if (p->data)
        arena_shrink(p->reader->arena, p->data, p->capacity, 0);
    unsigned char *data = arena_alloc(p->reader->arena, capacity, 1, e);
    if (!data)
        return false;
    if (p->data && data != p->data)
        memmove(data, p->data, p->used);
    p->data = data;
    p->capacity = capacity;
    return true;
}

void tensor_pool_trim(struct tensor_pool *p)
{
    arena_shrink(p->reader->arena, p->data, p->capacity, p->used);
    p->capacity = p->used;
}

const struct tensor_limit *tensor_layout_limit(const struct tensor_layout *l,
                                               size_t axis)
{
    return &l->limit[TENSOR_MAX_RANK - l->rank + axis];
}

bool tensor_layout_rank_error(const struct tensor_layout *l, size_t rank,
                              const struct field *at, struct error *e)
{
    const char *plural = rank == 1 ? "" : "s";
    if (l->min_rank == l->max_rank)
        return field_error(at, e, ERROR_INVALID_INPUT,
                           "has %zu dimension%s, expected %zu", rank, plural,
                           l->min_rank);
    return field_error(at, e, ERROR_INVALID_INPUT,
                       "has %zu dimension%s, expected %zu to %zu", rank, plural,
                       l->min_rank, l->max_rank);
}
