/* Writes vectors.json to the standard output: a request for each option of the
 * operator, as a client would post it, and what float64_operator() answers.
 *
 *     make vectors        rewrites tests/conformance/vectors.json
 *
 * Inputs are sixteenths, so that the texts are short and no decoder rounds. */
#include <jansson.h>

#include "property/operator_answer_json.h"
#include "property/operator_json.h"

struct maker {
    struct attention_input in;
    struct arena arena;
    struct test_random r;
};

static void *room(struct maker *m, size_t count, size_t size)
{
    struct error e = {0};
    void *p = arena_alloc(&m->arena, count, size, &e);
    if (!p)
        abort();
    return memset(p, 0, count * size);
}

static struct tensor tensor(struct maker *m, size_t rank, const size_t extents[4])
{
    struct tensor t = {.rank = rank};
    memcpy(t.extent, extents, rank * sizeof *extents);
    float *data = room(m, tensor_count(&t), sizeof *data);
    for (size_t i = 0; i < tensor_count(&t); i++)
        data[i] = (float)test_random_size(&m->r, 0, 48) / 16 - 1.5f;
    t.data = data;
    return t;
}

#define TENSOR(m, ...)                                          \
    tensor(m, sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), \
           (const size_t[4]){__VA_ARGS__})

/* Projected rows of several sequences, of heads as wide as 4 and 3. */
static void projected(struct maker *m, size_t B, size_t H, size_t G, size_t T, size_t S)
{
    m->in.query = TENSOR(m, B, H, T, 4);
    m->in.key = TENSOR(m, B, G, S, 4);
    m->in.value = TENSOR(m, B, G, S, 3);
}

static struct batch tokens(struct maker *m, size_t B, const size_t *rows, size_t width,
                           bool single)
{
    struct tensor *item = room(m, B, sizeof *item);
    for (size_t b = 0; b < B; b++)
        item[b] = TENSOR(m, rows[b], width);
    return (struct batch){B, single, item};
}

static void the_tokens_themselves(struct maker *m)
{
    m->in.sequences = tokens(m, 1, (size_t[]){3}, 4, true);
}

static void heads_of_tokens(struct maker *m)
{
    m->in.sequences = tokens(m, 2, (size_t[]){2, 2}, 6, false);
    m->in.heads = 2;
}

static void ragged_batch(struct maker *m)
{
    m->in.sequences = tokens(m, 3, (size_t[]){2, 4, 1}, 3, false);
}

static void weights_and_biases(struct maker *m)
{
    struct attention_weights *w = &m->in.weights;
    m->in.sequences = tokens(m, 1, (size_t[]){3}, 5, true);
    m->in.heads = 2;
    m->in.want_projections = true;
    w->given = true;
    w->wq = TENSOR(m, 5, 4);
    w->wk = TENSOR(m, 5, 4);
    w->wv = TENSOR(m, 5, 6);
    w->wo = TENSOR(m, 6, 2);
    w->bq = TENSOR(m, 4);
    w->bk = TENSOR(m, 4);
    w->bv = TENSOR(m, 6);
    w->bo = TENSOR(m, 2);
}

static void grouped_heads_of_a_context(struct maker *m)
{
    struct attention_weights *w = &m->in.weights;
    m->in.sequences = tokens(m, 1, (size_t[]){2}, 3, true);
    m->in.context = tokens(m, 1, (size_t[]){4}, 5, true);
    m->in.heads = 4;
    m->in.kv_heads = 2;
    w->given = true;
    w->wq = TENSOR(m, 3, 8);
    w->wk = TENSOR(m, 5, 4);
    w->wv = TENSOR(m, 5, 6);
}

static void one_key_head_for_all(struct maker *m)
{
    projected(m, 1, 3, 1, 2, 3);
}

