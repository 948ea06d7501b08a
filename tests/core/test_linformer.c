#include "core/linformer.h"

#include "core/blas.h"
#include "core/random.h"
#include "support/method_case.h"

static void setup(void)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
}

/* sum_j x[r][j] rows[j][c] */
static double projected(const float *x, size_t S, size_t r,
                        const struct heads_view *rows, size_t g, size_t c)
{
    double sum = 0;
    for (size_t j = 0; j < S; j++)
        sum += (double)x[r * S + j] *
               (double)rows->data[g * rows->head_stride + j * rows->row_stride + c];
    return sum;
}

/* The header's formula for one row of one head: weights [rank], out [dv]; the lse. */
static double true_row(const struct attention_case *c, size_t h, size_t i,
                       double *weights, double *out)
{
    const struct attention *a = &c->a;
    const struct attention_method *m = a->method;
    size_t g = h / (a->H / a->G);
    for (size_t r = 0; r < m->rank; r++) {
        weights[r] = 0;
        for (size_t channel = 0; channel < a->dk; channel++)
            weights[r] += (double)a->scale * method_query(c, h, i, channel) *
                          projected(m->e, a->S, r, &a->key, g, channel);
    }
    double lse = method_softmax(weights, m->rank);
    for (size_t e = 0; e < a->dv; e++) {
        out[e] = 0;
        for (size_t r = 0; r < m->rank; r++)
            out[e] += weights[r] * projected(m->f, a->S, r, &a->value, g, e);
    }
    return lse;
}

static void check_case(const struct attention_case *c)
{
    const struct attention *a = &c->a;
    size_t rank = a->method->rank;
    double *weights = malloc(rank * sizeof *weights);
    double *out = malloc(a->dv * sizeof *out);
    double *mean = calloc(a->T * rank, sizeof *mean);
    for (size_t h = 0; h < a->H; h++)
        for (size_t i = 0; i < a->T; i++) {
            double lse = true_row(c, h, i, weights, out);
            ck_assert_close(a->lse[h * a->T + i], lse, 1e-4, 1e-4);
            for (size_t e = 0; e < a->dv; e++)
                ck_assert_close(attention_case_out(c, h, i, e), out[e], 1e-4, 1e-4);
            for (size_t r = 0; r < rank; r++) {
                mean[i * rank + r] += weights[r] / (double)a->H;
                for (size_t m = 0; m < a->map_head_count; m++)
                    if (a->map_heads[m] == h)
                        ck_assert_close(a->maps[(m * a->T + i) * rank + r], weights[r],
                                        1e-4, 1e-5);
            }
        }
    for (size_t n = 0; n < a->T * rank; n++)
        ck_assert_close(a->mean_map[n], mean[n], 1e-4, 1e-5);
    free(weights);
    free(out);
    free(mean);
}

