#include "core/pattern_builder.h"

#include <string.h>

#include "base/size.h"

void pattern_begin_row(struct pattern_builder *b)
{
    b->first[b->rows + 1] = b->first[b->rows];
    b->rows++;
}

void pattern_add(struct pattern_builder *b, size_t from, size_t to)
{
    uint32_t begins = b->first[b->rows - 1], *ends = &b->first[b->rows];
    to = size_least(to, b->keys);
    if (from >= to)
        return;
    if (*ends == begins || from > b->last.to) {
        b->last = (struct key_range){(uint32_t)from, (uint32_t)to};
        (*ends)++;
    } else if (to > b->last.to) {
        b->last.to = (uint32_t)to;
    }
    if (b->ranges)
        b->ranges[*ends - 1] = b->last;
}

void pattern_repeat_row(struct pattern_builder *b)
{
    uint32_t from = b->first[b->rows - 1], count = b->first[b->rows] - from;
    pattern_begin_row(b);
    if (b->ranges)
        memcpy(b->ranges + b->first[b->rows], b->ranges + from,
               count * sizeof *b->ranges);
    b->first[b->rows] += count;
}

bool pattern_goes_on(const struct pattern_builder *b)
{
    return b->rows < b->T && b->first[b->rows] <= KEY_PATTERN_MOST_RANGES;
}

const struct key_pattern *pattern_build(size_t T, size_t S, pattern_rows rows,
                                        const void *plan, struct arena *arena,
                                        struct error *e)
{
    struct key_pattern *pattern = arena_alloc(arena, 1, sizeof *pattern, e);
    struct pattern_builder b = {.T = T, .keys = S};
    b.first = arena_alloc(arena, T + 1, sizeof *b.first, e);
    if (!pattern || !b.first)
        return NULL;

    b.first[0] = 0;
    rows(&b, plan);
    size_t count = b.first[b.rows];
    if (count > KEY_PATTERN_MOST_RANGES) {
        error_set(e, ERROR_TOO_LARGE, "/method",
                  "makes more than %d ranges of keys, the most there may be",
                  KEY_PATTERN_MOST_RANGES);
        return NULL;
    }
    b.ranges = arena_alloc(arena, count, sizeof *b.ranges, e);
    if (!b.ranges)
        return NULL;

    b.rows = 0;
    rows(&b, plan);
    *pattern = (struct key_pattern){b.first, b.ranges};
    return pattern;
}
