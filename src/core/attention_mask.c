#include "core/attention_mask.h"

enum { AXIS_B, AXIS_H, AXIS_T, AXIS_S, AXES };

/* Extent of one of the four axes, right-aligned; 1 where the mask has none. */
static size_t extent_of(const struct attention_mask *mask, size_t axis)
{
    size_t missing = AXES - mask->rank;
    return axis < missing ? 1 : mask->extent[axis - missing];
}

bool attention_mask_check(const struct attention_mask *mask,
                          const struct attention_shape *shape, struct error *e)
{
    if (mask->kind == MASK_NONE)
        return true;
    if (mask->rank < 1 || mask->rank > AXES)
        return error_set(e, ERROR_INVALID_INPUT, "/mask",
                         "has rank %zu, expected 1 to 4", mask->rank);

    const struct {
        const char *name;
        size_t expected;
    } axes[AXES] = {
        [AXIS_B] = {"sequences", shape->B},
        [AXIS_H] = {"heads", shape->H},
        [AXIS_T] = {"query rows", shape->longest_T},
        [AXIS_S] = {"key columns", shape->longest_S},
    };
    for (size_t axis = 0; axis < AXES; axis++) {
        size_t extent = extent_of(mask, axis), expected = axes[axis].expected;
        if (extent == 1 || extent == expected || (axis == AXIS_S && extent < expected))
            continue;

        return error_set(e, ERROR_INVALID_INPUT, "/mask",
                         axis == AXIS_S ? "has %zu %s, expected at most %zu"
                                        : "has %zu %s, expected 1 or %zu",
                         extent, axes[axis].name, expected);
    }
    return true;
}

/* Numbers from one position on `axis` to the next; 0 where it repeats. */
static size_t stride_of(const struct attention_mask *mask, size_t axis)
{
    if (extent_of(mask, axis) == 1)
        return 0;

    size_t stride = 1;
    for (size_t right = axis + 1; right < AXES; right++)
        stride *= extent_of(mask, right);
    return stride;
}

struct mask_view attention_mask_view(const struct attention_mask *mask, size_t b,
                                     size_t S)
{
    if (mask->kind == MASK_NONE)
        return (struct mask_view){.columns = S};

    size_t columns = extent_of(mask, AXIS_S);
    size_t start = b * stride_of(mask, AXIS_B);
    return (struct mask_view){
        .allowed = mask->kind == MASK_BOOLEAN ? mask->allowed + start : NULL,
        .bias = mask->kind == MASK_ADDITIVE ? mask->bias + start : NULL,
        .head_stride = stride_of(mask, AXIS_H),
        .row_stride = stride_of(mask, AXIS_T),
        .column_stride = stride_of(mask, AXIS_S),
        .columns = columns == 1 || columns > S ? S : columns,
    };
}
