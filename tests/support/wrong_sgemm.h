/* wrong_sgemm.h - in the place of the library's product: an obvious one that can be
 * told to err. It knows what self tests ask: a and b as they are, nothing added. */
#ifndef TESTS_SUPPORT_WRONG_SGEMM_H
#define TESTS_SUPPORT_WRONG_SGEMM_H

#include <cblas.h>

static float error_of_product; /* added to the last number */

void cblas_sgemm(const enum CBLAS_ORDER order, const enum CBLAS_TRANSPOSE ta,
                 const enum CBLAS_TRANSPOSE tb, const blasint m, const blasint n,
                 const blasint depth, const float alpha, const float *a,
                 const blasint lda, const float *b, const blasint ldb, const float beta,
                 float *c, const blasint ldc)
{
    (void)order, (void)ta, (void)tb, (void)alpha, (void)beta;
    for (blasint i = 0; i < m; i++)
        for (blasint j = 0; j < n; j++) {
            c[i * ldc + j] = 0;
            for (blasint k = 0; k < depth; k++)
                c[i * ldc + j] += a[i * lda + k] * b[k * ldb + j];
        }
    c[m * ldc - 1] += error_of_product;
}

#endif
