#include "property/float64_operator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One of the three things that are projected. */
struct source {
    const struct tensor *projected; /* rank 0: made of tokens */
    const struct tensor *tokens;    /* [rows][in] of this sequence */
    const struct tensor *w, *bias;
    size_t heads, rows, width; /* what it becomes: [heads][rows][width] */
    size_t b;
};

static void *zeros(struct arena *arena, size_t count, size_t size)
{
    struct error e = {0};
    void *p = arena_alloc(arena, count, size, &e);
    if (!p)
        abort();
    return memset(p, 0, count * size);
}

size_t operator_batch(const struct attention_input *in)
{
    if (in->sequences.count)
        return in->sequences.count;
    return in->query.rank == 2 ? 1 : in->query.extent[0];
}

static size_t rows_of(const struct source *s)
{
    const struct tensor *p = s->projected;
    return p->rank == 0   ? s->tokens->extent[0]
           : p->rank == 4 ? p->extent[2]
           : p->rank == 3 ? p->extent[1]
                          : p->extent[0];
}

static size_t width_of(const struct source *s)
{
    const struct tensor *p = s->projected;
    size_t whole = p->rank      ? p->extent[p->rank - 1]
                   : s->w->rank ? s->w->extent[1]
                                : s->tokens->extent[1];
    return p->rank == 4 ? whole : whole / s->heads;
}

/* Number c of head h of row i. */
static double projected(const struct source *s, size_t h, size_t i, size_t c)
{
    const struct tensor *p = s->projected;
    size_t column = h * s->width + c, columns = s->heads * s->width;
    if (p->rank == 4)
        return (double)p->data[((s->b * s->heads + h) * s->rows + i) * s->width + c];
    if (p->rank)
        return (double)p->data[(s->b * s->rows + i) * columns + column];
    if (!s->w->rank)
        return (double)s->tokens->data[i * columns + column];

    size_t in = s->tokens->extent[1];
    double sum = s->bias->rank ? (double)s->bias->data[column] : 0;
    for (size_t k = 0; k < in; k++)
        sum += (double)s->tokens->data[i * in + k] *
               (double)s->w->data[k * columns + column];
    return sum;
}

/* [heads][before + rows][width], the rows of `past` in front of each head's. */
static double *fill(struct arena *arena, const struct source *s,
                    const struct tensor *past, size_t before)
{
    size_t all = before + s->rows;
    double *out = zeros(arena, s->heads * all * s->width, sizeof *out);
    for (size_t h = 0; h < s->heads; h++)
        for (size_t i = 0; i < all; i++)
            for (size_t c = 0; c < s->width; c++)
                out[(h * all + i) * s->width + c] =
                    i < before
                        ? (double)past
                              ->data[((s->b * s->heads + h) * before + i) * s->width +
                                     c]
                        : projected(s, h, i - before, c);
    return out;
}

/* Turns one row, the first `dims` channels of it, by the angles of position p. */
static void turn(const struct rope_input *rope, double *row, size_t dk, double p)
{
    size_t dims = rope->dims ? rope->dims : dk, half = dims / 2;
    for (size_t k = 0; k < half; k++) {
        double angle = p * pow(rope->base, -2.0 * (double)k / (double)dims);
        double c = cos(angle), s = sin(angle);
        if (rope->cosines.rank) {
            c = (double)rope->cosines.data[(size_t)p * half + k];
            s = (double)rope->sines.data[(size_t)p * half + k];
        }
        double *x = &row[rope->interleaved ? 2 * k : k];
        double *y = &row[rope->interleaved ? 2 * k + 1 : k + half];
        double before = *x;
        *x = before * c - *y * s;
        *y = before * s + *y * c;
    }
}

static double position(const struct rope_input *rope, size_t b, size_t i, size_t P)
{
    if (rope->positions)
        return (double)
            rope->positions[rope->position_rank == 2 ? b * rope->position_extent[1] + i
                                                     : i];
    return (double)(rope->offset_given ? rope->offset : (int64_t)P) + (double)i;
}

static void turn_all(const struct attention_input *in, size_t b,
                     struct operator_answer *a)
{
    size_t own = a->S - a->P;
    bool self = !in->context.count && own == a->T;
    for (size_t h = 0; h < a->H; h++)
        for (size_t i = 0; i < a->T; i++)
            turn(&in->rope, a->query + (h * a->T + i) * a->dk, a->dk,
                 position(&in->rope, b, i, a->P));
    for (size_t g = 0; g < a->G; g++)
        for (size_t j = 0; j < own; j++)
            turn(&in->rope, a->key + (g * a->S + a->P + j) * a->dk, a->dk,
                 self ? position(&in->rope, b, j, a->P) : (double)(a->P + j));
}

