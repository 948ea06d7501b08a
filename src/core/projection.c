#include "core/projection.h"

#include <cblas.h>
#include <math.h>

/* Enough rows for the product to run at speed, few enough for a sequence of some
 * hundred tokens to spread over several workers. */
enum { BLOCK_ROWS = 128 };

static size_t at_most(size_t n, size_t most)
{
    return n < most ? n : most;
}

size_t projection_blocks(const struct projection *p)
{
    return p->out ? (p->rows + BLOCK_ROWS - 1) / BLOCK_ROWS : 0;
}

size_t projection_scratch_bytes(const struct projection *p)
{
    if (!p->out || !p->w || p->heads == 1)
        return 0; /* what is multiplied already stands in its place */

    return at_most(p->rows, BLOCK_ROWS) * p->heads * p->width * sizeof(float);
}

/* product[i,n] = sum_k x[i,k] w[k,n]. All columns at once: a product for each head
 * would be a fifth slower, as heads are narrow. */
static void multiply(const struct projection *p, const float *x, size_t rows,
                     float *product)
{
    blasint m = (blasint)rows, n = (blasint)(p->heads * p->width), k = (blasint)p->in;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, x, k, p->w, n,
                0.0f, product, n);
}

/* to[c] = from[c] + bias[c]; `to` may be `from`. False: a number is not finite. */
static bool finish(float *to, const float *from, const float *bias, size_t width)
{
    bool finite = true;
    for (size_t c = 0; c < width; c++) {
        to[c] = bias ? from[c] + bias[c] : from[c];
        finite &= isfinite(to[c]) != 0;
    }
    return finite;
}

bool projection_run(const struct projection *p, size_t block, void *scratch)
{
    size_t first = block * BLOCK_ROWS;
    size_t rows = at_most(p->rows - first, BLOCK_ROWS);
    size_t columns = p->heads * p->width;

    const float *product = p->x + first * p->in;
    if (p->w) {
        float *room = p->heads == 1 ? p->out + first * columns : scratch;
        multiply(p, product, rows, room);
        product = room;
    }

    bool finite = true;
    for (size_t h = 0; h < p->heads; h++) {
        const float *bias = p->bias ? p->bias + h * p->width : NULL;
        for (size_t i = 0; i < rows; i++)
            finite &= finish(p->out + (h * p->rows + first + i) * p->width,
                             product + i * columns + h * p->width, bias, p->width);
    }
    return finite;
}
