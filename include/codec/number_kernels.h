/* number_kernels.h - the inner loops of rows of numbers, once per instruction set.
 *
 * All sets write the same bytes and read the same values: those of number.h, which
 * remains what they are tested against. The vector sets share one source,
 * src/codec/number_template.h; the best set that the CPU has is chosen while running.
 */
#ifndef CODEC_NUMBER_KERNELS_H
#define CODEC_NUMBER_KERNELS_H

#include <stddef.h>

/* Writes one number (without a comma) and returns the place behind it. */
typedef char *number_writer(float x, unsigned digits, char *out);

struct number_kernels {
    const char *name;

    /* Writes `count` numbers, each with a comma behind it, and returns the place behind
     * the last. `digits` are significant, 0 the shortest that round-trips. Up to
     * NUMBER_LIST_EACH bytes a number may be written to. Numbers that a set cannot do
     * itself are left to `other`: it gets all that are not finite. */
    char *(*write)(const float *x, size_t count, unsigned digits, number_writer *other,
                   char *out);

    /* Reads numbers that stand behind a comma each, from *at on, at most `room`. Stops
     * early, at the comma or whatever else stands there, before the first one it cannot
     * do: that may be a number all the same. [begin, end) may be read. */
    size_t (*read)(const char *begin, const char **at, const char *end, float *out,
                   size_t room);
};

/* The sets this CPU can run, best first; NULL from the last on. */
const struct number_kernels *number_kernels_choice(size_t n);

extern const struct number_kernels number_kernels_avx512; /* x86-64 only, these two */
extern const struct number_kernels number_kernels_avx2;
extern const struct number_kernels number_kernels_plain;

#endif