/* What the mask adds to cell (b, h, i, j); -HUGE_VAL: may not attend. */
static double masked(const struct attention_mask *m, const size_t cell[4])
{
    size_t at = 0;
    for (size_t axis = 0; axis < m->rank; axis++) {
        size_t index = cell[4 - m->rank + axis], extent = m->extent[axis];
        if (extent == 1)
            index = 0;
        if (index >= extent)
            return -HUGE_VAL; /* narrower than the keys: the rest is hidden */
        at = at * extent + index;
    }
    if (m->kind == MASK_NONE)
        return 0;
    return m->kind == MASK_BOOLEAN ? (m->allowed[at] ? 0 : -HUGE_VAL)
                                   : (double)m->bias[at];
}

static double slope(const struct attention_input *in, size_t H, size_t h)
{
    if (in->alibi_slopes.rank)
        return (double)in->alibi_slopes.data[h];
    size_t below = 1;
    while (below * 2 <= H)
        below *= 2;
    if (h < below)
        return exp2(-8.0 * (double)(h + 1) / (double)below);
    return exp2(-8.0 * (double)(2 * (h - below) + 1) / (double)(2 * below));
}

static double valid_keys(const struct attention_input *in, size_t b, size_t S)
{
    return (double)(in->key_lengths ? in->key_lengths[b] : S);
}

/* Where token 0 stands among the keys. */
static double offset_of(const struct attention_input *in, size_t b,
                        const struct operator_answer *a)
{
    return in->align == ALIGN_BOTTOM_RIGHT ? valid_keys(in, b, a->S) - (double)a->T
                                           : (double)a->P;
}

static bool in_place(const struct attention_input *in, double own, double j)
{
    const struct window_view *w = &in->window;
    return (!in->causal || j <= own) &&
           (!w->left_given || j >= own - (double)w->left) &&
           (!w->right_given || j <= own + (double)w->right);
}

