/* tensor_parts.h - what reading a tensor is made of: its extents as they are
 * found, the numbers as they arrive, and the two forms they come in. Used by
 * tensor_json alone. */
#ifndef CODEC_TENSOR_PARTS_H
#define CODEC_TENSOR_PARTS_H

#include <stdint.h>

#include "codec/tensor_json.h"

/* The shape that is allowed, and the shape that was found. */
struct tensor_layout {
    size_t min_rank, max_rank;
    struct tensor_limit
        limit[TENSOR_MAX_RANK];     /* from the right: [3] is the last axis */
    size_t rank;                    /* 0: not known yet */
    size_t extent[TENSOR_MAX_RANK]; /* 0: not known yet; others must be met */
};

enum tensor_leaf {
    LEAF_FLOAT,    /* finite numbers */
    LEAF_ANY_MASK, /* booleans or biases, as the first one decides */
    LEAF_BIAS,     /* numbers, "-Infinity" and null */
    LEAF_BOOLEAN,
    LEAF_WHOLE /* whole numbers, exactly */
};

/* The numbers so far: float32, uint8_t for LEAF_BOOLEAN, size_t for LEAF_WHOLE. Lives
 * in the arena of the reader and grows with the text that is left, so that memory stays
 * in proportion to the text. */
struct tensor_pool {
    struct json_reader *reader;
    const char *begin; /* of the text that the numbers come from */
    enum tensor_leaf leaf;
    unsigned char *data;
    size_t used, capacity; /* bytes */
};

void tensor_pool_init(struct tensor_pool *p, struct json_reader *r,
                      enum tensor_leaf leaf);

/* Makes room for at least `bytes` more; `data` may move. With `more` the room
 * is guessed so that it will do for the text that is left. */
MUST_USE bool tensor_pool_reserve(struct tensor_pool *p, size_t bytes, bool more,
                                  struct error *e);

/* Gives back what was not needed. */
void tensor_pool_trim(struct tensor_pool *p);

const struct tensor_limit *tensor_layout_limit(const struct tensor_layout *l,
                                               size_t axis);

/* ERROR_INVALID_INPUT at `at`: that many dimensions are not allowed here. */
bool tensor_layout_rank_error(const struct tensor_layout *l, size_t rank,
                              const struct field *at, struct error *e);

/* The nested arrays, or the base64 object, that begin here: appends the numbers to
 * `pool` and completes `layout`. */
MUST_USE bool tensor_nested_read(struct json_reader *r, const struct field *at,
                                 struct tensor_layout *layout, struct tensor_pool *pool,
                                 struct error *e);
MUST_USE bool tensor_packed_read(struct json_reader *r, const struct field *at,
                                 struct tensor_layout *layout, struct tensor_pool *pool,
                                 struct error *e);

#endif
