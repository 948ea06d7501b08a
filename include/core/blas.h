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
 * without threads, as such a build may not be called from several at once, or does not
 * take the number. Call from one thread, before any other function that multiplies. */
MUST_USE bool blas_init(struct error *e);

/* Whether the kernels are those for the processor that was wished for (what
 * OPENBLAS_CORETYPE says; NULL or "": any), and are some that this CPU can run. The
 * library passes over a name it does not know, and dies at the first product by one
 * that is beyond the CPU. False: ERROR_INTERNAL. */
MUST_USE bool blas_core_check(const char *wish, struct error *e);

/* One product on the calling thread, large enough for OpenBLAS to take the memory that
 * it keeps for a thread. False when it came out wrong: it is one of small whole
 * numbers, which every order of adding gives exactly. */
MUST_USE bool blas_warm_up(void);

/* Writes the library, its version and the processor its kernels are for, such as
 * "OpenBLAS 0.3.21 Haswell", cut to `size` bytes with the final zero. */
void blas_description(char *text, size_t size);

#endif