/* Number n of the stream that starts at `state`: SplitMix64. */
static uint64_t hash(uint64_t state, uint64_t n)
{
    uint64_t z = state + (n + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* The upper 24 bits of a hash of the seed, the sequence, the head, the row and the
 * column, as a part of 2^24. */
static bool drops(const struct dropout_input *d, const size_t cell[4])
{
    uint64_t state = d->seed;
    for (size_t n = 0; n < 4; n++)
        state = hash(state, cell[n]);
    return (double)(state >> 40) < (double)d->rate * 16777216;
}

/* The first three stages of a row, and which of its cells are allowed. */
static void score_row(const struct attention_input *in, size_t b,
                      struct operator_answer *a, size_t h, size_t i)
{
    size_t g = h / (a->H / a->G), row = (h * a->T + i) * a->S;
    double scale = in->scale_given ? (double)in->scale : 1 / sqrt((double)a->dk);
    double own = (double)i + offset_of(in, b, a), cap = (double)in->softcap;
    for (size_t j = 0; j < a->S; j++) {
        double dot = 0, bias = masked(&in->mask, (size_t[]){b, h, i, j});
        for (size_t c = 0; c < a->dk; c++)
            dot += a->query[(h * a->T + i) * a->dk + c] *
                   a->key[(g * a->S + j) * a->dk + c];
        double score = scale * dot, capped = cap > 0 ? cap * tanh(score / cap) : score;
        bool seen = bias > -HUGE_VAL && (double)j < valid_keys(in, b, a->S) &&
                    in_place(in, own, (double)j);
        double slant = in->alibi ? -slope(in, a->H, h) * fabs(own - (double)j) : 0;
        a->stage[MAP_STAGE_SCORES][row + j] = score;
        a->stage[MAP_STAGE_CAPPED][row + j] = capped;
        a->stage[MAP_STAGE_BIASED][row + j] = seen ? capped + bias + slant : -HUGE_VAL;
        a->visible[row + j] = seen;
    }
}

/* Hides all but the `keep` largest of a row; of equal ones the first keys stay. */
static void keep_largest(struct operator_answer *a, size_t keep, size_t h, size_t i)
{
    double *row = a->stage[MAP_STAGE_BIASED] + (h * a->T + i) * a->S;
    bool *visible = a->visible + (h * a->T + i) * a->S;
    double least_in = HUGE_VAL, most_out = -HUGE_VAL;
    for (size_t j = 0; j < a->S; j++) {
        size_t before = 0;
        for (size_t other = 0; other < a->S; other++)
            before +=
                row[other] > row[j] || (row[other] == row[j] && other < j) ? 1 : 0;
        visible[j] = visible[j] && before < keep;
        if (visible[j])
            least_in = fmin(least_in, row[j]);
        else
            most_out = fmax(most_out, row[j]);
    }
    a->close[h * a->T + i] =
        least_in != most_out && least_in - most_out < 1e-4 * (1 + fabs(least_in));
    for (size_t j = 0; j < a->S; j++)
        row[j] = visible[j] ? row[j] : -HUGE_VAL;
}

/* Of what is allowed, and so of what is kept, some scores become 0. */
static void drop_scores(const struct attention_input *in, size_t b,
                        struct operator_answer *a, size_t h, size_t i)
{
    size_t row = (h * a->T + i) * a->S;
    for (size_t j = 0; j < a->S; j++)
        if (a->visible[row + j] && drops(&in->dropout, (size_t[]){b, h, i, j}))
            a->stage[MAP_STAGE_BIASED][row + j] = 0;
}

/* The weights of a row, and its lse. */
static void softmax_row(const struct attention_input *in, size_t b,
                        struct operator_answer *a, size_t h, size_t i)
{
    const double *biased = a->stage[MAP_STAGE_BIASED] + (h * a->T + i) * a->S;
    double *weight = a->stage[MAP_STAGE_WEIGHTS] + (h * a->T + i) * a->S;
    double most = -HUGE_VAL, sum = 0, rate = (double)in->dropout.rate;
    for (size_t j = 0; j < a->S; j++)
        most = fmax(most, biased[j]);
    a->lse[h * a->T + i] = -HUGE_VAL;
    if (most == -HUGE_VAL)
        return;

    for (size_t j = 0; j < a->S; j++)
        sum += exp(biased[j] - most);
    a->lse[h * a->T + i] = most + log(sum);
    if (in->sinks.rank)
        sum += exp((double)in->sinks.data[h] - most);
    for (size_t j = 0; j < a->S; j++) {
        weight[j] = exp(biased[j] - most) / sum;
        if (in->dropout.rate > 0 && !in->dropout.on_scores)
            weight[j] = drops(&in->dropout, (size_t[]){b, h, i, j})
                            ? 0
                            : weight[j] / (1 - rate);
    }
}

/* Adds what one row says about its head. */
static void count_row(struct operator_answer *a, size_t h, size_t i, double own)
{
    const double *weight = a->stage[MAP_STAGE_WEIGHTS] + (h * a->T + i) * a->S;
    double *figure = a->statistic + h * FIGURES, entropy = 0, most = 0;
    size_t seen = 0;
    for (size_t j = 0; j < a->S; j++) {
        double p = weight[j], step = (double)j - own;
        seen += a->visible[(h * a->T + i) * a->S + j];
        entropy -= p > 0 ? p * log(p) : 0;
        most = fmax(most, p);
        figure[FIGURE_DISTANCE] += p * fabs(step);
        figure[FIGURE_FIRST] += j == 0 ? p : 0;
        figure[FIGURE_OWN] += step == 0 ? p : 0;
        figure[FIGURE_PREVIOUS] += step == -1 ? p : 0;
        figure[FIGURE_NEXT] += step == 1 ? p : 0;
        a->received[h * a->S + j] += p;
    }
    figure[FIGURE_ROWS] += seen > 0;
    figure[FIGURE_ENTROPY] += entropy;
    figure[FIGURE_MAXIMUM] += most;
    a->entropy[(h * a->T + i) * 2] = entropy;
    a->entropy[(h * a->T + i) * 2 + 1] = seen > 1 ? entropy / log((double)seen) : 0;
}

static void mix_row(struct operator_answer *a, size_t h, size_t i)
{
    const double *weight = a->stage[MAP_STAGE_WEIGHTS] + (h * a->T + i) * a->S;
    size_t g = h / (a->H / a->G);
    for (size_t j = 0; j < a->S; j++)
        for (size_t c = 0; c < a->dv; c++)
            a->heads[(h * a->T + i) * a->dv + c] +=
                weight[j] * a->value[(g * a->S + j) * a->dv + c];
}

/* Column n of row i of the answer: heads joined, times wo, plus bo. */
static double joined(const struct attention_input *in, const struct operator_answer *a,
                     size_t i, size_t n)
{
    const struct tensor *wo = &in->weights.wo, *bo = &in->weights.bo;
    double sum = bo->rank ? (double)bo->data[n] : 0;
    for (size_t k = 0; k < a->H * a->dv; k++) {
        double number = a->heads[(k / a->dv * a->T + i) * a->dv + k % a->dv];
        if (wo->rank)
            sum += number * (double)wo->data[k * a->width + n];
        else if (k == n)
            sum = number;
    }
    return sum;
}

static void attend(const struct attention_input *in, size_t b,
                   struct operator_answer *a)
{
    size_t keep = in->method.name == METHOD_TOP_K ? in->method.k : 0;
    for (size_t h = 0; h < a->H; h++)
        for (size_t i = 0; i < a->T; i++) {
            score_row(in, b, a, h, i);
            if (keep)
                keep_largest(a, keep, h, i);
            if (in->dropout.on_scores)
                drop_scores(in, b, a, h, i);
            softmax_row(in, b, a, h, i);
            count_row(a, h, i, (double)i + offset_of(in, b, a));
            mix_row(a, h, i);
        }
    for (size_t h = 0; h < a->H; h++)
        for (size_t n = FIGURE_ROWS + 1; n < FIGURES; n++)
            a->statistic[h * FIGURES + n] /= fmax(1, a->statistic[h * FIGURES]);
    a->width = in->weights.wo.rank ? in->weights.wo.extent[1]
               : a->split          ? a->dv
                                   : a->H * a->dv;
    for (size_t n = 0; n < a->T * a->H * a->dv && a->split; n++)
        a->output[n] = a->heads[n];
    for (size_t n = 0; n < a->T * a->width && !a->split; n++)
        a->output[n] = joined(in, a, n / a->width, n % a->width);
}

static void make_room(struct operator_answer *a, size_t width, struct arena *arena)
{
    size_t rows = a->H * a->T, cells = rows * a->S;
    for (size_t n = 0; n < 4; n++)
        a->stage[n] = zeros(arena, cells, sizeof(double));
    a->visible = zeros(arena, cells, sizeof(bool));
    a->close = zeros(arena, rows, sizeof(bool));
    a->lse = zeros(arena, rows, sizeof(double));
    a->entropy = zeros(arena, rows * 2, sizeof(double));
    a->heads = zeros(arena, rows * a->dv, sizeof(double));
    a->output = zeros(arena, rows * a->dv + a->T * width, sizeof(double));
    a->statistic = zeros(arena, a->H * FIGURES, sizeof(double));
    a->received = zeros(arena, a->H * a->S, sizeof(double));
}

static struct operator_answer answer(const struct attention_input *in, size_t b,
                                     struct arena *arena)
{
    const struct attention_weights *w = &in->weights;
    bool split = in->query.rank == 4, tokens = in->sequences.count > 0;
    size_t H = split ? in->query.extent[1] : in->heads ? in->heads : 1;
    size_t G = split ? in->key.extent[1] : in->kv_heads ? in->kv_heads : H;
    const struct batch *asked = in->context.count ? &in->context : &in->sequences;
    const struct tensor *x = tokens ? &in->sequences.item[b] : NULL;
    const struct tensor *c = tokens ? &asked->item[b] : NULL;
    struct source source[3] = {
        {.projected = &in->query, .tokens = x, .w = &w->wq, .bias = &w->bq, .heads = H},
        {.projected = &in->key, .tokens = c, .w = &w->wk, .bias = &w->bk, .heads = G},
        {.projected = &in->value, .tokens = c, .w = &w->wv, .bias = &w->bv, .heads = G},
    };
    for (size_t n = 0; n < 3; n++) {
        source[n].rows = rows_of(&source[n]);
        source[n].width = width_of(&source[n]);
        source[n].b = b;
    }
    size_t P = in->past.given ? in->past.key.extent[in->past.key.rank - 2] : 0;
    struct operator_answer a = {.T = source[0].rows,
                                .S = P + source[1].rows,
                                .P = P,
                                .H = H,
                                .G = G,
                                .dk = source[1].width,
                                .dv = source[2].width,
                                .split = split,
                                .query = fill(arena, &source[0], NULL, 0),
                                .key = fill(arena, &source[1], &in->past.key, P),
                                .value = fill(arena, &source[2], &in->past.value, P)};
    make_room(&a, w->wo.rank ? w->wo.extent[1] : 0, arena);
    if (in->rope.given)
        turn_all(in, b, &a);
    attend(in, b, &a);
    return a;
}

struct operator_answer *float64_operator(const struct attention_input *in,
                                         struct arena *arena)
{
    size_t B = operator_batch(in);
    struct operator_answer *a = zeros(arena, B, sizeof *a);
    for (size_t b = 0; b < B; b++)
        a[b] = answer(in, b, arena);
    return a;
}
