/* A matrix from text to float32 and back, beside jansson and the C library, in one
 * run on one thread: nanoseconds a number, the best of several. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/base64.h"
#include "codec/number.h"
#include "codec/tensor_json.h"
#include "codec/tensor_rows.h"
#include "support/test.h"

enum { ROWS = 512, WIDTH = 512, COUNT = ROWS * WIDTH, TEXT_BYTES = COUNT * 26 };

struct bench {
    float *values;
    char *text; /* the matrix as JSON */
    size_t length;
    char *out;
    json_t *tree;
    unsigned digits;
    char *base64;
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void give_up(const char *what)
{
    fprintf(stderr, "bench_codec: %s\n", what);
    exit(EXIT_FAILURE);
}

static void measure(const char *name, void (*work)(struct bench *b), struct bench *b)
{
    double best = 1e30, begin = now_ns();
    for (int runs = 0; runs < 5 || (runs < 100 && now_ns() - begin < 3e8); runs++) {
        double start = now_ns();
        work(b);
        double took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("  %-32s %8.1f\n", name, best / COUNT);
}

static void read_ours(struct bench *b)
{
    const struct tensor_rules rules = {2, 2, 8192, "max_tokens"};
    struct arena arena;
    struct json_reader r;
    struct tensor t;
    struct error e = {0};
    arena_init(&arena, 256 << 20, NULL);
    json_reader_init(&r, b->text, b->length, &arena);
    if (!tensor_from_json(&r, NULL, &rules, &t, &e) || tensor_count(&t) != COUNT)
        give_up(e.message);
    arena_free(&arena);
}

static void read_jansson(struct bench *b)
{
    json_t *tree = json_loadb(b->text, b->length, JSON_DECODE_INT_AS_REAL, NULL);
    if (!tree)
        give_up("jansson refuses the matrix");
    json_decref(tree);
}

static void read_strtof(struct bench *b)
{
    const char *at = b->text;
    float sum = 0;
    for (size_t i = 0; i < COUNT; i++) {
        char *end;
        at += strcspn(at, "-0123456789");
        sum += strtof(at, &end);
        at = end;
    }
    if (!isfinite(sum))
        give_up("a number is not finite");
}

static void write_ours(struct bench *b)
{
    struct row_numbers numbers = {
        .data = b->values, .stride = 1, .rank = 2, .extent = {ROWS, WIDTH}};
    struct tensor_rows rows = tensor_rows_nested(&numbers, ROWS_NUMBERS, b->digits);
    if (tensor_rows_write(&rows, 0, ROWS, b->out) > b->out + ROWS * rows.row_bound)
        give_up("a matrix leaves its room");
}

static void write_jansson(struct bench *b)
{
    if (json_dumpb(b->tree, b->out, TEXT_BYTES, JSON_REAL_PRECISION(9)) == 0)
        give_up("jansson writes nothing");
}

static void write_printf(struct bench *b)
{
    char *at = b->out;
    for (size_t i = 0; i < COUNT; i++)
        at += sprintf(at, "%.9g,", (double)b->values[i]);
}

static void encode_base64(struct bench *b)
{
    if (base64_encode(b->values, COUNT * sizeof(float), b->base64) == 0)
        give_up("base64");
}

static void decode_base64(struct bench *b)
{
    size_t wrong;
    if (!base64_decode(b->base64, base64_length(COUNT * sizeof(float)), b->out, &wrong))
        give_up("base64");
}

/* The matrix as text: its numbers shortest, or as clients print doubles. */
static void make_text(struct bench *b, bool doubles)
{
    char *at = b->text;
    for (size_t i = 0; i < COUNT; i++) {
        at += sprintf(at, "%s", i == 0 ? "[[" : i % WIDTH == 0 ? "],[" : ",");
        if (doubles)
            at += sprintf(at, "%.17g", (double)b->values[i]);
        else
            at += number_write(b->values[i], at);
    }
    at += sprintf(at, "]]");
    b->length = (size_t)(at - b->text);
}

/* Sums of uniform numbers: near enough to the bell of trained weights. */
static void fill(struct bench *b, float size)
{
    struct test_random random = {2026};
    for (size_t i = 0; i < COUNT; i++) {
        float sum = 0;
        for (int k = 0; k < 4; k++)
            sum += test_random_float(&random);
        b->values[i] = size * sum;
    }
}

int main(void)
{
    struct bench b = {.values = malloc(COUNT * sizeof(float)),
                      .text = malloc(TEXT_BYTES),
                      .out = malloc(TEXT_BYTES),
                      .base64 = malloc(base64_length(COUNT * sizeof(float)))};
    if (!b.values || !b.text || !b.out || !b.base64)
        give_up("no memory");
    fill(&b, 0.05f);

    make_text(&b, false);
    printf("%dx%d numbers, %.1f bytes each; nanoseconds a number\nread\n", ROWS, WIDTH,
           (double)b.length / COUNT);
    measure("ours", read_ours, &b);
    measure("strtof", read_strtof, &b);
    measure("jansson", read_jansson, &b);
    make_text(&b, true);
    printf("read, printed as doubles, %.1f bytes each\n", (double)b.length / COUNT);
    measure("ours", read_ours, &b);
    measure("strtof", read_strtof, &b);
    measure("jansson", read_jansson, &b);

    b.tree = json_loadb(b.text, b.length, 0, NULL);
    printf("write\n");
    measure("ours, shortest", write_ours, &b);
    b.digits = 9;
    measure("ours, 9 digits", write_ours, &b);
    b.digits = 4;
    measure("ours, 4 digits", write_ours, &b);
    measure("sprintf %.9g", write_printf, &b);
    measure("jansson, 9 digits", write_jansson, &b);
    printf("base64\n");
    measure("encode", encode_base64, &b);
    measure("decode", decode_base64, &b);

    json_decref(b.tree);
    free(b.values);
    free(b.text);
    free(b.out);
    free(b.base64);
    return EXIT_SUCCESS;
}
