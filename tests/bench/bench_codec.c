/* A matrix from text to float32 and back, beside jansson, the C library and the peers
 * that were built, in one run on one thread. Prints lines "NAME VALUE", nanoseconds a
 * number, the best of several runs; NAME_ratio is how many times faster ours is. With
 * --json one object of the same names.
 *
 * A peer is a program peer_NAME beside this one: called with the matrix in a file and
 * the count of its numbers, it prints "read VALUE", and "write VALUE" if it can. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    char peers[3072]; /* the peers' path up to the name */
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

static bool as_json;

static void print(const char *task, const char *who, const char *suffix, double value)
{
    static bool behind_first;
    if (as_json)
        printf("%s\"%s_%s%s\": %.3f", behind_first ? ",\n " : "{", task, who, suffix,
               value);
    else
        printf("%s_%s%s %.3f\n", task, who, suffix, value);
    behind_first = true;
    fflush(stdout);
}

/* Ours comes first in every task. */
static void report(const char *task, const char *who, double ns)
{
    static double ours;
    print(task, who, "", ns);
    if (strcmp(who, "ours") == 0)
        ours = ns;
    else
        print(task, who, "_ratio", ns / ours);
}

static void measure(const char *task, const char *who, void (*work)(struct bench *b),
                    struct bench *b)
{
    double best = 1e30, begin = now_ns();
    for (int runs = 0; runs < 5 || (runs < 100 && now_ns() - begin < 3e8); runs++) {
        double start = now_ns();
        work(b);
        double took = now_ns() - start;
        best = took < best ? took : best;
    }
    report(task, who, best / COUNT);
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
    const size_t flags = JSON_REAL_PRECISION(b->digits ? b->digits : 9);
    if (json_dumpb(b->tree, b->out, TEXT_BYTES, flags) == 0)
        give_up("jansson writes nothing");
}

static void write_printf(struct bench *b)
{
    char *at = b->out;
    for (size_t i = 0; i < COUNT; i++)
        at +=
            sprintf(at, "%.*g,", b->digits ? (int)b->digits : 9, (double)b->values[i]);
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

/* What the peer says about `what`, or a negative number. */
static double ask_peer(const struct bench *b, const char *peer, const char *what)
{
    char file[] = "/tmp/bench_codec.XXXXXX", command[4096], name[64];
    snprintf(command, sizeof command, "%.3000s_%s", b->peers, peer);
    if (access(command, X_OK) != 0)
        return -1;
    int handle = mkstemp(file);
    if (handle < 0 || write(handle, b->text, b->length) != (ssize_t)b->length)
        give_up("no file for the peers");
    close(handle);

    snprintf(command, sizeof command, "'%.3000s_%s' %s %d", b->peers, peer, file,
             COUNT);
    double value, found = -1;
    FILE *answer = popen(command, "r");
    while (answer && fscanf(answer, "%63s %lf", name, &value) == 2)
        if (strcmp(name, what) == 0)
            found = value;
    if (answer)
        pclose(answer);
    unlink(file);
    return found;
}

static void measure_peers(const char *task, const char *what, const struct bench *b)
{
    static const char *const peers[] = {"simdjson", "yyjson"};
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        double ns = ask_peer(b, peers[i], what);
        if (ns > 0)
            report(task, peers[i], ns);
    }
}

static void measure_reading(const char *task, struct bench *b)
{
    print(task, "bytes", "", (double)b->length / COUNT);
    measure(task, "ours", read_ours, b);
    measure(task, "strtof", read_strtof, b);
    measure(task, "jansson", read_jansson, b);
    measure_peers(task, "read", b);
}

static void measure_writing(const char *task, unsigned digits, struct bench *b)
{
    b->digits = digits;
    measure(task, "ours", write_ours, b);
    measure(task, "sprintf", write_printf, b);
    measure(task, "jansson", write_jansson, b);
    measure_peers(task, "write", b);
}

int main(int count, char **argument)
{
    struct bench b = {.values = malloc(COUNT * sizeof(float)),
                      .text = malloc(TEXT_BYTES),
                      .out = malloc(TEXT_BYTES),
                      .base64 = malloc(base64_length(COUNT * sizeof(float)))};
    if (!b.values || !b.text || !b.out || !b.base64)
        give_up("no memory");
    as_json = count > 1 && strcmp(argument[1], "--json") == 0;
    const char *slash = strrchr(argument[0], '/');
    snprintf(b.peers, sizeof b.peers, "%.*s/peer",
             slash ? (int)(slash - argument[0]) : 1, slash ? argument[0] : ".");
    fill(&b, 0.05f);

    make_text(&b, true);
    measure_reading("read_doubles", &b);
    b.tree = json_loadb(b.text, b.length, 0, NULL);
    make_text(&b, false);
    measure_reading("read_shortest", &b);
    measure_writing("write_shortest", 0, &b);
    measure_writing("write_9_digits", 9, &b);
    measure_writing("write_4_digits", 4, &b);
    measure("base64_encode", "ours", encode_base64, &b);
    measure("base64_decode", "ours", decode_base64, &b);
    if (as_json)
        printf("}\n");

    json_decref(b.tree);
    free(b.values);
    free(b.text);
    free(b.out);
    free(b.base64);
    return EXIT_SUCCESS;
}
