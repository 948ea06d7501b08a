#include "core/blas.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

bool blas_init(struct error *e)
{
    if (openblas_get_parallel() == 0)
        /* Which is linked is not a test's choice. GCOVR_EXCL_START */
        return error_set(e, ERROR_INTERNAL, "",
                         "this OpenBLAS is a serial build, which several threads may "
                         "not use at once: install libopenblas0-pthread");
    /* GCOVR_EXCL_STOP */

    openblas_set_num_threads(1);
    return true;
}

/* At the bound of OpenBLAS's small kernels, which take no memory. */
void blas_warm_up(void)
{
    enum { SIDE = 128 };
    static const float zeros[SIDE * SIDE];
    float product[SIDE * SIDE];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1.0f,
                zeros, SIDE, zeros, SIDE, 0.0f, product, SIDE);
}

void blas_description(char *text, size_t size)
{
    /* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...": the first two words. */
    const char *config = openblas_get_config();
    size_t name = strcspn(config, " ");
    size_t version = config[name] ? strcspn(config + name + 1, " ") + 1 : 0;
    snprintf(text, size, "%.*s %s", (int)(name + version), config,
             openblas_get_corename());
}
