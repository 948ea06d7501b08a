#include "codec/milliseconds.h"

#include <stdint.h>

#include "codec/whole_number.h"

char *milliseconds_write(double ms, char *out)
{
    const double longest = 1e12;
    double within = ms > 0 ? ms < longest ? ms : longest : 0; /* a NaN is 0 */
    uint64_t us = (uint64_t)(within * 1000 + 0.5);
    unsigned rest = (unsigned)(us % 1000);
    out = whole_number_write(us / 1000, out);
    *out++ = '.';
    *out++ = (char)('0' + rest / 100);
    *out++ = (char)('0' + rest / 10 % 10);
    *out++ = (char)('0' + rest % 10);
    return out;
}
