#include "core/nystrom.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "core/approximations.h"
#include "core/softmax_rows.h"
#include "core/vector_kernels.h"

enum {
    ITERATIONS = 6,
    PACK_ROWS = 16, /* rows of B that exist at a time */
    TILE_QUERIES = 64
};

/* What a head has in `packed`; the tiles read the first two. */
enum part {
    KEYS,     /* Km [m][dk] */
    VALUES,   /* A+ (B V) [m][dv] */
    QUERIES,  /* Qm [m][dk] */
    PRODUCTS, /* B V [m][dv] */
    WEIGHTS,  /* of softmax_rows: [PACK_ROWS][padded S] or [PACK_ROWS][padded m] */
    SQUARES,  /* five of [m][m] float64 */
    PARTS
};

/* Floats from a head's first to those of each part; last, to those of the next head. */
struct layout {
    size_t at[PARTS + 1];
};

static struct layout lay_out(const struct attention *a)
{
    size_t m = a->method->landmarks, longest = a->S > m ? a->S : m;
    const size_t floats[PARTS] = {[KEYS] = m * a->dk,
                                  [VALUES] = m * a->dv,
                                  [QUERIES] = m * a->dk,
                                  [PRODUCTS] = m * a->dv,
                                  [WEIGHTS] = PACK_ROWS * vector_padded(longest),
                                  [SQUARES] =
                                      5 * m * m * (sizeof(double) / sizeof(float))};
    struct layout layout = {{0}};
    for (size_t part = 0; part < PARTS; part++)
        layout.at[part + 1] = layout.at[part] + vector_padded(floats[part]);
    return layout;
}

static size_t packed_bytes(const struct attention *a)
{
    return a->H * lay_out(a).at[PARTS] * sizeof(float);
}

static size_t packs(const struct attention *a)
{
    return a->H;
}

/* to[l] = the mean of the rows of segment l */
static void average(float *to, size_t landmarks, const float *rows, size_t stride,
                    size_t count, size_t width)
{
    for (size_t l = 0; l < landmarks; l++) {
        size_t from = l * count / landmarks, end = (l + 1) * count / landmarks;
        for (size_t c = 0; c < width; c++) {
            double sum = 0;
            for (size_t i = from; i < end; i++)
                sum += (double)rows[i * stride + c];
            to[l * width + c] = (float)(sum / (double)(end - from));
        }
    }
}

/* Every number of a [m][m] is 0, but on the diagonal. */
static void fill_diagonal(double *square, size_t m, double number)
{
    memset(square, 0, m * m * sizeof *square);
    for (size_t l = 0; l < m; l++)
        square[l * m + l] = number;
}

/* to = number I - x y */
static void subtract_product(double *to, double number, const double *x,
                             const double *y, size_t m)
{
    blasint n = (blasint)m;
    fill_diagonal(to, m, number);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, -1, x, n, y, n, 1,
                to, n);
}

/* Z_0 = A^T / (|A|_1 |A|_inf): the largest sums of a column and of a row. */
static void begin_inverse(double *z, const double *a, size_t m)
{
    double column = 0, row = 0;
    for (size_t l = 0; l < m; l++) {
        double in_column = 0, in_row = 0;
        for (size_t n = 0; n < m; n++) {
            in_column += a[n * m + l];
            in_row += a[l * m + n];
        }
        column = fmax(column, in_column);
        row = fmax(row, in_row);
    }
    for (size_t l = 0; l < m; l++)
        for (size_t n = 0; n < m; n++)
            z[l * m + n] = a[n * m + l] / (column * row);
}

/* The pseudo-inverse of the first of the five squares, in one of the others. */
static const double *invert(double *squares, size_t m)
{
    blasint n = (blasint)m;
    const double *a = squares;
    double *z = squares + m * m, *az = z + m * m, *x = az + m * m, *y = x + m * m;
    begin_inverse(z, a, m);
    for (int step = 0; step < ITERATIONS; step++) {
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, z, n,
                    0, az, n);
        fill_diagonal(x, m, 7);
        cblas_daxpy((blasint)(m * m), -1, az, 1, x, 1);
        subtract_product(y, 15, az, x, m);
        subtract_product(x, 13, az, y, m);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 0.25, z, n, x,
                    n, 0, az, n);
        double *next = az; /* the old Z is the next one's room */
        az = z;
        z = next;
    }
    return z;
}

