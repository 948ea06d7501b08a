#include "core/multi_head.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/layer_fixture.h"
#include "support/attention_float64.h"
#include "support/attention_random.h"
#include "support/test.h"

/* A float32 sum of some hundred products of numbers around 1 is right to a few 1e-6;
 * the answers are of that size. */
static void check_numbers(const float *got, const double *want, size_t count,
                          const char *what)
{
    for (size_t i = 0; i < count; i++) {
        double off = fabs((double)got[i] - want[i]);
        bool same = want[i] == -HUGE_VAL ? got[i] == -INFINITY
                                         : off <= 1e-5 + 1e-4 * fabs(want[i]);
        ck_assert_msg(same, "%s: number %zu is %.9g, want %.9g", what, i,
                      (double)got[i], want[i]);
    }
}

/* The cells that the maps show, [H][T][S]. */
static const double *shown(const struct attention_input *in,
                           const struct float64_answer *want)
{
    const double *const stages[] = {[MAP_STAGE_WEIGHTS] = want->weights,
                                    [MAP_STAGE_SCORES] = want->scores,
                                    [MAP_STAGE_CAPPED] = want->capped,
                                    [MAP_STAGE_BIASED] = want->biased};
    return stages[in->map_stage];
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The largest cells of one row, the largest first, and where they are. */
static void check_top(const float *values, const int32_t *indices, size_t top,
                      const double *row, size_t S)
{
    double *sorted = malloc(S * sizeof *sorted);
    bool *met = calloc(S, sizeof *met);
    memcpy(sorted, row, S * sizeof *sorted);
    qsort(sorted, S, sizeof *sorted, by_size);
    check_numbers(values, sorted, top, "top values");
    for (size_t n = 0; n < top; n++) {
        ck_assert(indices[n] >= 0 && (size_t)indices[n] < S && !met[indices[n]]);
        met[indices[n]] = true;
        check_numbers(values + n, row + indices[n], 1, "value at its index");
    }
    free(met);
    free(sorted);
}

static void check_maps(const struct attention_input *in, const struct float64_sizes *z,
                       const struct sequence_result *got,
                       const struct float64_answer *want)
{
    const double *cells = shown(in, want);
    size_t T = z->T, S = z->S, count = in->map_heads_given ? in->map_head_count : z->H;
    ck_assert((got->maps != NULL) == (in->maps == MAPS_HEADS || in->maps == MAPS_MEAN));
    ck_assert((got->top_values != NULL) == (in->maps == MAPS_TOP_K));
    ck_assert_uint_eq(got->map_columns, S);
    if (in->maps == MAPS_MEAN) {
        double *mean = calloc(T * S, sizeof *mean);
        for (size_t i = 0; i < z->H * T * S; i++)
            mean[i % (T * S)] += cells[i] / (double)z->H;
        check_numbers(got->maps, mean, T * S, "mean map");
        free(mean);
        return;
    }
    for (size_t m = 0; m < count; m++) {
        const double *map =
            cells + (in->map_heads_given ? in->map_heads[m] : m) * T * S;
        if (in->maps == MAPS_HEADS)
            check_numbers(got->maps + m * T * S, map, T * S, "map");
        for (size_t i = 0; in->maps == MAPS_TOP_K && i < T; i++)
            check_top(got->top_values + (m * T + i) * in->top_k,
                      got->top_indices + (m * T + i) * in->top_k, in->top_k,
                      map + i * S, S);
    }
}

/* The own rows, behind the past, of [heads][S][width]. */
static void check_own(const float *got, const double *want, size_t heads,
                      const struct float64_sizes *z, size_t width, const char *what)
{
    size_t own = z->S - z->P;
    for (size_t h = 0; h < heads; h++)
        check_numbers(got + h * own * width, want + (h * z->S + z->P) * width,
                      own * width, what);
}

static void check_rows(const struct attention_input *in, const struct float64_sizes *z,
                       const struct sequence_result *got,
                       const struct float64_answer *want)
{
    ck_assert(in->want_projections == (got->query && got->key && got->value));
    if (in->want_projections) {
        check_numbers(got->query, want->query, z->H * z->T * z->dk, "query");
        check_own(got->key, want->key, z->G, z, z->dk, "key");
        check_own(got->value, want->value, z->G, z, z->dv, "value");
    }
    ck_assert(in->want_present == (got->present_key && got->present_value));
    if (in->want_present) {
        check_numbers(got->present_key, want->key, z->G * z->S * z->dk, "present key");
        check_numbers(got->present_value, want->value, z->G * z->S * z->dv,
                      "present value");
    }
}

static void check_figures(const struct attention_input *in,
                          const struct float64_sizes *z,
                          const struct sequence_result *got,
                          const struct float64_answer *want)
{
    ck_assert(in->want_lse == (got->lse != NULL));
    if (in->want_lse)
        check_numbers(got->lse, want->lse, z->H * z->T, "lse");
    ck_assert(in->want_entropy == (got->entropy != NULL));
    if (in->want_entropy)
        check_numbers(got->entropy, want->entropy, z->H * z->T * 2, "entropy");
    ck_assert(in->want_statistics == (got->statistics && got->received));
    if (!in->want_statistics)
        return;

    check_numbers(got->received, want->received, z->H * z->S, "received");
    for (size_t h = 0; h < z->H; h++) {
        const struct head_statistics *s = &got->statistics[h];
        const struct float64_statistics *t = &want->statistics[h];
        const float means[] = {(float)s->rows,     (float)s->entropy, (float)s->maximum,
                               (float)s->distance, (float)s->first,   (float)s->own,
                               (float)s->previous, (float)s->next};
        const double wanted[] = {t->rows,  t->entropy, t->maximum,  t->distance,
                                 t->first, t->own,     t->previous, t->next};
        check_numbers(means, wanted, 8, "statistics");
    }
}

static void check_sequence(const struct attention_input *in,
                           const struct float64_sizes *z, size_t b,
                           const struct sequence_result *got)
{
    struct float64_answer want = float64_attention(in, b, z);
    ck_assert_uint_eq(got->T, z->T);
    ck_assert_uint_eq(got->S, z->S);
    check_numbers(got->output, want.output,
                  z->T * z->output_width * (in->query.rank == 4 ? z->H : 1), "output");
    check_maps(in, z, got, &want);
    check_rows(in, z, got, &want);
    check_figures(in, z, got, &want);
    float64_answer_free(&want);
}

START_TEST(the_worked_example_is_what_float64_computes)
{
    layer_begin();
    static const float x[] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, wq[] = {1, 1, 1, 0, 0, 1},
                       wk[] = {1, 0, 0, 1, 1, 1}, wv[] = {1, 1, 0, 1, 1, 0};
    const struct tensor tokens = {x, 2, {3, 3}};
    const struct attention_input input = {
        .sequences = {1, true, &tokens},
        .weights = {true, {wq, 2, {3, 2}}, {wk, 2, {3, 2}}, {wv, 2, {3, 2}}},
    };
    static const double scores[3][3] = {{1, 1, 2}, {1, 0, 1}, {0, 1, 1}};
    for (size_t k = 0; k < KERNELS; k++) {
        const struct sequence_result *got = layer_compute(kernels[k], &input)->sequence;
        for (size_t i = 0; i < 3; i++) {
            double sum = 0, output[2] = {0};
            for (size_t j = 0; j < 3; j++)
                sum += exp(scores[i][j] / sqrt(2));
            for (size_t j = 0; j < 3; j++) {
                double weight = exp(scores[i][j] / sqrt(2)) / sum;
                ck_assert_close(got->maps[i * 3 + j], weight, 0, 1e-6);
                output[0] += weight * (double)wv[j * 2];
                output[1] += weight * (double)wv[j * 2 + 1];
            }
            ck_assert_close(got->output[i * 2], output[0], 0, 1e-6);
            ck_assert_close(got->output[i * 2 + 1], output[1], 0, 1e-6);
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(requests_of_every_kind_agree_with_float64)
{
    layer_begin();
    struct test_random r = {20261122};
    for (int round = 0; round < 150; round++) {
        struct random_attention a =
            random_attention(&r, round % 250 ? 30 : 150, &layer_arena);
        for (size_t k = 0; k < KERNELS; k++) {
            const struct multi_head_result *got = layer_compute(kernels[k], &a.input);
            ck_assert_uint_eq(got->B, a.B);
            ck_assert_uint_eq(got->width, a.sizes.output_width);
            for (size_t b = 0; b < a.B; b++) {
                struct float64_sizes sizes = random_attention_sizes(&a, b);
                check_sequence(&a.input, &sizes, b, &got->sequence[b]);
            }
        }
        arena_free(&layer_arena);
    }
    arena_free(&layer_arena);
}
END_TEST

/* The plain layer, and the one with every option. */
static struct layer *const *layers(void)
{
    static struct layer *both[2];
    both[0] = layer_new();
    both[1] = layer_new_full();
    return both;
}

START_TEST(a_sequence_gives_the_same_bytes_alone_and_in_a_batch)
{
    layer_begin();
    for (size_t n = 0; n < 2 * KERNELS; n++) {
        const struct attention_kernel *kernel = kernels[n / 2];
        const struct layer *l = layers()[n % 2];
        const struct multi_head_result *crowd = layer_compute(kernel, &l->input);
        for (size_t b = 0; b < LAYER_SEQUENCES; b++) {
            struct attention_input alone = layer_alone(l, b);
            layer_check_same(layer_compute(kernel, &alone), 0, crowd, b);
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_same_numbers_elsewhere_in_memory_give_the_same_bytes)
{
    layer_begin();
    struct error e = {0};
    for (size_t n = 0; n < 2 * KERNELS; n++) {
        const struct layer *l = layers()[n % 2];
        const struct multi_head_result *home = layer_compute(kernels[n / 2], &l->input);
        for (size_t shift = 1; shift < 16; shift += 5) {
            float *moved = arena_alloc(&layer_arena, sizeof l->tokens[1] + 64, 1, &e);
            memcpy(moved + shift, l->tokens[1], sizeof l->tokens[1]);
            struct tensor item = l->item[1];
            item.data = moved + shift;
            struct attention_input input = layer_alone(l, 1);
            input.sequences.item = &item;
            layer_check_same(layer_compute(kernels[n / 2], &input), 0, home, 1);
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_order_of_tasks_does_not_change_a_byte)
{
    layer_begin();
    for (size_t n = 0; n < 2 * KERNELS; n++) {
        const struct attention_input *input = &layers()[n % 2]->input;
        const struct multi_head_result *forward = layer_compute(kernels[n / 2], input);
        struct multi_head *m = layer_plan(kernels[n / 2], input);
        struct error e = {0};
        void *scratch = arena_alloc(&layer_arena, multi_head_scratch_bytes(m), 1, &e);
        for (size_t step = 0; step < multi_head_steps(m); step++)
            for (size_t task = multi_head_tasks(m, step); task-- > 0;) {
                memset(scratch, 0xFF, multi_head_scratch_bytes(m)); /* NaN: unset */
                ck_assert(multi_head_run(m, step, task, scratch, &e));
            }
        for (size_t b = 0; b < LAYER_SEQUENCES; b++)
            layer_check_same(multi_head_result(m), b, forward, b);
    }
    arena_free(&layer_arena);
}
END_TEST

/* A step whose tasks several threads take in turn. */
struct crew {
    struct multi_head *plan;
    size_t step;
    _Atomic size_t next;
};

static void *work(void *argument)
{
    struct crew *crew = argument;
    struct error e = {0};
    void *scratch =
        aligned_alloc(ARENA_ALIGNMENT, (multi_head_scratch_bytes(crew->plan) | 63) + 1);
    size_t task;
    bool ok = true;
    while ((task = crew->next++) < multi_head_tasks(crew->plan, crew->step))
        ok &= multi_head_run(crew->plan, crew->step, task, scratch, &e);
    free(scratch);
    return ok ? crew : NULL;
}

START_TEST(three_threads_compute_what_one_does)
{
    layer_begin();
    for (size_t n = 0; n < 2 * KERNELS; n++) {
        const struct attention_input *input = &layers()[n % 2]->input;
        const struct multi_head_result *one = layer_compute(kernels[n / 2], input);
        struct crew crew = {.plan = layer_plan(kernels[n / 2], input)};
        for (; crew.step < multi_head_steps(crew.plan); crew.step++) {
            pthread_t thread[3];
            crew.next = 0;
            for (size_t t = 0; t < 3; t++)
                ck_assert_int_eq(pthread_create(&thread[t], NULL, work, &crew), 0);
            for (size_t t = 0; t < 3; t++) {
                void *fine;
                ck_assert_int_eq(pthread_join(thread[t], &fine), 0);
                ck_assert_ptr_eq(fine, &crew);
            }
        }
        for (size_t b = 0; b < LAYER_SEQUENCES; b++)
            layer_check_same(multi_head_result(crew.plan), b, one, b);
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(without_weights_the_input_is_read_in_place)
{
    layer_begin();
    struct layer *l = layer_new();
    l->input.weights = (struct attention_weights){0};
    l->input.kv_heads = 0;
    l->input.want_projections = false;
    ck_assert_uint_eq(multi_head_tasks(layer_plan(&attention_reference, &l->input), 0),
                      0);

    l->input.heads = 1;
    l->input.want_projections = true; /* one head is split already */
    struct multi_head *m = layer_plan(&attention_reference, &l->input);
    ck_assert_uint_eq(multi_head_tasks(m, 0), 0);
    ck_assert_ptr_eq(multi_head_result(m)->sequence[2].key, l->tokens[2]);
    arena_free(&layer_arena);
}
END_TEST

START_TEST(numbers_outside_float32_are_refused_where_they_arise)
{
    layer_begin();
    static const struct {
        const char *path;
        float x, wq, wk, wv, wo, bo;
    } rows[] = {
        {"/weights/wq", 1e30f, 1e30f, 1, 1, 1, 0},
        {"/weights/wk", 1e30f, 0, 1e30f, 1, 1, 0},
        {"/weights/wv", 1e30f, 0, 0, -1e30f, 1, 0},
        {"", 1, 1e30f, 1e30f, 1, 1, 0}, /* the score */
        {"/weights/wo", 1e30f, 0, 0, 1, 1e30f, 0},
        {"/weights/wo", 1e30f, 0, 0, 1, 3e8f, 3e38f},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct tensor item = {&rows[i].x, 2, {1, 1}};
        const struct attention_input input = {
            .sequences = {1, true, &item},
            .weights = {true,
                        {&rows[i].wq, 2, {1, 1}},
                        {&rows[i].wk, 2, {1, 1}},
                        {&rows[i].wv, 2, {1, 1}},
                        {&rows[i].wo, 2, {1, 1}},
                        .bo = {&rows[i].bo, 1, {1}}},
        };
        for (size_t k = 0; k < KERNELS; k++) {
            struct error e = {0};
            struct multi_head *m = layer_plan(kernels[k], &input);
            ck_assert_msg(!multi_head_run_all(m, &layer_arena, &e), "row %zu", i);
            ck_assert_str_eq(e.path, rows[i].path);
            ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
            ck_assert_msg(strstr(e.message, "float32's range") != NULL, "%s",
                          e.message);
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(an_empty_row_is_zero_before_wo_and_the_bias_after)
{
    layer_begin();
    static const float x[] = {1, 2, 3, 4}, one[] = {1, 0, 0, 1}, bo[] = {5, 6};
    static const uint8_t allowed[] = {0, 0, 1, 1};
    const struct tensor item = {x, 2, {2, 2}};
    const struct attention_input input = {
        .sequences = {1, true, &item},
        .weights = {true,
                    {one, 2, {2, 2}},
                    {one, 2, {2, 2}},
                    {one, 2, {2, 2}},
                    {one, 2, {2, 2}},
                    .bo = {bo, 1, {2}}},
        .mask = {MASK_BOOLEAN, .allowed = allowed, .rank = 2, .extent = {2, 2}},
        .want_lse = true,
    };
    for (size_t k = 0; k < KERNELS; k++) {
        const struct sequence_result *got = layer_compute(kernels[k], &input)->sequence;
        ck_assert_mem_eq(got->output, bo, sizeof bo);
        ck_assert(got->maps[0] == 0 && got->maps[1] == 0);
        ck_assert(got->lse[0] == -INFINITY && isfinite(got->lse[1]));
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_work_is_counted_for_the_schedule)
{
    layer_begin();
    struct layer *l = layer_new();
    struct multi_head_work work =
        multi_head_work(layer_plan(&attention_reference, &l->input));
    ck_assert_uint_eq(work.sequences, 3);
    ck_assert_uint_eq(work.tokens, 7 + 200 + 131);
    ck_assert_uint_eq(work.longest, 200);
    double per_token = 2.0 * 24 * (24 + 12 + 12 + 20);
    double pairs = 7 * 7 + 200 * 200 + 131 * 131;
    ck_assert_double_eq(work.flops, per_token * 338 + pairs * 2 * 4 * (6 + 6));

    /* Causal, 4 queries and 3 keys: 1 + 2 + 3 + 3 pairs, aligned at the end
     * 0 + 1 + 2 + 3. */
    static const float numbers[4];
    struct attention_input causal = {.query = {numbers, 2, {4, 1}},
                                     .key = {numbers, 2, {3, 1}},
                                     .value = {numbers, 2, {3, 1}},
                                     .causal = true};
    work = multi_head_work(layer_plan(&attention_reference, &causal));
    ck_assert_double_eq(work.flops, 9 * 2 * 2);
    causal.align = ALIGN_BOTTOM_RIGHT;
    work = multi_head_work(layer_plan(&attention_reference, &causal));
    ck_assert_double_eq(work.flops, 6 * 2 * 2);
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_cost_is_what_is_computed_and_what_goes_with_it)
{
    layer_begin();
    struct layer *l = layer_new();
    struct multi_head_work work =
        multi_head_work(layer_plan(&attention_tiled, &l->input));
    ck_assert_double_gt(work.cost, work.flops);
    l->input.want_statistics = true;
    ck_assert_double_gt(multi_head_work(layer_plan(&attention_tiled, &l->input)).cost,
                        2 * work.cost);
    l->input.want_statistics = false;
    l->input.method = (struct method_input){
        .name = METHOD_TOP_K, .k = 3, .compare = true}; /* the exact one comes on top */
    ck_assert_double_gt(multi_head_work(layer_plan(&attention_tiled, &l->input)).cost,
                        1.8 * work.cost);
    arena_free(&layer_arena);
}
END_TEST

/* Nobody touches the numbers before the first task. */
START_TEST(a_task_that_would_take_long_is_refused)
{
    static const float number[1];
    struct attention_input in = {.query = {number, 4, {1, 128, 64, 2048}},
                                 .key = {number, 4, {1, 1, 8192, 2048}},
                                 .value = {number, 4, {1, 1, 8192, 2048}},
                                 .maps = MAPS_NONE};
    struct error e = {0};
    layer_begin();
    ck_assert(multi_head_plan(&in, &layer_limits, &layer_arena, &e) != NULL);
    in.maps = MAPS_MEAN;
    ck_assert(!multi_head_plan(&in, &layer_limits, &layer_arena, &e));
    ck_assert_int_eq(e.code, ERROR_TOO_LARGE);
    ck_assert_msg(strstr(e.message, "in one go, at most 50 are allowed (\"maps\": "
                                    "\"mean\" takes all heads together)"),
                  "%s", e.message);
    arena_free(&layer_arena);
}
END_TEST

START_TEST(every_budget_either_suffices_or_is_said_to_be_spent)
{
    layer_begin();
    struct layer *compared = layer_new_full();
    compared->input.method =
        (struct method_input){.name = METHOD_LONGFORMER, .window = 9, .compare = true};
    struct layer *top = layer_new_full();
    top->input.maps = MAPS_TOP_K;
    top->input.top_k = 3;
    struct layer *const all[] = {layer_new(), layer_new_full(), compared, top};
    for (size_t n = 0; n < sizeof all / sizeof *all; n++) {
        bool done = false;
        for (size_t budget = 0; !done; budget += budget < 8192 ? 64 : 9001) {
            struct arena small;
            struct error e = {0};
            arena_init(&small, budget, NULL);
            struct multi_head *m =
                multi_head_plan(&all[n]->input, &layer_limits, &small, &e);
            done = m && multi_head_run_all(m, &small, &e);
            ck_assert_int_eq(e.code, done ? ERROR_NONE : ERROR_OUT_OF_MEMORY);
            arena_free(&small);
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(a_count_that_overflows_is_refused_before_any_memory_is_taken)
{
    layer_begin();
    const size_t T = (size_t)1 << 62;
    const struct attention_input input = {.query = {NULL, 4, {1, 4, T, 1}},
                                          .key = {NULL, 4, {1, 1, 1, 1}},
                                          .value = {NULL, 4, {1, 1, 1, 1}},
                                          .maps = MAPS_NONE};
    struct attention_limits no_limits = layer_limits;
    no_limits.max_tokens = SIZE_MAX;
    struct error e = {0};
    ck_assert_ptr_null(multi_head_plan(&input, &no_limits, &layer_arena, &e));
    ck_assert_int_eq(e.code, ERROR_TOO_LARGE);
    ck_assert_str_eq(e.message, "needs 4 x 4611686018427387904 x 1 numbers at once");
    arena_free(&layer_arena);
}
END_TEST

START_TEST(what_does_not_fit_is_not_planned)
{
    layer_begin();
    struct layer *l = layer_new();
    l->input.heads = 5;
    struct error e = {0};
    ck_assert_ptr_null(multi_head_plan(&l->input, &layer_limits, &layer_arena, &e));
    ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
    arena_free(&layer_arena);
}
END_TEST

TEST_PROGRAM("multi_head", the_worked_example_is_what_float64_computes,
             requests_of_every_kind_agree_with_float64,
             a_sequence_gives_the_same_bytes_alone_and_in_a_batch,
             the_same_numbers_elsewhere_in_memory_give_the_same_bytes,
             the_order_of_tasks_does_not_change_a_byte,
             three_threads_compute_what_one_does,
             without_weights_the_input_is_read_in_place,
             numbers_outside_float32_are_refused_where_they_arise,
             an_empty_row_is_zero_before_wo_and_the_bias_after,
             the_work_is_counted_for_the_schedule,
             the_cost_is_what_is_computed_and_what_goes_with_it,
             a_task_that_would_take_long_is_refused,
             every_budget_either_suffices_or_is_said_to_be_spent,
             a_count_that_overflows_is_refused_before_any_memory_is_taken,
             what_does_not_fit_is_not_planned)
