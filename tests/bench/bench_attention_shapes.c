#include "bench/bench_attention_shapes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/attention.h"

enum { MOST_THREADS = 64, MOST_RUNS = 2000, LEFT = 128 };

struct options {
    size_t threads;
    const char *kinds;
    double seconds; /* of one line */
    size_t near_bytes;
};

struct problem {
    struct attention a;
    size_t threads;
    void *packed, *scratch[MOST_THREADS];
    atomic_size_t pack, packed_count, tile;
};

/* One thread's share: packs, then, when all are done, tiles. */
static void work(struct problem *p, size_t thread)
{
    const struct attention_kernel *kernel = &attention_tiled;
    size_t packs = kernel->packs(&p->a), tiles = kernel->tiles(&p->a), n;
    while ((n = atomic_fetch_add(&p->pack, 1)) < packs) {
        kernel->pack(&p->a, n, p->packed);
        atomic_fetch_add(&p->packed_count, 1);
    }
    while (atomic_load(&p->packed_count) < packs)
        ;
    while ((n = atomic_fetch_add(&p->tile, 1)) < tiles)
        if (!kernel->run(&p->a, p->packed, n, p->scratch[thread]))
            abort();
}

struct share {
    struct problem *problem;
    size_t thread;
};

static void *work_share(void *share)
{
    const struct share *s = share;
    work(s->problem, s->thread);
    return NULL;
}

static void run(struct problem *p)
{
    pthread_t thread[MOST_THREADS];
    struct share share[MOST_THREADS];
    p->pack = p->packed_count = p->tile = 0;
    for (size_t n = 1; n < p->threads; n++) {
        share[n] = (struct share){p, n};
        if (pthread_create(&thread[n], NULL, work_share, &share[n]) != 0)
            abort();
    }
    work(p, 0);
    for (size_t n = 1; n < p->threads; n++)
        pthread_join(thread[n], NULL);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct problem *p, const char *kind, double flops, double most)
{
    double times[MOST_RUNS], start, before;
    size_t count = 0;
    run(p);
    for (start = before = bench_seconds();
         count < MOST_RUNS && before - start < most;) {
        run(p);
        double now = bench_seconds();
        times[count++] = now - before;
        before = now;
    }
    qsort(times, count, sizeof *times, ascending);
    printf("{\"kind\":\"%s\",\"t\":%zu,\"h\":%zu,\"d\":%zu,\"min_ms\":%.4f,"
           "\"median_ms\":%.4f,\"gflops\":%.1f,\"threads\":%zu}\n",
           kind, p->a.T, p->a.H, p->a.dk, 1e3 * times[0], 1e3 * times[count / 2],
           flops / times[0] * 1e-9, p->threads);
    fflush(stdout);
}

/* Cells that count, of T x T. */
static double cells(const struct attention *a)
{
    double count = 0;
    for (size_t i = 0; i < a->T; i++) {
        size_t keys = !a->causal ? a->T
                      : !a->window.left_given || i < a->window.left
                          ? i + 1
                          : a->window.left + 1;
        count += (double)keys;
    }
    return count;
}

static void measure_kind(struct problem *p, const char *kind, double seconds)
{
    struct attention *a = &p->a;
    size_t heads[MOST_THREADS];
    for (size_t h = 0; h < a->H; h++)
        heads[h] = h;
    a->causal = strcmp(kind, "causal") == 0 || strcmp(kind, "window") == 0;
    a->window =
        (struct window_view){.left_given = strcmp(kind, "window") == 0, .left = LEFT};
    bool map = strcmp(kind, "map") == 0;
    a->maps = map ? bench_numbers(a->H * a->T * a->T) : NULL;
    a->map_heads = heads;
    a->map_head_count = map ? a->H : 0;
    p->packed = aligned_alloc(64, attention_tiled.packed_bytes(a) / 64 * 64 + 64);
    for (size_t n = 0; n < p->threads; n++)
        p->scratch[n] =
            aligned_alloc(64, attention_tiled.scratch_bytes(a) / 64 * 64 + 64);
    measure(p, kind, 4.0 * (double)(a->H * a->dk) * cells(a), seconds);
    for (size_t n = 0; n < p->threads; n++)
        free(p->scratch[n]);
    free(p->packed);
    free(a->maps);
}

static bool measure_shape(const struct options *o, const char *shape)
{
    size_t T, H, d;
    if (sscanf(shape, "%zu,%zu,%zu", &T, &H, &d) != 3 || H > MOST_THREADS || !T || !d)
        return false;
    float *q = bench_numbers(T * H * d), *k = bench_numbers(T * H * d);
    float *v = bench_numbers(T * H * d), *out = bench_numbers(T * H * d);
    struct problem p = {.threads = o->threads,
                        .a = {.H = H,
                              .G = H,
                              .T = T,
                              .S = T,
                              .dk = d,
                              .dv = d,
                              .scale = 0.125f,
                              .key_length = T,
                              .near_bytes = o->near_bytes,
                              .query = {q, d, H * d},
                              .key = {k, d, H * d},
                              .value = {v, d, H * d},
                              .out = out,
                              .out_head_stride = d,
                              .out_row_stride = H * d}};
    char kinds[64], *rest = kinds;
    snprintf(kinds, sizeof kinds, "%s", o->kinds);
    for (const char *kind; (kind = strtok_r(rest, ",", &rest));)
        measure_kind(&p, kind, o->seconds);
    free(q);
    free(k);
    free(v);
    free(out);
    return true;
}

int bench_attention_shapes(int count, char **arguments)
{
    long near_bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    struct options o = {1, "full,causal,map", 0.3,
                        near_bytes > 0 ? (size_t)near_bytes : 0};
    for (int n = 0; n < count; n++) {
        const char *next = n + 1 < count ? arguments[n + 1] : "";
        if (strcmp(arguments[n], "--threads") == 0)
            o.threads = strtoul(next, NULL, 10), n++;
        else if (strcmp(arguments[n], "--kinds") == 0)
            o.kinds = next, n++;
        else if (strcmp(arguments[n], "--seconds") == 0)
            o.seconds = strtod(next, NULL), n++;
        else if (strcmp(arguments[n], "--near") == 0)
            o.near_bytes = strtoul(next, NULL, 10), n++;
        else if (strcmp(arguments[n], "--shapes") != 0 &&
                 (o.threads < 1 || o.threads > MOST_THREADS ||
                  !measure_shape(&o, arguments[n])))
            return fprintf(stderr, "bench_attention: %s?\n", arguments[n]), 2;
    }
    return 0;
}
