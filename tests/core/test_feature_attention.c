#include "core/feature_attention.h"

#include "core/blas.h"
#include "support/method_case.h"

static void setup(void)
{
    struct error e = {0};
    ck_assert(blas_init(&e));
}

static size_t feature_count(const struct attention *a)
{
    return a->method->name == METHOD_PERFORMER ? a->method->features : a->dk;
}

/* log phi_r of a row of x, whose squares are half of `norm`. */
static double log_feature(const struct attention *a, const float *x, size_t r,
                          double factor, bool is_key)
{
    if (a->method->name != METHOD_PERFORMER)
        return x[r] > 0 ? log((double)x[r] + 1) : (double)x[r];
    double dot = 0, squares = 0;
    for (size_t c = 0; c < a->dk; c++) {
        double turned = factor * (double)x[c];
        dot += (double)a->method->feature[r * a->dk + c] * turned;
        squares += turned * turned;
    }
    return is_key ? dot - squares / 2 : dot;
}

/* log phi(q_i) . phi(k_j), but for what a query's features have in common. */
static double log_similarity(const struct attention *a, size_t h, size_t i, size_t j)
{
    size_t count = feature_count(a), g = h / (a->H / a->G);
    const float *q = a->query.data + h * a->query.head_stride + i * a->query.row_stride;
    const float *k = a->key.data + g * a->key.head_stride + j * a->key.row_stride;
    double factor = sqrt(fabs((double)a->scale));
    double *logs = malloc(count * sizeof *logs);
    for (size_t r = 0; r < count; r++)
        logs[r] = log_feature(a, q, r, a->scale < 0 ? -factor : factor, false) +
                  log_feature(a, k, r, factor, true);
    double sum = method_softmax(logs, count);
    free(logs);
    return sum;
}

/* The formula of the header over the first `seen` keys, all scores at once. */
static void check_row(const struct attention_case *c, size_t h, size_t i, size_t seen)
{
    const struct attention *a = &c->a;
    double *weights = malloc(a->S * sizeof *weights);
    for (size_t j = 0; j < seen; j++)
        weights[j] = log_similarity(a, h, i, j);
    if (seen)
        method_softmax(weights, seen);
    for (size_t e = 0; e < a->dv; e++) {
        double want = 0;
        for (size_t j = 0; j < seen; j++)
            want += weights[j] * method_value(c, h, j, e);
        ck_assert_close(attention_case_out(c, h, i, e), want, 1e-4, 3e-5);
    }
    free(weights);
}

static void check_case(const struct attention_case *c)
{
    const struct attention *a = &c->a;
    for (size_t h = 0; h < a->H; h++)
        for (size_t i = 0; i < a->T; i++) {
            ptrdiff_t seen = (ptrdiff_t)i + a->offset + 1;
            seen = !a->causal || seen > (ptrdiff_t)a->S ? (ptrdiff_t)a->S : seen;
            check_row(c, h, i, seen < 0 ? 0 : (size_t)seen);
        }
}

