/* attention_panels.h - keys and values as the register tiles read them.
 *
 * Packed, a key head is [S/64] panels [dk][64] of keys, then [dv/64] panels [S][64]
 * of values; the last panel of each is as wide as its rest, padded with zeros. So
 * both products of attention are rows times panel, whatever the widths are. */
#ifndef CORE_ATTENTION_PANELS_H
#define CORE_ATTENTION_PANELS_H

#include "core/attention.h"

/* The packing part of struct attention_kernel; packs write apart from each other. */
size_t attention_panels_bytes(const struct attention *a);
size_t attention_panels_packs(const struct attention *a);
void attention_panels_pack(const struct attention *a, size_t index, void *packed);

/* Numbers in a row of the panel that begins with column `first` of `columns`. */
size_t attention_panel_width(size_t columns, size_t first);

/* The panel of keys from `first` on, or of value columns from `first` on (multiples
 * of TILE_WIDTH), that serves query head h. */
const float *attention_panel_keys(const struct attention *a, const float *packed,
                                  size_t h, size_t first);
const float *attention_panel_values(const struct attention *a, const float *packed,
                                    size_t h, size_t first);

#endif
