/* What every machine has: one number after the other. */
#include <math.h>

#include "codec/number.h"
#include "codec/number_kernels.h"

static char *write_plain(const float *x, size_t count, unsigned digits,
                         number_writer *other, char *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(x[i]))
            out = other(x[i], digits, out);
        else
            out += digits ? number_write_digits(x[i], digits, out)
                          : number_write(x[i], out);
        *out++ = ',';
    }
    return out;
}

const struct number_kernels number_kernels_plain = {.name = "plain",
                                                    .write = write_plain};