static void rows_of_heads_side_by_side(struct maker *m)
{
    m->in.query = TENSOR(m, 2, 2, 8);
    m->in.key = TENSOR(m, 2, 3, 4);
    m->in.value = TENSOR(m, 2, 3, 6);
    m->in.heads = 4;
    m->in.kv_heads = 2;
}

static void scale(struct maker *m)
{
    projected(m, 1, 1, 1, 2, 3);
    m->in.scale_given = true;
    m->in.scale = -0.25f;
}

static void causal(struct maker *m)
{
    projected(m, 1, 1, 1, 3, 5);
    m->in.causal = true;
}

static void causal_bottom_right(struct maker *m)
{
    projected(m, 1, 1, 1, 3, 5);
    m->in.causal = true;
    m->in.align = ALIGN_BOTTOM_RIGHT;
}

static void causal_bottom_right_with_fewer_keys(struct maker *m)
{
    projected(m, 1, 1, 1, 5, 3);
    m->in.causal = true;
    m->in.align = ALIGN_BOTTOM_RIGHT;
    m->in.want_lse = true;
}

static void window(struct maker *m)
{
    projected(m, 1, 1, 1, 5, 6);
    m->in.window = (struct window_view){true, true, 1, 2};
}

static void window_of_the_own_key(struct maker *m)
{
    projected(m, 1, 1, 1, 4, 4);
    m->in.causal = true;
    m->in.window = (struct window_view){.left_given = true};
}

static void boolean_mask(struct maker *m)
{
    static const uint8_t allowed[] = {1, 0, 1, 0, 0, 0, 0, 1, 1};
    projected(m, 1, 2, 2, 3, 3);
    m->in.mask = (struct attention_mask){MASK_BOOLEAN, allowed, NULL, 2, {3, 3}};
    m->in.want_lse = true;
}

static void mask_of_rank_three_is_for_heads(struct maker *m)
{
    static const float bias[] = {0, -INFINITY, 0.5f, -1, 2, 0};
    projected(m, 2, 2, 2, 2, 3);
    m->in.mask = (struct attention_mask){MASK_ADDITIVE, NULL, bias, 3, {2, 1, 3}};
    m->in.map_stage = MAP_STAGE_BIASED;
}

static void narrow_mask(struct maker *m)
{
    static const uint8_t allowed[] = {1, 1, 0, 1};
    projected(m, 1, 1, 1, 2, 4);
    m->in.mask = (struct attention_mask){MASK_BOOLEAN, allowed, NULL, 2, {2, 2}};
}

static void very_low_mask(struct maker *m)
{
    static const float bias[] = {-1e9f, -1e9f, 0, -1e9f};
    m->in.query = TENSOR(m, 1, 1, 2, 4);
    m->in.key = (struct tensor){room(m, 8, sizeof(float)), 4, {1, 1, 2, 4}};
    m->in.value = TENSOR(m, 1, 1, 2, 3);
    m->in.mask = (struct attention_mask){MASK_ADDITIVE, NULL, bias, 2, {2, 2}};
}

static void key_lengths(struct maker *m)
{
    static const size_t lengths[] = {3, 1, 0};
    projected(m, 3, 1, 1, 2, 3);
    m->in.key_lengths = lengths;
    m->in.key_length_count = 3;
    m->in.want_lse = true;
}

static void padded_keys_bottom_right_in_a_window(struct maker *m)
{
    static const size_t lengths[] = {5, 2};
    projected(m, 2, 1, 1, 3, 6);
    m->in.key_lengths = lengths;
    m->in.key_length_count = 2;
    m->in.causal = true;
    m->in.align = ALIGN_BOTTOM_RIGHT;
    m->in.window = (struct window_view){.left_given = true, .left = 1};
}

static void softcap(struct maker *m)
{
    static const float bias[] = {0, -INFINITY, 3};
    projected(m, 1, 1, 1, 2, 3);
    m->in.softcap = 0.75f;
    m->in.mask = (struct attention_mask){MASK_ADDITIVE, NULL, bias, 1, {3}};
    m->in.map_stage = MAP_STAGE_BIASED;
}