/* A, from its rows `first` on, into the first square. */
static void keep_rows(double *square, size_t m, const struct softmax_rows *s,
                      size_t first)
{
    for (size_t l = 0; l < s->rows; l++)
        for (size_t n = 0; n < m; n++)
            square[(first + l) * m + n] = (double)s->weights[l * vector_padded(m) + n];
}

/* values = A+ (B V) */
static void combine(float *values, const double *inverse, const float *products,
                    size_t m, size_t width)
{
    for (size_t l = 0; l < m; l++)
        for (size_t c = 0; c < width; c++) {
            double sum = 0;
            for (size_t n = 0; n < m; n++)
                sum += inverse[l * m + n] * (double)products[n * width + c];
            values[l * width + c] = (float)sum;
        }
}

static void pack(const struct attention *a, size_t h, void *packed)
{
    const struct layout layout = lay_out(a);
    size_t m = a->method->landmarks, g = h / (a->H / a->G);
    float *head = (float *)packed + h * layout.at[PARTS];
    double *squares = (double *)(void *)(head + layout.at[SQUARES]);
    const float *keys = a->key.data + g * a->key.head_stride;
    average(head + layout.at[QUERIES], m, a->query.data + h * a->query.head_stride,
            a->query.row_stride, a->T, a->dk);
    average(head + layout.at[KEYS], m, keys, a->key.row_stride, a->S, a->dk);

    for (size_t first = 0; first < m; first += PACK_ROWS) {
        struct softmax_rows b = {.rows = size_least(m - first, PACK_ROWS),
                                 .columns = a->S,
                                 .depth = a->dk,
                                 .width = a->dv,
                                 .a = head + layout.at[QUERIES] + first * a->dk,
                                 .b = keys,
                                 .v = a->value.data + g * a->value.head_stride,
                                 .a_stride = a->dk,
                                 .b_stride = a->key.row_stride,
                                 .v_stride = a->value.row_stride,
                                 .factor = a->scale,
                                 .weights = head + layout.at[WEIGHTS],
                                 .out = head + layout.at[PRODUCTS] + first * a->dv,
                                 .out_stride = a->dv};
        softmax_rows_logits(&b);
        (void)softmax_rows_finish(&b); /* what is not finite reaches the tiles */

        struct softmax_rows among = b;
        among.columns = m;
        among.b = head + layout.at[KEYS];
        among.b_stride = a->dk;
        softmax_rows_logits(&among);
        softmax_rows_normalise(&among);
        keep_rows(squares, m, &among, first);
    }
    combine(head + layout.at[VALUES], invert(squares, m), head + layout.at[PRODUCTS], m,
            a->dv);
}

static size_t tiles_of_head(const struct attention *a)
{
    return size_divided_up(a->T, TILE_QUERIES);
}

static size_t tiles(const struct attention *a)
{
    return a->H * tiles_of_head(a);
}

static size_t scratch_bytes(const struct attention *a)
{
    return TILE_QUERIES * vector_padded(a->method->landmarks) * sizeof(float);
}

static bool run(const struct attention *a, const void *packed, size_t tile,
                void *scratch)
{
    const struct layout layout = lay_out(a);
    size_t h = tile / tiles_of_head(a), first = tile % tiles_of_head(a) * TILE_QUERIES;
    const float *head = (const float *)packed + h * layout.at[PARTS];
    const struct softmax_rows s = {
        .rows = size_least(a->T - first, TILE_QUERIES),
        .columns = a->method->landmarks,
        .depth = a->dk,
        .width = a->dv,
        .a = a->query.data + h * a->query.head_stride + first * a->query.row_stride,
        .b = head + layout.at[KEYS],
        .v = head + layout.at[VALUES],
        .a_stride = a->query.row_stride,
        .b_stride = a->dk,
        .v_stride = a->dv,
        .factor = a->scale,
        .weights = scratch,
        .out = a->out + h * a->out_head_stride + first * a->out_row_stride,
        .out_stride = a->out_row_stride};
    softmax_rows_logits(&s);
    return softmax_rows_finish(&s);
}

const struct attention_kernel nystrom = {
    .name = "nystrom",
    .packed_bytes = packed_bytes,
    .packs = packs,
    .pack = pack,
    .tiles = tiles,
    .row_parts = attention_nothing,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
