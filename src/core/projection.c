#include "core/projection.h"

#include <cblas.h>
#include <stdint.h>
#include <string.h>

/* Enough rows for the product to run at speed, few enough for a sequence of some
 * hundred tokens to spread over several workers. */
enum { BLOCK_ROWS = 128 };

enum { SMALL = 4096 }; /* multiply-adds of a whole product; some microseconds */

enum { LANES = 4 }; /* of the vectors that every processor has */

static size_t at_most(size_t n, size_t most)
{
    return n < most ? n : most;
}

bool projection_is_small(const struct projection *p)
{
    if (!p->out || !p->w)
        return true;
    size_t a, b;
    return !__builtin_mul_overflow(p->rows, p->in, &a) &&
           !__builtin_mul_overflow(a, p->heads * p->width, &b) && b <= SMALL;
}

size_t projection_blocks(const struct projection *p)
{
    return p->out ? (p->rows + BLOCK_ROWS - 1) / BLOCK_ROWS : 0;
}

size_t projection_scratch_bytes(const struct projection *p)
{
    if (!p->out || !p->w)
        return 0;

    return at_most(p->rows, BLOCK_ROWS) * p->heads * p->width * sizeof(float);
}

/* product[i,n] = sum_k x[i,k] w[k,n] by the formula, a row at a time. */
static void multiply_small(const struct projection *p, const float *x, size_t rows,
                           float *product)
{
    size_t columns = p->heads * p->width;
    memset(product, 0, rows * columns * sizeof(float));
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < p->in; k++)
            for (size_t n = 0; n < columns; n++)
                product[i * columns + n] += x[i * p->in + k] * p->w[k * columns + n];
}

/* The same by OpenBLAS. All columns at once: a product for each head
 * would be a fifth slower, as heads are narrow. */
static void multiply(const struct projection *p, const float *x, size_t rows,
                     float *product)
{
    blasint m = (blasint)rows, n = (blasint)(p->heads * p->width), k = (blasint)p->in;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, x, k, p->w, n,
                0.0f, product, n);
}

/* to[c] = from[c] + bias[c]. Nonzero when a number is not finite: all bits of its
 * exponent are set. Inlined with a constant, this becomes vector instructions. */
static inline uint32_t add(float *restrict to, const float *restrict from,
                           const float *restrict bias, size_t count)
{
    const uint32_t exponent = 0x7F800000;
    uint32_t bad = 0;
    for (size_t c = 0; c < count; c++) {
        float sum = from[c] + bias[c];
        uint32_t bits;
        memcpy(&bits, &sum, sizeof bits);
        bad |= (bits & exponent) == exponent;
        to[c] = sum;
    }
    return bad;
}

/* One row of one head: `from` with `bias`, which may be NULL. */
static bool finish(float *to, const float *from, const float *bias, size_t width)
{
    /* Adding -0 changes nothing, not even the sign of a zero. */
    static const float neutral[LANES] = {-0.0f, -0.0f, -0.0f, -0.0f};
    uint32_t bad = 0;
    size_t c = 0;
    for (; c + LANES <= width; c += LANES)
        bad |= add(to + c, from + c, bias ? bias + c : neutral, LANES);
    for (; c < width; c++)
        bad |= add(to + c, from + c, bias ? bias + c : neutral, 1);
    return !bad;
}

bool projection_run(const struct projection *p, size_t block, void *scratch)
{
    size_t first = block * BLOCK_ROWS;
    size_t rows = at_most(p->rows - first, BLOCK_ROWS);
    size_t columns = p->heads * p->width;

    const float *product = p->x + first * p->in;
    if (p->w) {
        (projection_is_small(p) ? multiply_small : multiply)(p, product, rows, scratch);
        product = scratch;
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
