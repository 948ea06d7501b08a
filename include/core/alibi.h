/* alibi.h - the standard slopes of attention with linear biases (Press et al. 2022).
 *
 * For H a power of two head h has 2^(-8 (h + 1) / H). For any other H the first heads
 * have the slopes of the power of two below, the rest every second slope, from the
 * first on, of the power of two above. */
#ifndef CORE_ALIBI_H
#define CORE_ALIBI_H

#include <stddef.h>

/* Fills [H]; H at least 1. */
void alibi_slopes(size_t H, float *slopes);

#endif
