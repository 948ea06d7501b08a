#include "core/joining.h"

#include <string.h>

#include "base/size.h"

enum { BLOCK_ROWS = 128 };

/* Rows to visit: of `joined`, where the past comes first, or else the own ones. */
static size_t all_rows(const struct joining *j)
{
    return j->joined ? j->past_rows + j->rows : j->rows;
}

size_t joining_blocks(const struct joining *j)
{
    return j->own || j->joined ? size_divided_up(all_rows(j), BLOCK_ROWS) : 0;
}

size_t joining_scratch_bytes(const struct joining *j)
{
    return j->rope ? j->rope->dims * sizeof(float) : 0;
}

static float *joined_row(const struct joining *j, size_t h, size_t row)
{
    return j->joined + (h * (j->past_rows + j->rows) + row) * j->width;
}

static void copy_past(const struct joining *j, size_t row)
{
    for (size_t h = 0; h < j->heads; h++)
        memcpy(joined_row(j, h, row), j->past + (h * j->past_rows + row) * j->width,
               j->width * sizeof(float));
}

/* Row `i` of the own ones, in all heads. */
static bool move_own(const struct joining *j, size_t i, float *angles)
{
    size_t bytes = j->width * sizeof(float);
    bool finite = true;
    if (j->rope)
        rope_angles(j->rope, i, angles);
    for (size_t h = 0; h < j->heads; h++) {
        const float *from =
            j->from.data + h * j->from.head_stride + i * j->from.row_stride;
        float *to = j->own ? j->own + (h * j->rows + i) * j->width
                           : joined_row(j, h, j->past_rows + i);
        if (j->rope)
            finite = rope_turn(j->rope, angles, from, to, j->width) && finite;
        else if (to != from)
            memcpy(to, from, bytes);
        if (j->own && j->joined)
            memcpy(joined_row(j, h, j->past_rows + i), to, bytes);
    }
    return finite;
}

bool joining_run(const struct joining *j, size_t block, void *scratch)
{
    size_t past = j->joined ? j->past_rows : 0;
    size_t from = block * BLOCK_ROWS, to = from + BLOCK_ROWS;
    bool finite = true;
    for (size_t row = from; row < to && row < all_rows(j); row++) {
        if (row < past)
            copy_past(j, row);
        else
            finite = move_own(j, row - past, scratch) && finite;
    }
    return finite;
}
