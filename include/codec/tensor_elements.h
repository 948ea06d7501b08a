/* tensor_elements.h - the types that elements of base64 tensors may have, and how one
 * is read. Used by tensor_packed alone. */
#ifndef CODEC_TENSOR_ELEMENTS_H
#define CODEC_TENSOR_ELEMENTS_H

#include "codec/json_reader.h"

enum dtype_id {
    DTYPE_F32,
    DTYPE_F64,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_I32,
    DTYPE_I64,
    DTYPE_BOOL
};

struct tensor_dtype {
    enum dtype_id id;
    const char *name;
    size_t size; /* bytes of an element */

    /* The element at `from`, rounded to float32; NaN for a bool that is neither 0
     * nor 1. */
    float (*read)(const unsigned char *from);

    /* The same as float64, where float32 would lose something, else NULL. */
    double (*wide)(const unsigned char *from);
    size_t most_whole; /* a larger one may have been another before it was rounded */
};

/* NULL: there is none of that name. */
const struct tensor_dtype *tensor_dtype_find(struct json_text name);

/* A whole number from 0 to dtype->most_whole, exactly; false for all others. */
MUST_USE bool tensor_element_whole(const struct tensor_dtype *dtype,
                                   const unsigned char *from, size_t *out);

/* Is it a finite number, but none of float32? */
bool tensor_element_overflows(const struct tensor_dtype *dtype,
                              const unsigned char *from);

#endif
