/* self_test.h - is this machine fit to compute? Asked before the service is ready.
 *
 * OpenBLAS maps memory for each thread that multiplies at the same time and loops
 * for ever when it gets none; so every worker multiplies once, all together, now.
 * Then the worked example is computed by every kernel and compared with its formula
 * evaluated in float64. */
#ifndef SERVICE_SELF_TEST_H
#define SERVICE_SELF_TEST_H

#include "core/attention.h"
#include "service/scheduler.h"

/* Settles OpenBLAS on one thread a call, then runs both on the workers of `s`, which
 * has no jobs yet, within 10 s. False with
 * `e` set (ERROR_INTERNAL, or ERROR_OUT_OF_MEMORY): do not serve. `s` may only be
 * deleted then. */
MUST_USE bool self_test_run(struct scheduler *s, size_t workers, struct error *e);

/* The worked example by one kernel, on this thread, after blas_init(). False with `e`
 * set when a number is further than 1e-6 from what the formula gives. */
MUST_USE bool self_test_kernel(const struct attention_kernel *kernel, struct error *e);

#endif
