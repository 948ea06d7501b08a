/* number_tokens.h - the `read` of number_kernels.h, with AVX2. */
#ifndef CODEC_NUMBER_TOKENS_H
#define CODEC_NUMBER_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

size_t number_tokens_read(const char *begin, const char **at, const char *end,
                          float *out, size_t room);

#endif
