/* base64_kernels.h - base64.h many characters at a time, once per instruction set.
 *
 * They do what fills their registers and leave the rest, and every error, to the code
 * of base64.c, which they are tested against. The best set is chosen while running. */
#ifndef CODEC_BASE64_KERNELS_H
#define CODEC_BASE64_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base64_kernels {
    const char *name;

    /* Encodes the first of `count` bytes; returns how many, a multiple of 3. Only what
     * they become is written. */
    size_t (*encode)(const uint8_t *in, size_t count, char *out);

    /* Decodes the first of `length` characters, up to some before the first that is
     * wrong or padding; returns how many, a multiple of 4. `bytes` may be written. */
    size_t (*decode)(const uint8_t *in, size_t length, uint8_t *out, size_t bytes);
};

/* The sets this CPU can run, best first; NULL from the last on. */
const struct base64_kernels *base64_kernels_choice(size_t n);

extern const struct base64_kernels base64_kernels_avx512; /* x86-64 only, these two */
extern const struct base64_kernels base64_kernels_avx2;
extern const struct base64_kernels base64_kernels_plain;

/* The 64 characters, and what is behind each of 128, 0xFF for the others. */
extern const char base64_alphabet[64];
extern const uint8_t base64_sextet[256];

#endif