START_TEST(elu_recurrent_and_at_once_gives_the_parallel_formula)
{
    static const struct attention_method elu = {.name = METHOD_LINEAR,
                                                .rule = RULE_ELU};
    struct test_random r = {1};
    setup();
    for (int n = 0; n < 40; n++) {
        struct attention_case *c = method_case_random(&r, n < 36 ? 1e5 : 4e5, false);
        c->a.method = &elu;
        c->a.causal = n % 2;
        ck_assert(attention_case_run(c, &feature_attention, &r));
        check_case(c);
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(performer_recurrent_and_at_once_gives_the_parallel_formula)
{
    struct test_random r = {2};
    setup();
    for (int n = 0; n < 40; n++) {
        struct attention_case *c = method_case_random(&r, 3e4, false);
        struct attention_method m = {.name = METHOD_PERFORMER,
                                     .features = test_random_size(&r, 1, 40)};
        struct arena arena;
        struct error e = {0};
        arena_init(&arena, (size_t)1 << 24, NULL);
        m.feature =
            feature_attention_draw(m.features, c->a.dk, (uint64_t)n, &arena, &e);
        c->a.method = &m;
        c->a.causal = n % 2;
        c->a.scale *= n % 5 ? 1 : -1;
        ck_assert(attention_case_run(c, &feature_attention, &r));
        check_case(c);
        arena_free(&arena);
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(several_chunks_of_keys_are_one_sum)
{
    static const struct attention_method elu = {.name = METHOD_LINEAR,
                                                .rule = RULE_ELU};
    struct test_random r = {3};
    setup();
    for (int n = 0; n < 4; n++) {
        struct attention_case *c = attention_case_plain(
            &r, 1, n < 2 ? 300 : 520, n < 2 ? 520 : 300, 3, HEADS_APART);
        c->a.method = &elu;
        c->a.causal = n % 2;
        c->a.offset = n == 1 ? 220 : -220;
        ck_assert(attention_case_run(c, &feature_attention, &r));
        check_case(c);
        attention_case_delete(c);
    }
}
END_TEST

/* All packs and tiles, the last ones first. */
static bool run_all(const struct attention *a)
{
    const struct attention_kernel *k = &feature_attention;
    void *packed = aligned_alloc(64, k->packed_bytes(a) / 64 * 64 + 64);
    void *scratch = aligned_alloc(64, k->scratch_bytes(a) / 64 * 64 + 64);
    bool finite = true;
    for (size_t n = k->packs(a); n-- > 0;)
        k->pack(a, n, packed);
    for (size_t n = k->tiles(a); n-- > 0;)
        finite = k->run(a, packed, n, scratch) && finite;
    free(packed);
    free(scratch);
    return finite;
}

/* By heads, channels of the values and features; as if each channel were all. */
START_TEST(much_work_is_cut_and_gives_the_same)
{
    enum { T = 40, H = 6, G = 2, DK = 600, DV = 1500, SOME = 125 };
    static const struct attention_method elu = {.name = METHOD_LINEAR,
                                                .rule = RULE_ELU};
    struct test_random r = {9};
    setup();
    float *query = method_numbers(&r, (size_t)T * H * DK);
    float *key = method_numbers(&r, (size_t)T * G * DK);
    float *value = method_numbers(&r, (size_t)T * G * DV);
    float *all = malloc((size_t)T * H * DV * sizeof *all);
    float *some = malloc((size_t)T * H * SOME * sizeof *some);
    struct attention a = {.H = H,
                          .G = G,
                          .T = T,
                          .S = T,
                          .dk = DK,
                          .dv = DV,
                          .query = {query, DK, (size_t)H * DK},
                          .key = {key, DK, (size_t)G * DK},
                          .value = {value, DV, (size_t)G * DV},
                          .scale = 1,
                          .method = &elu};
    for (int causal = 0; causal < 2; causal++) {
        a.causal = causal;
        a.dv = DV;
        a.value.data = value;
        a.out = all;
        a.out_head_stride = DV;
        a.out_row_stride = (size_t)H * DV;
        ck_assert_uint_gt(feature_attention.packs(&a), G);
        ck_assert_uint_ge(feature_attention.tiles(&a), causal ? 2 * (size_t)H : H);
        ck_assert(run_all(&a));
        a.dv = SOME;
        a.out = some;
        a.out_head_stride = SOME;
        a.out_row_stride = (size_t)H * SOME;
        for (size_t c = 0; c < DV; c += SOME) {
            a.value.data = value + c;
            ck_assert(run_all(&a));
            for (size_t n = 0; n < (size_t)T * H * SOME; n++)
                ck_assert_close(all[n / SOME * DV + c + n % SOME], some[n], 1e-5, 1e-5);
        }
    }
    /* Nothing is cut any further: one head, and few channels. */
    static const struct attention_method many = {.name = METHOD_PERFORMER,
                                                 .features = 1 << 14};
    struct attention least = {.H = 1, .G = 1, .T = T, .S = T, .dk = 16, .dv = 64};
    least.method = &many;
    least.causal = true;
    ck_assert_uint_eq(feature_attention.tiles(&least), 1);
    free(query);
    free(key);
    free(value);
    free(all);
    free(some);
}
END_TEST

START_TEST(features_that_float32_does_not_reach_still_count)
{
    static const struct attention_method elu = {.name = METHOD_LINEAR,
                                                .rule = RULE_ELU};
    struct test_random r = {4};
    setup();
    for (int causal = 0; causal < 2; causal++) {
        struct attention_case *c = attention_case_plain(&r, 1, 9, 9, 2, HEADS_OUTSIDE);
        for (size_t n = 0; n < c->key_count; n++)
            c->key[n] -=
                1000.0f * (float)(n / 2); /* exp() of it is 0 even in float64 */
        for (size_t n = 0; n < c->query_count; n++)
            c->query[n] -= 300.0f;
        c->a.method = &elu;
        c->a.causal = causal;
        ck_assert(attention_case_run(c, &feature_attention, &r));
        check_case(c);
        attention_case_delete(c);
    }
}
END_TEST

START_TEST(a_key_of_the_future_does_not_reach_the_output)
{
    static const struct attention_method elu = {.name = METHOD_LINEAR,
                                                .rule = RULE_ELU};
    struct test_random r = {5};
    setup();
    struct attention_case *c = attention_case_plain(&r, 1, 20, 20, 4, HEADS_OUTSIDE);
    c->a.method = &elu;
    c->a.causal = true;
    ck_assert(attention_case_run(c, &feature_attention, &r));
    float before[76];
    memcpy(before, c->out, sizeof before); /* of 19 rows */
    for (size_t n = 76; n < 80; n++)
        c->key[n] = c->value[n] = NAN;
    ck_assert(!attention_case_run(c, &feature_attention, &r));
    ck_assert_mem_eq(before, c->out, sizeof before);
    attention_case_delete(c);
}
END_TEST

START_TEST(features_are_orthogonal_in_blocks_and_normal_one_by_one)
{
    enum { DK = 12, FEATURES = 2400 };
    struct arena arena;
    struct error e = {0};
    arena_init(&arena, (size_t)1 << 24, NULL);
    const float *w = feature_attention_draw(FEATURES, DK, 9, &arena, &e);
    double squares = 0, fourths = 0;
    for (size_t r = 0; r < FEATURES; r++) {
        double length = 0;
        for (size_t c = 0; c < DK; c++) {
            double x = (double)w[r * DK + c];
            length += x * x;
            fourths += x * x * x * x / (FEATURES * DK);
        }
        squares += length / FEATURES;
        for (size_t other = r / DK * DK; other < r; other++) {
            double dot = 0;
            for (size_t c = 0; c < DK; c++)
                dot += (double)w[r * DK + c] * (double)w[other * DK + c];
            ck_assert_close(dot, 0, 0, 1e-5);
        }
    }
    /* Five standard deviations of means of 2400 lengths, and of 28800 fourth powers. */
    ck_assert_close(squares, DK, 0, 5 * sqrt(2.0 * DK / FEATURES));
    ck_assert_close(fourths, 3, 0, 5 * sqrt(96.0 / (FEATURES * DK)));
    arena_free(&arena);
}
END_TEST

START_TEST(wide_keys_have_blocks_of_fewer_features)
{
    enum { DK = 100, FEATURES = 66 };
    struct arena arena;
    struct error e = {0};
    arena_init(&arena, (size_t)1 << 24, NULL);
    const float *w = feature_attention_draw(FEATURES, DK, 9, &arena, &e);
    double across = 0;
    for (size_t r = 0; r < FEATURES; r++)
        for (size_t other = 0; other < r; other++) {
            double dot = 0;
            for (size_t c = 0; c < DK; c++)
                dot += (double)w[r * DK + c] * (double)w[other * DK + c];
            if (r / FEATURE_BLOCK == other / FEATURE_BLOCK)
                ck_assert_close(dot, 0, 0, 1e-4);
            else
                across = fmax(across, fabs(dot));
        }
    ck_assert(across > 1);
    arena_free(&arena);
}
END_TEST

/* The root of the mean square error of performer to the exact answer, over seeds. */
static double error_with(struct attention_case *c, size_t features,
                         struct test_random *r)
{
    enum { SEEDS = 40 };
    double squares = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct arena arena;
        struct error e = {0};
        arena_init(&arena, (size_t)1 << 24, NULL);
        const struct attention_method m = {
            .name = METHOD_PERFORMER,
            .features = features,
            .feature = feature_attention_draw(features, c->a.dk, seed, &arena, &e)};
        c->a.method = &m;
        ck_assert(attention_case_run(c, &feature_attention, r));
        for (size_t n = 0; n < c->out_count; n++) {
            double off = (double)c->out[n] - c->true_out[n];
            squares += off * off / ((double)c->out_count * SEEDS);
        }
        arena_free(&arena);
    }
    return sqrt(squares);
}

START_TEST(sixteen_times_the_features_have_a_quarter_of_the_error)
{
    struct test_random r = {6};
    setup();
    struct attention_case *c = attention_case_plain(&r, 1, 24, 24, 8, HEADS_OUTSIDE);
    for (size_t n = 0; n < c->query_count; n++)
        c->query[n] /= 4; /* short rows: exp() of them has light tails */
    for (size_t n = 0; n < c->key_count; n++)
        c->key[n] /= 4;
    attention_case_solve(c);
    double few = error_with(c, 32, &r), many = error_with(c, 512, &r);
    ck_assert_msg(few / many > 3 && few / many < 5.4, "%g, then %g", few, many);
    ck_assert(many < 0.002);
    attention_case_delete(c);
}
END_TEST

START_TEST(numbers_that_leave_float32_are_said)
{
    struct test_random r = {7};
    const float feature[4] = {1, 1, 1, 1};
    const struct attention_method methods[] = {
        {.name = METHOD_LINEAR, .rule = RULE_ELU},
        {.name = METHOD_PERFORMER, .features = 1, .feature = feature}};
    setup();
    for (size_t n = 0; n < 4; n++) {
        struct attention_case *c = attention_case_plain(&r, 1, 5, 7, 4, HEADS_INSIDE);
        c->a.method = &methods[n % 2];
        c->a.causal = n / 2;
        if (n % 2)
            c->query[0] = c->query[1] = 3e38f;
        else
            c->key[1] = INFINITY;
        ck_assert(!attention_case_run(c, &feature_attention, &r));
        attention_case_delete(c);
    }
}
END_TEST

TEST_PROGRAM("feature_attention", elu_recurrent_and_at_once_gives_the_parallel_formula,
             performer_recurrent_and_at_once_gives_the_parallel_formula,
             several_chunks_of_keys_are_one_sum, much_work_is_cut_and_gives_the_same,
             features_that_float32_does_not_reach_still_count,
             a_key_of_the_future_does_not_reach_the_output,
             features_are_orthogonal_in_blocks_and_normal_one_by_one,
             wide_keys_have_blocks_of_fewer_features,
             sixteen_times_the_features_have_a_quarter_of_the_error,
             numbers_that_leave_float32_are_said)
