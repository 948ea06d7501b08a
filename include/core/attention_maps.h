/* attention_maps.h - what a block answers beside the output: maps and figures. */
#ifndef CORE_ATTENTION_MAPS_H
#define CORE_ATTENTION_MAPS_H

#include "core/attention_block.h"

/* Whether a map of head h is wanted at `stage`. */
bool block_wants_map(const struct attention *a, size_t h, enum map_stage stage);

/* Row i of head h of the maps, the mean map and their top cells from the columns that
 * row i of the scores has within its bounds, times `factor`; other keys are `hidden`.
 */
void block_draw(const struct block *b, size_t h, size_t i, float factor, float hidden);

/* Before the first row of head h. */
void block_begin_figures(const struct block *b, size_t h);

/* Entropy, statistics and received weights of row i: those that are wanted. */
void block_add_figures(const struct block *b, size_t h, size_t i);

#endif
