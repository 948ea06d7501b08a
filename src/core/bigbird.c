#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "core/key_patterns.h"
#include "core/pattern_builder.h"
#include "core/random.h"

static ptrdiff_t floor_divided(ptrdiff_t n, ptrdiff_t by)
{
    return n / by - (n % by < 0);
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

struct bigbird {
    const struct attention *a;
    const struct method_input *m;
    size_t *picked;   /* [random], of the row of blocks at work */
    uint8_t *visible; /* [blocks], all 0 between two of those */
};

/* What the rows of one block of positions see. */
struct block_row {
    ptrdiff_t own;
    size_t blocks, global;
    size_t near, beyond; /* of the window, but not global: near to < beyond */
};

static size_t clamped(ptrdiff_t n, size_t from, size_t to)
{
    return n < (ptrdiff_t)from ? from : size_least((size_t)n, to);
}

/* The block that is number `t` among those that are neither global nor near. */
static size_t other(const struct block_row *row, size_t t)
{
    t += row->global;
    return t >= row->near ? t + (row->beyond - row->near) : t;
}

/* Picks the random blocks, as key_patterns.h says, ascending; how many they are. */
static size_t pick_random(const struct block_row *row, const struct bigbird *p)
{
    size_t others = row->blocks - row->global - (row->beyond - row->near);
    uint64_t stream = random_stream(p->m->seed, (uint64_t)row->own);
    size_t random = size_least(p->m->random, others), count = 0;
    for (size_t n = 0; n < random; n++) {
        size_t newest = others - random + n;
        size_t t = other(row, (size_t)random_below(stream, n, newest + 1));
        t = p->visible[t] ? other(row, newest) : t;
        p->visible[t] = 1;
        p->picked[n] = t;
    }
    if (random < row->blocks / 16) { /* looking at every block would take longer */
        for (size_t n = 0; n < random; n++)
            p->visible[p->picked[n]] = 0;
        qsort(p->picked, random, sizeof *p->picked, ascending);
        return random;
    }
    for (size_t t = row->global; t < row->blocks; t++)
        if (p->visible[t])
            p->picked[count++] = t;
    memset(p->visible, 0, row->blocks);
    return count;
}

static void add_block_row(struct pattern_builder *b, const struct block_row *row,
                          const struct bigbird *p, size_t block)
{
    pattern_begin_row(b);
    if (row->own >= 0 && row->own < (ptrdiff_t)row->global) {
        pattern_add(b, 0, b->keys);
        return;
    }
    size_t count = pick_random(row, p), n = 0;
    pattern_add(b, 0, row->global * block);
    for (; n < count && p->picked[n] < row->near; n++)
        pattern_add(b, p->picked[n] * block, (p->picked[n] + 1) * block);
    pattern_add(b, row->near * block, row->beyond * block);
    for (; n < count; n++)
        pattern_add(b, p->picked[n] * block, (p->picked[n] + 1) * block);
}

/* A block that holds every position is one block however large it is. */
static size_t block_of(const struct attention *a, const struct method_input *m)
{
    return size_least(m->block, a->T + a->S);
}

static void add_bigbird_rows(struct pattern_builder *b, const void *plan)
{
    const struct bigbird *p = plan;
    const struct attention *a = p->a;
    size_t block = block_of(a, p->m);
    struct block_row row = {.blocks = size_divided_up(a->S, block)};
    row.global = size_least(p->m->global_count, row.blocks);
    for (size_t i = 0; pattern_goes_on(b); i++) {
        ptrdiff_t own = floor_divided((ptrdiff_t)i + a->offset, (ptrdiff_t)block);
        if (i > 0 && own == row.own) {
            pattern_repeat_row(b);
            continue;
        }
        row.own = own;
        row.near = clamped(row.own - 1, row.global, row.blocks);
        row.beyond = clamped(row.own + 2, row.near, row.blocks);
        add_block_row(b, &row, p, block);
    }
}

const struct key_pattern *key_pattern_bigbird(const struct attention *a,
                                              const struct method_input *m,
                                              struct arena *arena, struct error *e)
{
    size_t block = block_of(a, m), blocks = size_divided_up(a->S, block);
    size_t random = size_least(m->random, blocks);
    size_t rows = size_divided_up(a->T, block) + 1;
    if (random > KEY_PATTERN_MOST_PICKS / rows) {
        error_set(e, ERROR_TOO_LARGE, "/method/random",
                  "is %zu, but may be %zu at most with %zu rows of blocks", m->random,
                  KEY_PATTERN_MOST_PICKS / rows, rows);
        return NULL;
    }
    struct bigbird p = {.a = a, .m = m};
    p.visible = arena_alloc(arena, blocks, 1, e);
    p.picked = arena_alloc(arena, random, sizeof *p.picked, e);
    if (!p.visible || !p.picked)
        return NULL;
    memset(p.visible, 0, blocks);
    return pattern_build(a->T, a->S, add_bigbird_rows, &p, arena, e);
}
