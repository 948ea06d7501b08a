/* kernels.h - every kernel there is; they compute the same function. */
#ifndef TESTS_SUPPORT_KERNELS_H
#define TESTS_SUPPORT_KERNELS_H

#include "core/attention.h"

static const struct attention_kernel *const kernels[] = {&attention_reference,
                                                         &attention_tiled};

enum { KERNELS = sizeof kernels / sizeof *kernels };

#endif
