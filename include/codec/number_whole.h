/* number_whole.h - the numbers that are short and whole: no rounding, no table, and a
 * few instructions where they are most of a small request. */
#ifndef CODEC_NUMBER_WHOLE_H
#define CODEC_NUMBER_WHOLE_H

#include <stdbool.h>
#include <stdint.h>

enum { NUMBER_WHOLE_DIGITS = 7 }; /* as many are less than 2^24: exact as float32 */

/* Reads a number that is nothing but NUMBER_WHOLE_DIGITS digits at most, and moves *at
 * behind it. False, and nothing moved, for all others, right or wrong, and for one at
 * the end of the text: number_read_float() and its like say what they are. */
static inline bool number_whole_read(const char **at, const char *end, uint32_t *out)
{
    const char *const begin = *at, *p = begin;
    uint32_t value = 0;
    for (unsigned digit; p < end && (digit = (unsigned char)(*p - '0')) <= 9; p++) {
        if (p - begin == NUMBER_WHOLE_DIGITS)
            return false;
        value = value * 10 + digit;
    }
    if (p == begin || p == end || (*begin == '0' && p - begin > 1) || *p == '.' ||
        *p == 'e' || *p == 'E')
        return false;
    *at = p;
    *out = value;
    return true;
}

#endif