static void stage_scores(struct maker *m)
{
    projected(m, 1, 2, 1, 2, 3);
    m->in.causal = true;
    m->in.softcap = 2;
    m->in.map_stage = MAP_STAGE_SCORES;
}

static void stage_capped(struct maker *m)
{
    projected(m, 1, 2, 1, 2, 3);
    m->in.causal = true;
    m->in.softcap = 2;
    m->in.map_stage = MAP_STAGE_CAPPED;
}

static void alibi_of_three_heads(struct maker *m)
{
    projected(m, 1, 3, 3, 2, 3);
    m->in.alibi = true;
    m->in.map_stage = MAP_STAGE_BIASED;
}

static void alibi_slopes_after_a_past(struct maker *m)
{
    static const float slopes[] = {0.5f, 1};
    projected(m, 1, 2, 2, 2, 2);
    m->in.past =
        (struct past_input){true, TENSOR(m, 1, 2, 2, 4), TENSOR(m, 1, 2, 2, 3)};
    m->in.alibi = true;
    m->in.alibi_slopes = (struct tensor){slopes, 1, {2}};
}

static void rope(struct maker *m)
{
    projected(m, 1, 2, 1, 3, 3);
    m->in.rope = (struct rope_input){.given = true, .base = 10000};
    m->in.want_projections = true;
}

static void rope_of_neighbours_from_an_offset(struct maker *m)
{
    m->in.query = TENSOR(m, 1, 1, 3, 6);
    m->in.key = TENSOR(m, 1, 1, 3, 6);
    m->in.value = TENSOR(m, 1, 1, 3, 2);
    m->in.rope = (struct rope_input){.given = true,
                                     .base = 100,
                                     .dims = 4,
                                     .interleaved = true,
                                     .offset_given = true,
                                     .offset = 5};
    m->in.want_projections = true;
}

static void rope_positions_of_each_sequence(struct maker *m)
{
    static const int64_t positions[] = {7, 0, 3, 1, 1, 40};
    projected(m, 2, 1, 1, 3, 3);
    m->in.rope = (struct rope_input){.given = true,
                                     .base = 10000,
                                     .positions = positions,
                                     .position_rank = 2,
                                     .position_extent = {2, 3}};
    m->in.want_projections = true;
}

static void rope_after_a_past(struct maker *m)
{
    m->in.query = TENSOR(m, 2, 4);
    m->in.key = TENSOR(m, 2, 4);
    m->in.value = TENSOR(m, 2, 3);
    m->in.past = (struct past_input){true, TENSOR(m, 1, 3, 4), TENSOR(m, 1, 3, 3)};
    m->in.rope = (struct rope_input){.given = true, .base = 10000};
    m->in.want_present = true;
    m->in.causal = true;
}

static void rope_tables(struct maker *m)
{
    projected(m, 1, 1, 1, 2, 2);
    m->in.rope = (struct rope_input){
        .given = true, .cosines = TENSOR(m, 3, 2), .sines = TENSOR(m, 3, 2)};
    m->in.want_projections = true;
}

static void sinks(struct maker *m)
{
    static const float logits[] = {-1, 2.5f};
    projected(m, 1, 2, 2, 2, 3);
    m->in.sinks = (struct tensor){logits, 1, {2}};
    m->in.want_lse = true;
}

static void past_and_present(struct maker *m)
{
    projected(m, 2, 2, 1, 2, 2);
    m->in.past =
        (struct past_input){true, TENSOR(m, 2, 1, 3, 4), TENSOR(m, 2, 1, 3, 3)};
    m->in.want_present = true;
    m->in.causal = true;
}

static void dropout_on_weights(struct maker *m)
{
    projected(m, 2, 2, 2, 3, 4);
    m->in.dropout = (struct dropout_input){.rate = 0.5f, .seed = 7};
}

