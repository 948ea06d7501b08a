/* The tiled kernel on one thread, beside the machine's multiply-add peak and the two
 * products alone by OpenBLAS, all in one run. A multiply-add counts two; of causal
 * problems only the visible half is counted. Last, how many times faster than full a
 * causal window of 128 is. With arguments: the tile's speed and the lines that
 * bench_attention_shapes.h describes. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench_attention_shapes.h"
#include "core/attention.h"
#include "core/vector_kernels.h"

enum { WIDTH = 64, LONGEST = 4096 };

double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What is measured; all memory is allocated for the longest. */
struct bench {
    struct attention a;
    float *scores, *out;
    void *packed, *scratch;
    struct tile_product tile;
};

/* Best of several runs within about a third of a second, in GFLOP/s. */
static double speed(void (*work)(struct bench *b), struct bench *b, double flops)
{
    double best = 1e9, start = bench_seconds(), before = start;
    for (int n = 0; n < 3 || before - start < 0.3; n++) {
        work(b);
        double now = bench_seconds();
        best = now - before < best ? now - before : best;
        before = now;
    }
    return flops / best * 1e-9;
}

/* A tile whose operands are in the first-level cache: nothing can be faster. */
static void peak(struct bench *b)
{
    for (int n = 0; n < 1000; n++)
        vector_kernels_choice(0)->multiply(&b->tile);
}

static void products(struct bench *b)
{
    const struct attention *a = &b->a;
    blasint T = (blasint)a->T;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, T, T, WIDTH, a->scale,
                a->query.data, WIDTH, a->key.data, WIDTH, 0, b->scores, T);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, T, WIDTH, T, 1, b->scores, T,
                a->value.data, WIDTH, 0, b->out, WIDTH);
}

static void attention(struct bench *b)
{
    const struct attention_kernel *kernel = &attention_tiled;
    for (size_t n = 0; n < kernel->packs(&b->a); n++)
        kernel->pack(&b->a, n, b->packed);
    for (size_t n = 0; n < kernel->tiles(&b->a); n++)
        if (!kernel->run(&b->a, b->packed, n, b->scratch))
            abort();
}

float *bench_numbers(unsigned long count)
{
    float *x = aligned_alloc(64, (count * sizeof *x + 63) / 64 * 64);
    if (!x)
        abort();
    for (size_t n = 0; n < count; n++)
        x[n] = (float)(n * 2654435761u % 2001) / 1000.0f - 1.0f;
    return x;
}

static void report(struct bench *b, size_t T, double top)
{
    struct attention *a = &b->a;
    const size_t head = 0;
    a->T = a->S = a->key_length = T;
    double flops = 4.0 * (double)T * (double)T * WIDTH;
    a->maps = NULL;
    a->map_head_count = 0;
    a->causal = false;
    double blas = speed(products, b, flops), full = speed(attention, b, flops);
    a->causal = true;
    double causal = speed(attention, b, flops * (double)(T + 1) / (double)(2 * T));
    a->causal = false;
    a->maps = b->scores;
    a->map_heads = &head;
    a->map_head_count = 1;
    double map = speed(attention, b, flops);
    a->maps = NULL;
    a->map_head_count = 0;
    a->causal = true;
    a->window = (struct window_view){.left_given = true, .left = 128};
    double times = speed(attention, b, flops) / full; /* as if all were computed */
    a->window.left_given = false;
    printf("%5zu %9.0f %9.0f %9.0f %9.0f %8.0f%% %7.2f %7.1f\n", T, blas, full, causal,
           map, 100 * full / top, full / blas, times);
}

static double tile_speed(void)
{
    float *tile =
        bench_numbers(TILE_ROWS * 64 + 64 * TILE_WIDTH + TILE_ROWS * TILE_WIDTH);
    struct bench b = {.tile = {.a = tile,
                               .a_stride = 64,
                               .b = tile + TILE_ROWS * 64,
                               .next = tile,
                               .b_stride = TILE_WIDTH,
                               .width = TILE_WIDTH,
                               .depth = 64,
                               .factor = 1,
                               .c = tile + TILE_ROWS * 64 + 64 * TILE_WIDTH,
                               .c_stride = TILE_WIDTH}};
    return speed(peak, &b, 1000.0 * 2 * TILE_ROWS * TILE_WIDTH * 64);
}

int main(int count, char **arguments)
{
    double top = tile_speed();
    if (count > 1) {
        printf("{\"kind\":\"peak\",\"set\":\"%s\",\"gflops\":%.1f}\n",
               vector_kernels_choice(0)->name, top);
        return bench_attention_shapes(count - 1, arguments + 1);
    }
    struct bench b = {.a = {.H = 1,
                            .G = 1,
                            .T = LONGEST,
                            .S = LONGEST,
                            .dk = WIDTH,
                            .dv = WIDTH,
                            .scale = 0.125f,
                            .out_row_stride = WIDTH}};
    struct attention *a = &b.a;
    a->query = (struct heads_view){bench_numbers(LONGEST * WIDTH), 0, WIDTH};
    a->key = (struct heads_view){bench_numbers(LONGEST * WIDTH), 0, WIDTH};
    a->value = (struct heads_view){bench_numbers(LONGEST * WIDTH), 0, WIDTH};
    a->out = b.out = bench_numbers(LONGEST * WIDTH);
    b.scores = bench_numbers((size_t)LONGEST * LONGEST);
    b.packed = aligned_alloc(64, attention_tiled.packed_bytes(a));
    b.scratch = aligned_alloc(64, attention_tiled.scratch_bytes(a) / 64 * 64 + 64);
    openblas_set_num_threads(1);

    printf("%s, one thread, d = %d, GFLOP/s; a tile in cache: %.0f\n",
           vector_kernels_choice(0)->name, WIDTH, top);
    printf("%5s %9s %9s %9s %9s %9s %7s %7s\n", "T", "OpenBLAS", "full", "causal",
           "map", "of tile", "ratio", "window");
    for (size_t T = 64; T <= LONGEST; T *= 2)
        report(&b, T, top);
    return 0;
}
