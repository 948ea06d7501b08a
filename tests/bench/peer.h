/* peer.h - what the peers of bench_codec have in common; C and C++. */
#ifndef TESTS_BENCH_PEER_H
#define TESTS_BENCH_PEER_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct peer_text {
    char *bytes; /* with 64 zeros behind */
    size_t length;
    double count; /* numbers in it */
};

static inline struct peer_text peer_text_read(int count, char **argument)
{
    struct peer_text t = {NULL, 0, count > 2 ? atof(argument[2]) : 1};
    FILE *file = count > 1 ? fopen(argument[1], "r") : NULL;
    if (!file || fseek(file, 0, SEEK_END) != 0)
        exit(EXIT_FAILURE);
    t.length = (size_t)ftell(file);
    rewind(file);
    t.bytes = (char *)calloc(t.length + 64, 1);
    if (!t.bytes || fread(t.bytes, 1, t.length, file) != t.length)
        exit(EXIT_FAILURE);
    fclose(file);
    return t;
}

static inline double peer_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* The best of many runs; `work` returns 0 when it fails. */
static inline void peer_measure(const char *what, const struct peer_text *t,
                                int (*work)(const struct peer_text *t))
{
    double best = 1e30, begin = peer_now_ns();
    for (int runs = 0; runs < 5 || (runs < 100 && peer_now_ns() - begin < 3e8);
         runs++) {
        double start = peer_now_ns();
        if (!work(t))
            exit(EXIT_FAILURE);
        double took = peer_now_ns() - start;
        best = took < best ? took : best;
    }
    printf("%s %.3f\n", what, best / t->count);
}

#endif
