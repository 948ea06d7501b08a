/* spelling.h - the word a typo was probably meant to be. */
#ifndef BASE_SPELLING_H
#define BASE_SPELLING_H

#include <stddef.h>

/* The one of `names` nearest to `word` in insertions, deletions, replacements
 * and swaps of neighbours (Damerau 1964); NULL when none is within a third of
 * the word's length (at least 1). Words over 64 bytes are near to nothing. */
const char *spelling_nearest(const char *word, const char *const *names, size_t count);

#endif
