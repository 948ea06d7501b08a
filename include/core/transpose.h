/* transpose.h - rows become columns. */
#ifndef CORE_TRANSPOSE_H
#define CORE_TRANSPOSE_H

#include <stddef.h>

/* to[c][r] = from[r][c] for r < rows and c < columns; row r of `from` stands at
 * from + r from_stride, row c of `to` at to + c to_stride. They do not overlap. */
void transpose(float *to, size_t to_stride, const float *from, size_t from_stride,
               size_t rows, size_t columns);

#endif
