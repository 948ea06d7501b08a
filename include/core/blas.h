/* blas.h - the OpenBLAS library as this service needs it: one thread a call.
 *
 * The number of threads is a setting of the whole process, and some builds give
 * wrong results when threads call them together; so it is settled once, before
 * the first product. */
#ifndef CORE_BLAS_H
#define CORE_BLAS_H

#include <stddef.h>

#include "base/error.h"

/* Sets one thread a call. False (ERROR_INTERNAL) when the library was built
 * without threads: such a build may not be called from several at once. Call from
 * one thread, before any other function that multiplies. */
MUST_USE bool blas_init(struct error *e);

/* One product on the calling thread, large enough for OpenBLAS to take the memory that
 * it keeps for a thread. */
void blas_warm_up(void);

/* Writes the library, its version and the processor its kernels are for, such as
 * "OpenBLAS 0.3.21 Haswell", cut to `size` bytes with the final zero. */
void blas_description(char *text, size_t size);

#endif
