#include "core/attention_panels.h"

#include "base/size.h"
#include "core/vector_kernels.h"

enum { PACK_KEYS = 512 }; /* keys of one pack */

static size_t key_runs(const struct attention *a)
{
    return size_divided_up(a->S, PACK_KEYS);
}

static size_t head_numbers(const struct attention *a)
{
    return vector_padded(a->S) * a->dk + a->S * vector_padded(a->dv);
}

size_t attention_panel_width(size_t columns, size_t first)
{
    return vector_padded(size_least(columns - first, TILE_WIDTH));
}

const float *attention_panel_keys(const struct attention *a, const float *packed,
                                  size_t h, size_t first)
{
    return packed + h / (a->H / a->G) * head_numbers(a) + first * a->dk;
}

const float *attention_panel_values(const struct attention *a, const float *packed,
                                    size_t h, size_t first)
{
    return attention_panel_keys(a, packed, h, vector_padded(a->S)) + first * a->S;
}

size_t attention_panels_bytes(const struct attention *a)
{
    return a->G * head_numbers(a) * sizeof(float);
}

size_t attention_panels_packs(const struct attention *a)
{
    return a->G * key_runs(a);
}

/* panel[c][j] = key[first + j][c], and 0 beyond the last key. */
static void pack_keys(const struct attention *a, size_t g, size_t first, float *panel)
{
    const float *key = a->key.data + g * a->key.head_stride + first * a->key.row_stride;
    vector_kernels_choice(0)->pack_columns(panel, attention_panel_width(a->S, first),
                                           key, a->key.row_stride,
                                           size_least(a->S - first, TILE_WIDTH), a->dk);
}

/* panel[j][c] = value[j][first + c], and 0 beyond the last column, for some keys. */
static void pack_values(const struct attention *a, size_t g, size_t first, size_t from,
                        size_t to, float *panel)
{
    size_t width = attention_panel_width(a->dv, first), stride = a->value.row_stride;
    const float *value =
        a->value.data + g * a->value.head_stride + from * stride + first;
    vector_kernels_choice(0)->pack_rows(panel + from * width, width, value, stride,
                                        to - from,
                                        size_least(a->dv - first, TILE_WIDTH));
}

void attention_panels_pack(const struct attention *a, size_t index, void *packed)
{
    size_t runs = key_runs(a), g = index / runs;
    size_t from = index % runs * PACK_KEYS, to = size_least(a->S, from + PACK_KEYS);
    float *keys = (float *)packed + g * head_numbers(a);
    float *values = keys + vector_padded(a->S) * a->dk;
    for (size_t first = from; first < to; first += TILE_WIDTH)
        pack_keys(a, g, first, keys + first * a->dk);
    for (size_t first = 0; first < a->dv; first += TILE_WIDTH)
        pack_values(a, g, first, from, to, values + first * a->S);
}
