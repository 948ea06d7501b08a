/* How long a problem takes, fitted to measurements on one core of Zen 4, where the
 * products of the exact operator run at 90 operations a nanosecond. */
#include <string.h>

#include "base/size.h"
#include "core/approximations.h"
#include "core/attention_block.h"
#include "core/feature_attention.h"

/* Columns of scores that the blocks of a pattern compute, times their rows: units of
 * VECTOR_PAD keys that any of a block's rows sees. */
static double pattern_cells(const struct attention *a)
{
    uint8_t
        unit[1024]; /* a bit is worth `keys` keys, more than a unit when S is large */
    size_t units = sizeof unit, keys = VECTOR_PAD;
    while (a->S > units * keys)
        keys *= 2;
    double cells = 0;
    for (size_t first = 0; first < a->T; first += BLOCK_ROWS) {
        size_t end = size_least(a->T, first + BLOCK_ROWS), seen = 0;
        memset(unit, 0, sizeof unit);
        for (uint32_t n = a->pattern->first[first]; n < a->pattern->first[end]; n++) {
            size_t from = a->pattern->ranges[n].from / keys;
            size_t to = (a->pattern->ranges[n].to - 1) / keys;
            memset(unit + from, 1, to - from + 1);
        }
        for (size_t u = 0; u < units; u++)
            seen += unit[u];
        cells += (double)(end - first) * (double)(seen * keys);
    }
    return cells;
}

/* Of one head; rows of a tile see whole vectors of keys. */
static double computed_cells(const struct attention *a)
{
    double T = (double)a->T, all = T * (double)vector_padded(a->S);
    double cells =
        a->pattern ? pattern_cells(a) : approximations_visible(a) + T * VECTOR_PAD;
    return cells < all ? cells : all;
}

/* Operations that each computed cell takes besides those of the two products. */
static double cell_options(const struct attention *a)
{
    bool figures = a->entropy || a->statistics || a->received;
    return 20 + (a->softcap > 0 ? 30 : 0) + (a->alibi ? 5 : 0) +
           (a->mask.allowed || a->mask.bias ? 20 : 0) + (a->keep ? 300 : 0) +
           (a->dropout.rate > 0 ? 170 : 0) + (figures ? 700 : 0);
}

/* Maps of all heads: writing them, or finding the largest cells of their rows. */
static double maps_cost(const struct attention *a)
{
    double T = (double)a->T, S = (double)a->S;
    double maps = a->mean_map ? (double)a->H : (double)a->map_head_count;
    if (a->top_indices)
        return maps * T * (270 * S + 5400 * (double)a->top);
    return 60 * maps * T * S;
}

static double exact_cost(const struct attention *a)
{
    double H = (double)a->H, T = (double)a->T, S = (double)a->S, dk = (double)a->dk;
    double widths = dk + (double)a->dv, cells = computed_cells(a);
    double hidden =
        block_shows_hidden(a) ? T * S * (2 * dk + (a->softcap > 0 ? 70 : 40)) : 0;
    double ranges = a->pattern ? 2500 * (double)a->pattern->first[a->T] : 0;
    return H * (cells * (2 * widths + cell_options(a)) + hidden + ranges +
                T * (6000 + 80 * widths)) +
           (double)a->G * S * widths * 10 + maps_cost(a);
}

/* Sums over the features of queries and keys. */
static double features_cost(const struct attention *a)
{
    bool performer = a->method->name == METHOD_PERFORMER;
    double n = performer ? (double)a->method->features : (double)a->dk;
    double feature = performer ? 2 * (double)a->dk + 60 : 700, dv = (double)a->dv;
    double H = (double)a->H, G = (double)a->G, T = (double)a->T, S = (double)a->S;
    double all = n * (H * T + G * S) * (feature + 3 * dv);
    if (!a->causal)
        return all;

    /* One query and one key at a time; keys again for each tile of a chunk. */
    const double chunk = 256;
    double tiles = (double)feature_attention.tiles(a) / (G * (T / chunk + 1));
    double parts = tiles > 1 ? tiles : 1, group = H / G;
    double heads = parts < group ? parts : group;
    return all + n * (H * T * 8 * dv + G * S * (feature * parts + 24 * dv * heads));
}

double approximations_cost(const struct attention *a)
{
    double flops = approximations_flops(a);
    double T = (double)a->T, S = (double)a->S, H = (double)a->H;
    double dk = (double)a->dk, dv = (double)a->dv;
    if (!a->method)
        return exact_cost(a);

    const struct attention_method *m = a->method;
    double n = (double)(m->rank + m->landmarks);
    switch (m->name) {
    case METHOD_LINFORMER: /* drawing a number takes long */
        return 1.3 * flops + (m->e ? 0 : 2 * 1500 * n * S) + maps_cost(a) * n / S +
               30 * H * T * n;
    case METHOD_NYSTROM: /* the pseudo-inverse is in float64 */
        return 2 * H * n * (1.5 * (S + T) * (dk + dv) + n * (48 * n + 8 * dv)) +
               30 * H * T * n;
    case METHOD_PERFORMER: return features_cost(a);
    case METHOD_LINEAR:
        return m->rule == RULE_ELU ? features_cost(a) : (m->beta ? 3.3 : 2.2) * flops;
    case METHOD_EXACT: /* they leave a->method NULL; GCOVR_EXCL_START */
    case METHOD_TOP_K:
    case METHOD_BLOCK_SPARSE:
    case METHOD_LONGFORMER:
    case METHOD_BIGBIRD: break;
    }
    return flops;
    /* GCOVR_EXCL_STOP */
}
