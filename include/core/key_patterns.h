/* key_patterns.h - which keys the rows of a sparse method see, as ranges of keys.
 *
 * Query i stands at position p = i + offset among the keys 0 .. S - 1. Ranges of a row
 * are merged, so they ascend and do not touch. Each function allocates the pattern in
 * `arena` and returns NULL with `e` set when that is spent (ERROR_OUT_OF_MEMORY), or
 * (ERROR_INVALID_INPUT, at "/method/...") when a parameter does not fit T and S, or
 * (ERROR_TOO_LARGE) when the pattern has more ranges than are allowed. The time grows
 * with T, S and the ranges. */
#ifndef CORE_KEY_PATTERNS_H
#define CORE_KEY_PATTERNS_H

#include "base/arena.h"
#include "core/attention.h"
#include "core/attention_input.h"

/* A pattern is planned in one go, which nothing can stop: at most some 40 ms, by these
 * ceilings on the ranges of all rows and on the random blocks that are drawn. */
enum { KEY_PATTERN_MOST_RANGES = 1 << 21, KEY_PATTERN_MOST_PICKS = 1 << 20 };

/* Child et al., "Generating long sequences with sparse transformers" (2019). Queries
 * and keys are cut into blocks of `block` from the first one on; the last may be
 * shorter. Queries of block r see the key blocks columns[rows[r]] .. columns[rows[r +
 * 1] - 1], each named once, in ascending order: CSR, over ceil(T / block) rows and
 * ceil(S / block) columns. Exact when all blocks are named. */
MUST_USE const struct key_pattern *key_pattern_block_sparse(
    const struct attention *a, const struct method_input *m, struct arena *arena,
    struct error *e);

/* Beltagy et al., "Longformer: the long-document transformer" (2020), with the query
 * and key projections of global tokens those of the others. Row i sees the keys from
 * p - window to p + window and those at the positions of the global tokens; a global
 * token (an index of a query, below T) sees all keys. Exact when window >= S. */
MUST_USE const struct key_pattern *key_pattern_longformer(const struct attention *a,
                                                          const struct method_input *m,
                                                          struct arena *arena,
                                                          struct error *e);

/* Zaheer et al., "Big Bird: transformers for longer sequences" (2020), section 2. In
 * blocks of `block` positions, row i of block I = floor(p / block) sees the blocks
 * below global_count, those from I - 1 to I + 1, and `random` of the N others (all,
 * when there are fewer); a row of a block below global_count sees all keys. The random
 * ones are the same for all heads and rows of the block: with the others counted
 * upwards from 0 and the stream random_stream(seed, I modulo 2^64), for
 * n = 0 .. random - 1 number t = random_below(n, N - random + n + 1) is taken, or
 * N - random + n where t is taken already (Floyd's sampling; random.h). Exact when
 * those blocks are all blocks. */
MUST_USE const struct key_pattern *key_pattern_bigbird(const struct attention *a,
                                                       const struct method_input *m,
                                                       struct arena *arena,
                                                       struct error *e);

#endif
