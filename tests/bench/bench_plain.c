/* Attention as one writes it over OpenBLAS: for each head scores = Q K^T, a softmax of
 * every row with expf, then weights V; one thread. What the tiled kernel is measured
 * against, in the form of bench_attention_shapes.h, on its shapes and its layout:
 *
 *   bench_plain [--seconds S] [--kinds products,full,causal,map] --shapes T,H,d ...
 *
 * "products" leaves the softmax out. "causal" computes the hidden half, too, as the
 * library cannot leave it out, and the visible half is what is counted. */
#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_RUNS = 2000 };

struct problem {
    size_t T, H, d;
    float *query, *key, *value, *out; /* [T][H d] */
    float *scores;                    /* [T][T], of every head when `maps` */
    bool softmax, causal, maps;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(size_t count)
{
    float *x = malloc(count * sizeof *x);
    if (!x)
        abort();
    for (size_t n = 0; n < count; n++)
        x[n] = (float)(n * 2654435761u % 2001) / 1000.0f - 1.0f;
    return x;
}

static void softmax(float *row, size_t n, size_t visible)
{
    float max = -INFINITY, sum = 0;
    for (size_t j = 0; j < visible; j++)
        max = row[j] > max ? row[j] : max;
    for (size_t j = 0; j < visible; j++)
        sum += row[j] = expf(row[j] - max);
    for (size_t j = 0; j < visible; j++)
        row[j] /= sum;
    memset(row + visible, 0, (n - visible) * sizeof *row);
}

static void attend(const struct problem *p, size_t head)
{
    blasint T = (blasint)p->T, d = (blasint)p->d, stride = (blasint)(p->H * p->d);
    size_t first = head * p->d;
    float *scores = p->scores + (p->maps ? head * p->T * p->T : 0);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, T, T, d, 0.125f,
                p->query + first, stride, p->key + first, stride, 0, scores, T);
    for (size_t i = 0; p->softmax && i < p->T; i++)
        softmax(scores + i * p->T, p->T, p->causal ? i + 1 : p->T);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, T, d, T, 1, scores, T,
                p->value + first, stride, 0, p->out + first, stride);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In seconds, ascending; the first run, which touches the memory, is not counted. */
static size_t measure(const struct problem *p, double most, double times[MOST_RUNS])
{
    size_t count = 0;
    double begin = 0;
    for (size_t n = 0; count == 0 || (count < MOST_RUNS && seconds() - begin < most);
         n++) {
        double start = seconds();
        for (size_t head = 0; head < p->H; head++)
            attend(p, head);
        if (n == 0)
            begin = seconds();
        else
            times[count++] = seconds() - start;
    }
    qsort(times, count, sizeof *times, ascending);
    return count;
}

static void report(struct problem *p, const char *kind, double most)
{
    double times[MOST_RUNS], T = (double)p->T;
    p->softmax = strcmp(kind, "products") != 0;
    p->causal = strcmp(kind, "causal") == 0;
    p->maps = strcmp(kind, "map") == 0;
    p->scores = numbers((p->maps ? p->H : 1) * p->T * p->T);
    size_t count = measure(p, most, times);
    free(p->scores);
    double cells = p->causal ? T * (T + 1) / 2 : T * T;
    printf("{\"kind\":\"%s\",\"t\":%zu,\"h\":%zu,\"d\":%zu,\"threads\":1,"
           "\"min_ms\":%.4f,\"median_ms\":%.4f,\"gflops\":%.1f}\n",
           kind, p->T, p->H, p->d, 1e3 * times[0], 1e3 * times[count / 2],
           4 * cells * (double)(p->H * p->d) / times[0] * 1e-9);
    fflush(stdout);
}

static bool report_shape(const char *shape, const char *kinds, double most)
{
    struct problem p = {0};
    if (sscanf(shape, "%zu,%zu,%zu", &p.T, &p.H, &p.d) != 3 || !p.T || !p.H || !p.d)
        return false;
    size_t count = p.T * p.H * p.d;
    p.query = numbers(count);
    p.key = numbers(count);
    p.value = numbers(count);
    p.out = numbers(count);
    char list[64], *rest = list;
    snprintf(list, sizeof list, "%s", kinds);
    for (const char *kind; (kind = strtok_r(rest, ",", &rest));)
        report(&p, kind, most);
    free(p.query);
    free(p.key);
    free(p.value);
    free(p.out);
    return true;
}

int main(int count, char **arguments)
{
    const char *kinds = "products,full,causal,map";
    double most = 0.3;
    openblas_set_num_threads(1);
    for (int n = 1; n < count; n++) {
        bool more = n + 1 < count;
        if (more && strcmp(arguments[n], "--kinds") == 0)
            kinds = arguments[++n];
        else if (more && strcmp(arguments[n], "--seconds") == 0)
            most = strtod(arguments[++n], NULL);
        else if (strcmp(arguments[n], "--shapes") != 0 &&
                 !report_shape(arguments[n], kinds, most)) {
            fprintf(stderr, "bench_plain: %s?\n", arguments[n]);
            return 2;
        }
    }
    return 0;
}
