/* joining.h - the rows of a sequence's queries, keys or values on their way from the
 * projection to the kernel: turned by rope, and put behind those of the past, which
 * are turned already.
 *
 * Cut into blocks of rows that share nothing and may run in any order on any
 * thread. */
#ifndef CORE_JOINING_H
#define CORE_JOINING_H

#include "core/attention.h"
#include "core/rope.h"

struct joining {
    size_t heads, rows, width; /* the own rows; each at least 1 */
    struct heads_view from;
    const struct rope *rope; /* NULL: they stay as they are */
    const float *past;       /* [heads][past_rows][width] */
    size_t past_rows;
    /* Either or both; neither: nothing to do, no blocks. */
    float *own;    /* [heads][rows][width]; may be what `from` reads, of this layout */
    float *joined; /* [heads][past_rows + rows][width] */
};

size_t joining_blocks(const struct joining *j);

/* Bytes of scratch one running block needs, aligned to 64; may be 0. */
size_t joining_scratch_bytes(const struct joining *j);

/* False when a turned number left float32's range. */
bool joining_run(const struct joining *j, size_t block, void *scratch);

#endif
