/* method_case.h - random problems for the kernels that approximate: no options but
 * those that a test sets, and every result wanted. */
#ifndef TESTS_SUPPORT_METHOD_CASE_H
#define TESTS_SUPPORT_METHOD_CASE_H

#include "core/approximations.h"
#include "support/attention_case.h"

/* To be deleted as any attention_case. Grouped heads, all layouts; with `square` there
 * are as many keys as queries. */
struct attention_case *method_case_random(struct test_random *r, double work,
                                          bool square);

/* One number in float64: of query head h, or of the key head that serves it. */
double method_query(const struct attention_case *c, size_t h, size_t i, size_t channel);
double method_key(const struct attention_case *c, size_t h, size_t j, size_t channel);
double method_value(const struct attention_case *c, size_t h, size_t j, size_t channel);

/* sum_c query[h,i,c] key[h,j,c] */
double method_dot(const struct attention_case *c, size_t h, size_t i, size_t j);

/* x becomes exp(x[j]) / sum exp(x); returns the logarithm of the sum. */
double method_softmax(double *x, size_t n);

/* Numbers from -1 to 1, the caller's to free(). */
float *method_numbers(struct test_random *r, size_t count);

#endif