static void dropout_on_scores(struct maker *m)
{
    projected(m, 1, 2, 2, 3, 4);
    m->in.dropout = (struct dropout_input){0.25f, 123456789012345, true};
    m->in.causal = true;
    m->in.map_stage = MAP_STAGE_BIASED;
}

static void the_two_largest_scores(struct maker *m)
{
    projected(m, 1, 1, 1, 3, 5);
    m->in.method.name = METHOD_TOP_K;
    m->in.method.k = 2;
}

static void mean_map(struct maker *m)
{
    projected(m, 1, 3, 1, 2, 3);
    m->in.maps = MAPS_MEAN;
}

static void largest_of_a_map(struct maker *m)
{
    static const size_t heads[] = {2, 0};
    projected(m, 1, 3, 1, 3, 4);
    m->in.causal = true;
    m->in.maps = MAPS_TOP_K;
    m->in.top_k = 3;
    m->in.map_heads_given = true;
    m->in.map_heads = heads;
    m->in.map_head_count = 2;
}

static void figures(struct maker *m)
{
    static const uint8_t allowed[] = {1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0};
    projected(m, 1, 2, 2, 3, 4);
    m->in.mask = (struct attention_mask){MASK_BOOLEAN, allowed, NULL, 2, {3, 4}};
    m->in.maps = MAPS_NONE;
    m->in.want_entropy = true;
    m->in.want_statistics = true;
}

#define VECTOR(name) \
    {                \
#name, name  \
    }

static const struct {
    const char *name;
    void (*make)(struct maker *m);
} vectors[] = {VECTOR(the_tokens_themselves),
               VECTOR(heads_of_tokens),
               VECTOR(ragged_batch),
               VECTOR(weights_and_biases),
               VECTOR(grouped_heads_of_a_context),
               VECTOR(one_key_head_for_all),
               VECTOR(rows_of_heads_side_by_side),
               VECTOR(scale),
               VECTOR(causal),
               VECTOR(causal_bottom_right),
               VECTOR(causal_bottom_right_with_fewer_keys),
               VECTOR(window),
               VECTOR(window_of_the_own_key),
               VECTOR(boolean_mask),
               VECTOR(mask_of_rank_three_is_for_heads),
               VECTOR(narrow_mask),
               VECTOR(very_low_mask),
               VECTOR(key_lengths),
               VECTOR(padded_keys_bottom_right_in_a_window),
               VECTOR(softcap),
               VECTOR(stage_scores),
               VECTOR(stage_capped),
               VECTOR(alibi_of_three_heads),
               VECTOR(alibi_slopes_after_a_past),
               VECTOR(rope),
               VECTOR(rope_of_neighbours_from_an_offset),
               VECTOR(rope_positions_of_each_sequence),
               VECTOR(rope_after_a_past),
               VECTOR(rope_tables),
               VECTOR(sinks),
               VECTOR(past_and_present),
               VECTOR(dropout_on_weights),
               VECTOR(dropout_on_scores),
               VECTOR(the_two_largest_scores),
               VECTOR(mean_map),
               VECTOR(largest_of_a_map),
               VECTOR(figures)};

int main(void)
{
    const struct operator_form nested = {0};
    for (size_t n = 0; n < sizeof vectors / sizeof *vectors; n++) {
        struct maker m = {.r = {n + 1}};
        arena_init(&m.arena, (size_t)1 << 24, NULL);
        vectors[n].make(&m);
        char *request = operator_json_write(&m.in, &nested, &m.r);
        char *answer = operator_answer_json(&m.in, &m.arena);
        printf("%s{\"name\":\"%s\",\n\"request\":%s,\n\"answer\":%s}", n ? ",\n" : "[",
               vectors[n].name, request, answer);
        free(request);
        free(answer);
        arena_free(&m.arena);
    }
    printf("]\n");
    return EXIT_SUCCESS;
}
