/* Methods inside a whole layer, and how far they are from the exact answer. */
#include "core/approximations.h"
#include "core/layer_fixture.h"

/* The full layer, seen without what some methods cannot show. */
static struct layer *bare_layer(void)
{
    struct layer *l = layer_new();
    l->input.maps = MAPS_NONE;
    l->input.want_lse = false;
    return l;
}

START_TEST(a_method_that_leaves_nothing_out_is_exact_with_every_option)
{
    layer_begin();
    static const size_t first[] = {0, 1}, column[] = {0};
    const struct method_input methods[] = {
        {.name = METHOD_LONGFORMER, .window = 300},
        {.name = METHOD_BLOCK_SPARSE,
         .block = 300,
         .layout_rows = first,
         .layout_row_count = 2,
         .layout_columns = column,
         .layout_column_count = 1},
        {.name = METHOD_BIGBIRD, .block = 300},
    };
    struct layer *l = layer_new_full();
    const struct multi_head_result *exact =
        layer_compute(&attention_reference, &l->input);
    for (size_t n = 0; n < sizeof methods / sizeof *methods; n++) {
        l->input.method = methods[n];
        l->input.method.compare = true;
        const struct multi_head_result *got =
            layer_compute(&attention_reference, &l->input);
        ck_assert_int_eq(got->method, methods[n].name);
        ck_assert(got->compared && !exact->compared);
        for (size_t b = 0; b < LAYER_SEQUENCES; b++) {
            layer_check_same(got, b, exact, b);
            ck_assert(got->sequence[b].error_maximum == 0);
            ck_assert(got->sequence[b].error_mean == 0);
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_error_is_that_of_the_final_output_to_the_exact_one)
{
    layer_begin();
    const struct method_input methods[] = {
        {.name = METHOD_TOP_K, .k = 2},
        {.name = METHOD_LONGFORMER, .window = 3},
        {.name = METHOD_LINEAR, .rule = RULE_LINEAR},
    };
    for (size_t n = 0; n < KERNELS * sizeof methods / sizeof *methods; n++) {
        const struct attention_kernel *kernel = kernels[n % KERNELS];
        struct layer *l = bare_layer();
        l->input.causal = true;
        const struct multi_head_result *exact = layer_compute(kernel, &l->input);
        l->input.method = methods[n / KERNELS];
        l->input.method.compare = true;
        const struct multi_head_result *got = layer_compute(kernel, &l->input);
        for (size_t b = 0; b < LAYER_SEQUENCES; b++) {
            const struct sequence_result *s = &got->sequence[b];
            double most = 0, sum = 0;
            for (size_t i = 0; i < s->T * 20; i++) {
                double off =
                    fabs((double)s->output[i] - (double)exact->sequence[b].output[i]);
                most = off > most ? off : most;
                sum += off;
            }
            ck_assert(most > 1e-3);
            ck_assert(s->error_maximum == (float)most);
            ck_assert_close(s->error_mean, sum / (double)(s->T * 20), 1e-6, 0);
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_error_of_split_heads_is_over_all_of_them)
{
    layer_begin();
    static const float query[] = {1, 5}, key[] = {0, 1, 1, 0}, value[] = {1, 2, 3, 4};
    const struct attention_input in = {
        .query = {query, 4, {1, 2, 1, 1}},
        .key = {key, 4, {1, 2, 2, 1}},
        .value = {value, 4, {1, 2, 2, 1}},
        .method = {.name = METHOD_TOP_K, .k = 1, .compare = true}};
    const struct sequence_result *got =
        layer_compute(&attention_reference, &in)->sequence;
    /* Only the larger score is kept; the other one's weight is what is off. */
    double first = 1 / (1 + exp(1)), second = 1 / (1 + exp(5));
    ck_assert(got->output[0] == 2 && got->output[1] == 3);
    ck_assert_close(got->error_maximum, first, 1e-5, 0);
    ck_assert_close(got->error_mean, (first + second) / 2, 1e-5, 0);
    arena_free(&layer_arena);
}
END_TEST

/* One of each, with something left out. */
static const struct method_input every_method[] = {
    {.name = METHOD_LINFORMER, .rank = 5, .seed = 3},
    {.name = METHOD_NYSTROM, .landmarks = 4},
    {.name = METHOD_PERFORMER, .features = 40, .seed = 3},
    {.name = METHOD_LINEAR, .rule = RULE_ELU},
    {.name = METHOD_LINEAR, .rule = RULE_LINEAR},
    {.name = METHOD_TOP_K, .k = 3},
    {.name = METHOD_LONGFORMER, .window = 2},
    {.name = METHOD_BIGBIRD, .block = 2, .random = 1, .seed = 3},
};
enum { METHODS = sizeof every_method / sizeof *every_method };

START_TEST(what_is_drawn_does_not_depend_on_who_else_is_in_the_batch)
{
    layer_begin();
    struct layer *l = bare_layer();
    for (size_t n = 0; n < METHODS; n++) {
        l->input.method = every_method[n];
        l->input.method.compare = true;
        const struct multi_head_result *crowd =
            layer_compute(&attention_tiled, &l->input);
        for (size_t b = 0; b < LAYER_SEQUENCES; b++) {
            const struct attention_input alone = layer_alone(l, b);
            const struct multi_head_result *one =
                layer_compute(&attention_tiled, &alone);
            layer_check_same(one, 0, crowd, b);
            ck_assert(one->sequence->error_mean == crowd->sequence[b].error_mean);
            ck_assert(isfinite(one->sequence->error_maximum));
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(a_linformer_map_has_a_column_for_each_row_of_e)
{
    layer_begin();
    struct layer *l = layer_new();
    l->input.method = every_method[0];
    const struct multi_head_result *m = layer_compute(&attention_tiled, &l->input);
    for (size_t b = 0; b < LAYER_SEQUENCES; b++) {
        const struct sequence_result *got = &m->sequence[b];
        ck_assert_uint_eq(got->map_columns, 5);
        for (size_t row = 0; row < LAYER_HEADS * got->T; row++) {
            double sum = 0;
            for (size_t j = 0; j < 5; j++)
                sum += (double)got->maps[row * 5 + j];
            ck_assert_close(sum, 1, 1e-5, 0);
        }
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(a_linear_layer_gives_its_state_as_the_present)
{
    layer_begin();
    struct layer *l = bare_layer();
    l->input.want_present = true;
    l->input.want_projections = false;
    l->input.method = (struct method_input){.name = METHOD_LINEAR, .rule = RULE_LINEAR};
    const struct multi_head_result *m = layer_compute(&attention_tiled, &l->input);
    for (size_t b = 0; b < LAYER_SEQUENCES; b++) {
        const struct sequence_result *got = &m->sequence[b];
        ck_assert_ptr_null(got->present_key);
        ck_assert_ptr_null(got->present_value);
        ck_assert_ptr_nonnull(got->state);
    }

    /* A sequence in two parts: the state of the first is what the second begins with.
     */
    struct attention_input in = layer_alone(l, 0);
    struct tensor part = {l->tokens[0], 2, {3, LAYER_WIDTH}};
    in.sequences.item = &part;
    const struct sequence_result *begun =
        layer_compute(&attention_tiled, &in)->sequence;
    in.method.state = (struct tensor){begun->state, 3, {2, 6, 6}};
    part = (struct tensor){l->tokens[0] + 3 * LAYER_WIDTH, 2, {4, LAYER_WIDTH}};
    const struct sequence_result *ended =
        layer_compute(&attention_tiled, &in)->sequence;
    for (size_t i = 0; i < 2 * 6 * 6; i++)
        ck_assert_close(ended->state[i], m->sequence[0].state[i], 1e-5, 1e-5);
    for (size_t i = 0; i < 4 * 20; i++)
        ck_assert_close(ended->output[i], m->sequence[0].output[3 * 20 + i], 1e-4,
                        1e-5);
    arena_free(&layer_arena);
}
END_TEST

START_TEST(what_a_method_cannot_honour_is_refused_when_it_is_planned)
{
    layer_begin();
    const struct {
        const char *pointer;
        struct method_input method;
    } rows[] = {
        {"/causal", {.name = METHOD_LINFORMER, .rank = 4}},
        {"/mask", {.name = METHOD_LINEAR}},
        {"/method/landmarks", {.name = METHOD_NYSTROM}},
        {"/method/k",
         {.name = METHOD_TOP_K, .k = 8}}, /* more keys than the first has */
    };
    static const uint8_t allowed[] = {1};
    struct layer *l = bare_layer();
    l->input.mask = (struct attention_mask){MASK_BOOLEAN, allowed, NULL, 1, {1}};
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        struct error e = {0};
        l->input.causal = n == 0;
        l->input.mask.kind = n == 0 ? MASK_NONE : MASK_BOOLEAN;
        l->input.method = rows[n].method;
        ck_assert_ptr_null(multi_head_plan(&l->input, &layer_limits, &layer_arena, &e));
        ck_assert_str_eq(e.path, rows[n].pointer);
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
    }
    arena_free(&layer_arena);
}
END_TEST

START_TEST(the_work_of_a_comparison_is_that_of_both)
{
    layer_begin();
    struct layer *l = bare_layer();
    double exact = multi_head_work(layer_plan(&attention_tiled, &l->input)).flops;
    l->input.method = (struct method_input){.name = METHOD_LONGFORMER, .window = 1};
    double less = multi_head_work(layer_plan(&attention_tiled, &l->input)).flops;
    l->input.method.compare = true;
    double both = multi_head_work(layer_plan(&attention_tiled, &l->input)).flops;
    /* Three keys a row but for the ends, 4 heads of 6 + 6; Q, K and V are made once. */
    double tokens = 7 + 200 + 131, pairs = 3 * tokens - 6,
           sides = 2.0 * 24 * 48 * tokens;
    ck_assert_double_eq(less, sides + 2 * tokens * 24 * 20 + pairs * 2 * 4 * 12);
    ck_assert_double_eq(both, exact + less - sides);
    arena_free(&layer_arena);
}
END_TEST

TEST_PROGRAM("multi_head_method",
             a_method_that_leaves_nothing_out_is_exact_with_every_option,
             the_error_is_that_of_the_final_output_to_the_exact_one,
             the_error_of_split_heads_is_over_all_of_them,
             what_is_drawn_does_not_depend_on_who_else_is_in_the_batch,
             a_linformer_map_has_a_column_for_each_row_of_e,
             a_linear_layer_gives_its_state_as_the_present,
             what_a_method_cannot_honour_is_refused_when_it_is_planned,
             the_work_of_a_comparison_is_that_of_both)
