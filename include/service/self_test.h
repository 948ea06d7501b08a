/* self_test.h - is this machine fit to compute? Asked before the service is ready.
 *
 * OpenBLAS maps memory for each thread that multiplies at the same time and loops
 * for ever when it gets none; so every worker multiplies once, all together, now, and
 * what comes out must be right. Then each set of vector kernels that the CPU has
 * multiplies whole numbers, and the worked example is computed by every kernel and
 * compared with its formula evaluated in float64. */
#ifndef SERVICE_SELF_TEST_H
#define SERVICE_SELF_TEST_H

#include "core/attention.h"
#include "core/vector_kernels.h"
#include "service/scheduler.h"

/* Settles OpenBLAS on one thread a call, sees that it has the kernels which
 * OPENBLAS_CORETYPE asks for, then runs all that on the workers of `s`, which has no
 * jobs yet, until `until_ns`. False with `e` set: do not serve. `s` may only be deleted
 * then; after ERROR_DEADLINE, when a worker hangs, not even that. */
MUST_USE bool self_test_run(struct scheduler *s, size_t workers, int64_t until_ns,
                            struct error *e);

/* A product by one set of vector kernels. False with `e` set when it is wrong. */
MUST_USE bool self_test_vectors(const struct vector_kernels *set, struct error *e);

/* The worked example by one kernel, on this thread, after blas_init(). False with `e`
 * set when a number is further than 1e-6 from what the formula gives. */
MUST_USE bool self_test_kernel(const struct attention_kernel *kernel, struct error *e);

#endif
