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

/* Leaves them all to number_read_float(). */
/* NOLINTBEGIN(readability-non-const-parameter): the form of them all */
static size_t read_plain(const char *begin, const char **at, const char *end,
                         float *out, size_t room)
{
    (void)begin, (void)at, (void)end, (void)out, (void)room;
    return 0;
}
/* NOLINTEND(readability-non-const-parameter) */

const struct number_kernels number_kernels_plain = {
    .name = "plain", .write = write_plain, .read = read_plain};
