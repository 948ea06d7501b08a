/* whole_number.h - a count as decimal digits. */
#ifndef CODEC_WHOLE_NUMBER_H
#define CODEC_WHOLE_NUMBER_H

#include <stdint.h>

enum { WHOLE_NUMBER_BYTES = 20 }; /* at most */

/* Returns the place behind the digits; no zero is added. */
static inline char *whole_number_write(uint64_t number, char *out)
{
    char digits[WHOLE_NUMBER_BYTES], *first = digits + WHOLE_NUMBER_BYTES;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    while (first < digits + WHOLE_NUMBER_BYTES)
        *out++ = *first++;
    return out;
}

#endif
