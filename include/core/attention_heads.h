/* attention_heads.h - how rows are divided into heads, and whether the weights
 * that make those rows fit. */
#ifndef CORE_ATTENTION_HEADS_H
#define CORE_ATTENTION_HEADS_H

#include "core/attention_shape.h"

/* Fills H, G, dk, dv and output_width of `shape`, where the form, d and dc are set
 * already. False (ERROR_INVALID_INPUT) when the weights' matrices do not fit the
 * tokens or each other, a bias does not fit its matrix, the heads do not divide a
 * row, or H is not a multiple of G. */
MUST_USE bool attention_heads_of(const struct attention_input *input,
                                 struct attention_shape *shape, struct error *e);

#endif
