#include "core/blas.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool blas_init(struct error *e)
{
    if (openblas_get_parallel() == 0)
        /* Which is linked is not a test's choice. GCOVR_EXCL_START */
        return error_set(e, ERROR_INTERNAL, "",
                         "this OpenBLAS is a serial build, which several threads may "
                         "not use at once: install libopenblas0-pthread");
    /* GCOVR_EXCL_STOP */

    openblas_set_num_threads(1);
    int threads = openblas_get_num_threads();
    return threads == 1 ||
           error_set(e, ERROR_INTERNAL, "", "OpenBLAS uses %d threads a call, not one",
                     threads);
}

#if defined __x86_64__
/* By the compiler flags that OpenBLAS gives to the kernels of each. */
static bool cpu_runs(const char *core)
{
    static const char *const avx512[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
    static const char *const avx2[] = {"Haswell", "Zen"};
    static const char *const fma4[] = {"Bulldozer", "Piledriver", "Steamroller",
                                       "Excavator"};
    for (size_t i = 0; i < sizeof avx512 / sizeof *avx512; i++)
        if (strcasecmp(core, avx512[i]) == 0)
            return __builtin_cpu_supports("avx512f") != 0;
    for (size_t i = 0; i < sizeof avx2 / sizeof *avx2; i++)
        if (strcasecmp(core, avx2[i]) == 0)
            return __builtin_cpu_supports("avx2") != 0;
    for (size_t i = 0; i < sizeof fma4 / sizeof *fma4; i++)
        if (strcasecmp(core, fma4[i]) == 0)
            return __builtin_cpu_supports("fma4") != 0;
    return true;
}
#else
static bool cpu_runs(const char *core)
{
    (void)core;
    return true;
}
#endif

bool blas_core_check(const char *wish, struct error *e)
{
    const char *core = openblas_get_corename();
    if (wish && *wish && strcasecmp(wish, core) != 0)
        return error_set(e, ERROR_INTERNAL, "",
                         "OPENBLAS_CORETYPE asks for %.32s, but OpenBLAS would compute "
                         "with the kernels for %s",
                         wish, core);
    return cpu_runs(core) ||
           error_set(e, ERROR_INTERNAL, "",
                     "this CPU cannot run OpenBLAS's kernels for %s: leave "
                     "OPENBLAS_CORETYPE unset",
                     core);
}

/* At the bound of OpenBLAS's small kernels, which take no memory. */
bool blas_warm_up(void)
{
    enum { SIDE = 128 };
    float a[SIDE][SIDE], b[SIDE][SIDE], product[SIDE][SIDE];
    int sum_b[SIDE];
    for (int i = 0; i < SIDE; i++) {
        sum_b[i] = 0;
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = (float)((3 * i + j) % 7 - 3);
            b[i][j] = (float)((i + 5 * j) % 9 - 4);
            sum_b[i] += (i + 5 * j) % 9 - 4;
        }
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1.0f, a[0],
                SIDE, b[0], SIDE, 0.0f, product[0], SIDE);

    /* The sum of a row of the product is the row of a times the sums of the rows of b.
     */
    bool right = true;
    for (int i = 0; i < SIDE; i++) {
        float got = 0;
        int want = 0;
        for (int j = 0; j < SIDE; j++) {
            got += product[i][j];
            want += ((3 * i + j) % 7 - 3) * sum_b[j];
        }
        right = right && got == (float)want;
    }
    return right;
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