START_TEST(given_matrices_give_the_formula)
{
    struct test_random r = {1};
    setup();
    for (int n = 0; n < 40; n++) {
        struct attention_case *c = method_case_random(&r, 1e4, false);
        size_t rank = test_random_size(&r, 1, c->a.S), count = rank * c->a.S;
        float *e = method_numbers(&r, count), *f = method_numbers(&r, count);
        for (size_t x = 0; x < count; x++)
            e[x] /= sqrtf((float)c->a.S);
        const struct attention_method m = {.rank = rank, .e = e, .f = f};
        c->a.method = &m;
        ck_assert(attention_case_run(c, &linformer, &r));
        check_case(c);
        free(e);
        free(f);
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(many_keys_are_summed_up_in_parts)
{
    enum { KEYS = 600, RANK = 20 };
    struct test_random r = {5};
    setup();
    struct attention_case *c = attention_case_plain(&r, 2, 3, KEYS, 4, HEADS_INSIDE);
    float *e = method_numbers(&r, RANK * KEYS), *f = method_numbers(&r, RANK * KEYS);
    const struct attention_method m = {.rank = RANK, .e = e, .f = f};
    c->a.method = &m;
    c->a.scale = 0.02f;
    ck_assert(attention_case_run(c, &linformer, &r));
    check_case(c);
    free(e);
    free(f);
    attention_case_delete(c);
}
END_TEST

START_TEST(unit_matrices_are_exact)
{
    struct test_random r = {2};
    setup();
    for (int n = 0; n < 20; n++) {
        struct attention_case *c = method_case_random(&r, 2e5, false);
        struct attention *a = &c->a;
        float *unit = calloc(a->S * a->S, sizeof *unit);
        for (size_t j = 0; j < a->S; j++)
            unit[j * a->S + j] = 1;
        const struct attention_method m = {.rank = a->S, .e = unit, .f = unit};
        a->method = &m;
        ck_assert(attention_case_run(c, &linformer, &r));
        attention_case_solve(c);
        attention_case_check(c, "linformer with E = F = I");
        free(unit);
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(drawn_matrices_are_those_of_the_header)
{
    struct test_random r = {3};
    setup();
    for (int n = 0; n < 10; n++) {
        struct attention_case *c = method_case_random(&r, 2e5, false);
        struct attention *a = &c->a;
        size_t rank = test_random_size(&r, 1, a->S),
               bytes = c->out_count * sizeof(float);
        float *e = malloc(rank * a->S * sizeof *e),
              *f = malloc(rank * a->S * sizeof *f);
        uint64_t seed = test_random_next(&r);
        for (size_t row = 0; row < rank; row++)
            for (size_t j = 0; j < a->S; j++) {
                double deviation = 1 / sqrt((double)rank);
                e[row * a->S + j] =
                    (float)(deviation * random_normal(random_stream(seed, 2 * row), j));
                f[row * a->S + j] =
                    (float)(deviation *
                            random_normal(random_stream(seed, 2 * row + 1), j));
            }
        const struct attention_method drawn = {.rank = rank, .seed = seed};
        const struct attention_method given = {.rank = rank, .e = e, .f = f};
        float *out = malloc(bytes);
        a->method = &drawn;
        ck_assert(attention_case_run(c, &linformer, &r));
        memcpy(out, c->out, bytes);
        a->method = &given;
        ck_assert(attention_case_run(c, &linformer, &r));
        ck_assert_mem_eq(out, c->out, bytes);

        const struct attention_method other = {.rank = rank, .seed = seed + 1};
        a->method = &other;
        ck_assert(attention_case_run(c, &linformer, &r));
        ck_assert(memcmp(out, c->out, bytes) != 0);
        free(e);
        free(f);
        free(out);
        attention_case_delete(c);
    }
}
END_TEST

/* A tile of the mean map has all heads, and so fewer queries where they are much work.
 */
START_TEST(the_mean_of_many_heads_is_that_of_their_maps)
{
    enum { T = 70, H = 128, S = 1024, D = 128 };
    static const struct attention_method m = {
        .name = METHOD_LINFORMER, .rank = S, .seed = 3};
    struct test_random r = {11};
    setup();
    float *x = method_numbers(&r, (size_t)T * H * D), *y = method_numbers(&r, S * D);
    float *maps = malloc((size_t)H * T * S * sizeof *maps);
    float *mean = malloc((size_t)T * S * sizeof *mean);
    size_t heads[H];
    for (size_t h = 0; h < H; h++)
        heads[h] = h;
    struct attention a = {.H = H,
                          .G = 1,
                          .T = T,
                          .S = S,
                          .dk = D,
                          .dv = D,
                          .query = {x, D, (size_t)H * D},
                          .key = {y, 0, D},
                          .value = {y, 0, D},
                          .scale = 0.1f,
                          .method = &m,
                          .maps = maps,
                          .map_heads = heads,
                          .map_head_count = H};
    void *packed = aligned_alloc(64, linformer.packed_bytes(&a) / 64 * 64 + 64);
    void *scratch = aligned_alloc(64, linformer.scratch_bytes(&a) / 64 * 64 + 64);
    for (size_t n = 0; n < linformer.packs(&a); n++)
        linformer.pack(&a, n, packed);
    ck_assert_uint_eq(linformer.tiles(&a), 2 * H);
    for (size_t n = linformer.tiles(&a); n-- > 0;)
        ck_assert(linformer.run(&a, packed, n, scratch));
    a.maps = NULL;
    a.mean_map = mean;
    ck_assert_uint_gt(linformer.tiles(&a), 2);
    for (size_t n = linformer.tiles(&a); n-- > 0;)
        ck_assert(linformer.run(&a, packed, n, scratch));
    for (size_t i = 0; i < (size_t)T * S; i++) {
        double sum = 0;
        for (size_t h = 0; h < H; h++)
            sum += (double)maps[h * T * S + i];
        ck_assert_close(mean[i], sum / H, 1e-6, 1e-4);
    }
    free(packed);
    free(scratch);
    free(x);
    free(y);
    free(maps);
    free(mean);
}
END_TEST

START_TEST(numbers_that_leave_float32_are_said)
{
    struct test_random r = {4};
    setup();
    struct attention_case *c = attention_case_plain(&r, 2, 5, 7, 4, HEADS_INSIDE);
    const struct attention_method m = {.rank = 3, .seed = 1};
    c->a.method = &m;
    c->query[0] = 3e38f;
    c->key[0] = 3e38f;
    ck_assert(!attention_case_run(c, &linformer, &r));
    attention_case_delete(c);
}
END_TEST

TEST_PROGRAM("linformer", given_matrices_give_the_formula,
             many_keys_are_summed_up_in_parts, unit_matrices_are_exact,
             drawn_matrices_are_those_of_the_header,
             the_mean_of_many_heads_is_that_of_their_maps,
             numbers_that_leave_float32_are_said)
