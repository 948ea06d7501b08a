#include "support/attention_float64.h"

#include <math.h>
#include <stdlib.h>

/* Element c of head h of row i of one of Q, K, V before any product; `heads` heads
 * of `width`, of sequence b with `rows` rows. */
static double given(const struct tensor *projected, const struct batch *tokens,
                    size_t b, size_t h, size_t i, size_t c, const size_t shape[3])
{
    size_t heads = shape[0], rows = shape[1], width = shape[2];
    if (projected->rank == 4)
        return (double)projected->data[((b * heads + h) * rows + i) * width + c];
    if (projected->rank)
        return (double)projected->data[(b * rows + i) * heads * width + h * width + c];
    return (double)tokens->item[b].data[i * heads * width + h * width + c];
}

static double *project(const struct tensor *projected, const struct batch *tokens,
                       size_t b, const size_t shape[3], size_t in,
                       const struct tensor *w, const struct tensor *bias)
{
    size_t heads = shape[0], rows = shape[1], width = shape[2];
    double *out = calloc(heads * rows * width, sizeof *out);
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < rows; i++)
            for (size_t c = 0; c < width; c++) {
                double sum = bias->rank ? (double)bias->data[h * width + c] : 0;
                for (size_t k = 0; w->rank && k < in; k++)
                    sum += (double)tokens->item[b].data[i * in + k] *
                           (double)w->data[(k * heads + h) * width + c];
                out[(h * rows + i) * width + c] =
                    w->rank ? sum : given(projected, tokens, b, h, i, c, shape);
            }
    return out;
}

/* What the mask adds to cell (b, h, i, j); -HUGE_VAL: may not attend. */
static double masked(const struct attention_mask *mask, const size_t cell[4])
{
    if (mask->kind == MASK_NONE)
        return 0;

    size_t at = 0;
    for (size_t axis = 0; axis < mask->rank; axis++) {
        size_t extent = mask->extent[axis];
        size_t position = extent == 1 ? 0 : cell[4 - mask->rank + axis];
        if (position >= extent)
            return -HUGE_VAL;
        at = at * extent + position;
    }
    if (mask->kind == MASK_BOOLEAN)
        return mask->allowed[at] ? 0 : -HUGE_VAL;
    return (double)mask->bias[at];
}

/* Where row i of the queries, or own row i of the keys, stands for rope. */
static double position(const struct attention_input *in, size_t b,
                       const struct float64_sizes *z, bool of_key, size_t i)
{
    const struct rope_input *rope = &in->rope;
    bool same_tokens = !in->context.count && z->S - z->P == z->T;
    if (of_key && !same_tokens)
        return (double)(z->P + i);
    if (rope->positions)
        return (double)
            rope->positions[rope->position_rank == 2 ? b * rope->position_extent[1] + i
                                                     : i];
    return (rope->offset_given ? (double)rope->offset : (double)z->P) + (double)i;
}

/* Turns own row i, x[dk], in place. */
static void turn(const struct attention_input *in, size_t dk, double at, double *x)
{
    const struct rope_input *rope = &in->rope;
    size_t dims = rope->dims ? rope->dims : dk;
    for (size_t k = 0; k < dims / 2; k++) {
        double angle = at / pow(rope->base, 2.0 * (double)k / (double)dims);
        double cosine = cos(angle), sine = sin(angle);
        if (rope->cosines.rank) {
            cosine = (double)rope->cosines.data[(size_t)at * (dims / 2) + k];
            sine = (double)rope->sines.data[(size_t)at * (dims / 2) + k];
        }
        double *one = &x[rope->interleaved ? 2 * k : k];
        double *other = &x[rope->interleaved ? 2 * k + 1 : k + dims / 2];
        double before = *one;
        *one = before * cosine - *other * sine;
        *other = before * sine + *other * cosine;
    }
}

/* [heads][P + rows][width] of the past and `own`, which is freed. */
static double *join(const struct tensor *past, size_t P, size_t b, double *own,
                    const size_t shape[3])
{
    size_t heads = shape[0], rows = shape[1], width = shape[2], S = P + rows;
    double *out = calloc(heads * S * width, sizeof *out);
    for (size_t n = 0; n < heads * S * width; n++) {
        size_t h = n / width / S, j = n / width % S, c = n % width;
        out[n] = j < P ? (double)past->data[((b * heads + h) * P + j) * width + c]
                       : own[(h * rows + j - P) * width + c];
    }
    free(own);
    return out;
}

/* The hash of dropout.h, written a second time. */
static uint64_t mixed(uint64_t state, uint64_t n)
{
    uint64_t z = state + (n + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static bool dropped(const struct dropout_input *d, const size_t cell[4])
{
    uint64_t hash = d->seed;
    for (size_t axis = 0; axis < 4; axis++)
        hash = mixed(hash, cell[axis]);
    return (double)(hash >> 40) / 16777216.0 < (double)d->rate;
}

/* Key that query 0 stands on. */
static double offset_of(const struct attention_input *in, size_t b,
                        const struct float64_sizes *z)
{
    double valid = in->key_lengths ? (double)in->key_lengths[b] : (double)z->S;
    return in->align == ALIGN_BOTTOM_RIGHT ? valid - (double)z->T : (double)z->P;
}

static bool hidden(const struct attention_input *in, size_t b,
                   const struct float64_sizes *z, size_t i, size_t j)
{
    double ahead = (double)j - ((double)i + offset_of(in, b, z));
    return (in->key_lengths && j >= in->key_lengths[b]) || (in->causal && ahead > 0) ||
           (in->window.left_given && -ahead > (double)in->window.left) ||
           (in->window.right_given && ahead > (double)in->window.right);
}

/* The slope of head h: the paper's, by its recursive definition, or the given one. */
static double slope_of(const struct attention_input *in, size_t h, size_t H)
{
    if (in->alibi_slopes.rank)
        return (double)in->alibi_slopes.data[h];
    if ((H & (H - 1)) == 0)
        return pow(2, -8.0 * (double)(h + 1) / (double)H);
    size_t below = 1;
    while (2 * below < H)
        below *= 2;
    return h < below ? slope_of(in, h, below)
                     : slope_of(in, 2 * (h - below), 2 * below);
}

/* Fills row i of head h up to the biased scores; returns how many keys it sees. */
static size_t score(const struct attention_input *in, size_t b,
                    const struct float64_sizes *z, struct float64_answer *a, size_t h,
                    size_t i)
{
    size_t g = h / (z->H / z->G), visible = 0;
    double scale = in->scale_given ? (double)in->scale : 1 / sqrt((double)z->dk);
    double cap = (double)in->softcap;
    for (size_t j = 0; j < z->S; j++) {
        size_t at = (h * z->T + i) * z->S + j, cell[4] = {b, h, i, j};
        double dot = 0, distance = fabs((double)i + offset_of(in, b, z) - (double)j);
        for (size_t c = 0; c < z->dk; c++)
            dot += a->query[(h * z->T + i) * z->dk + c] *
                   a->key[(g * z->S + j) * z->dk + c];
        a->scores[at] = scale * dot;
        a->capped[at] = cap > 0 ? cap * tanh(scale * dot / cap) : scale * dot;
        a->biased[at] = a->capped[at] + masked(&in->mask, cell);
        if (in->alibi || in->alibi_slopes.rank)
            a->biased[at] -= slope_of(in, h, z->H) * distance;
        if (hidden(in, b, z, i, j))
            a->biased[at] = -HUGE_VAL;
        visible += a->biased[at] > -HUGE_VAL;
        if (a->biased[at] > -HUGE_VAL && in->dropout.on_scores &&
            dropped(&in->dropout, cell))
            a->biased[at] = 0;
    }
    return visible;
}

/* The weights and the lse of a row that has been scored. */
static void weigh(const struct attention_input *in, size_t b,
                  const struct float64_sizes *z, struct float64_answer *a, size_t h,
                  size_t i)
{
    const double *biased = a->biased + (h * z->T + i) * z->S;
    double *weights = a->weights + (h * z->T + i) * z->S;
    double most = -HUGE_VAL, sum = 0;
    for (size_t j = 0; j < z->S; j++)
        most = fmax(most, biased[j]);
    a->lse[h * z->T + i] = -HUGE_VAL;
    if (most > -HUGE_VAL) {
        for (size_t j = 0; j < z->S; j++)
            sum += exp(biased[j] - most);
        a->lse[h * z->T + i] = most + log(sum);
        if (in->sinks.rank)
            sum += exp((double)in->sinks.data[h] - most);
        for (size_t j = 0; j < z->S; j++)
            weights[j] = exp(biased[j] - most) / sum;
    }
    for (size_t j = 0; j < z->S && !in->dropout.on_scores; j++)
        weights[j] *= dropped(&in->dropout, (size_t[]){b, h, i, j})
                          ? 0
                          : 1 / (1 - (double)in->dropout.rate);
}

/* What is told about the weights of a row that sees so many keys. */
static void describe(const struct attention_input *in, size_t b,
                     const struct float64_sizes *z, struct float64_answer *a, size_t h,
                     size_t i, size_t visible)
{
    const double *weights = a->weights + (h * z->T + i) * z->S;
    struct float64_statistics *s = &a->statistics[h];
    double entropy = 0, most = 0, own = (double)i + offset_of(in, b, z);
    for (size_t j = 0; j < z->S; j++) {
        double p = weights[j], away = (double)j - own;
        entropy -= p > 0 ? p * log(p) : 0;
        most = fmax(most, p);
        a->received[h * z->S + j] += p;
        s->distance += p * fabs(away);
        s->first += j == 0 ? p : 0;
        s->own += away == 0.0 ? p : 0;
        s->previous += away == -1.0 ? p : 0;
        s->next += away == 1.0 ? p : 0;
    }
    s->rows += visible > 0;
    s->entropy += entropy;
    s->maximum += most;
    a->entropy[(h * z->T + i) * 2] = entropy;
    a->entropy[(h * z->T + i) * 2 + 1] =
        visible > 1 ? entropy / log((double)visible) : 0;
}

static void attend(const struct attention_input *in, size_t b,
                   const struct float64_sizes *z, struct float64_answer *a, size_t h,
                   size_t i)
{
    size_t g = h / (z->H / z->G), visible = score(in, b, z, a, h, i);
    weigh(in, b, z, a, h, i);
    describe(in, b, z, a, h, i, visible);
    for (size_t j = 0; j < z->S; j++)
        for (size_t c = 0; c < z->dv; c++)
            a->heads[(h * z->T + i) * z->dv + c] +=
                a->weights[(h * z->T + i) * z->S + j] *
                a->value[(g * z->S + j) * z->dv + c];
}

static void divide(struct float64_statistics *s)
{
    double *const sums[] = {&s->entropy, &s->maximum,  &s->distance, &s->first,
                            &s->own,     &s->previous, &s->next};
    for (size_t n = 0; n < sizeof sums / sizeof *sums; n++)
        *sums[n] = s->rows > 0 ? *sums[n] / s->rows : 0;
}

/* Column n of row i of the answer. */
static double joined(const struct attention_input *in, const struct float64_sizes *z,
                     const struct float64_answer *a, size_t i, size_t n)
{
    const struct tensor *wo = &in->weights.wo, *bo = &in->weights.bo;
    if (!wo->rank)
        return a->heads[(n / z->dv * z->T + i) * z->dv + n % z->dv];

    double sum = bo->rank ? (double)bo->data[n] : 0;
    for (size_t k = 0; k < z->H * z->dv; k++)
        sum += a->heads[(k / z->dv * z->T + i) * z->dv + k % z->dv] *
               (double)wo->data[k * z->output_width + n];
    return sum;
}

static double *room(size_t count)
{
    return calloc(count, sizeof(double));
}

/* Fills Q, K and V, turned and joined. */
static void make_sides(const struct attention_input *in, size_t b,
                       const struct float64_sizes *z, struct float64_answer *a)
{
    const struct attention_weights *w = &in->weights;
    const struct batch *asked = in->context.count ? &in->context : &in->sequences;
    size_t own = z->S - z->P;
    const size_t query[] = {z->H, z->T, z->dk}, key[] = {z->G, own, z->dk},
                 value[] = {z->G, own, z->dv};
    a->query = project(&in->query, &in->sequences, b, query, z->d, &w->wq, &w->bq);
    a->key = project(&in->key, asked, b, key, z->dc, &w->wk, &w->bk);
    a->value = project(&in->value, asked, b, value, z->dc, &w->wv, &w->bv);
    for (size_t n = 0; in->rope.given && n < z->H * z->T; n++)
        turn(in, z->dk, position(in, b, z, false, n % z->T), a->query + n * z->dk);
    for (size_t n = 0; in->rope.given && n < z->G * own; n++)
        turn(in, z->dk, position(in, b, z, true, n % own), a->key + n * z->dk);
    a->key = join(&in->past.key, z->P, b, a->key, key);
    a->value = join(&in->past.value, z->P, b, a->value, value);
}

struct float64_answer float64_attention(const struct attention_input *in, size_t b,
                                        const struct float64_sizes *z)
{
    size_t cells = z->H * z->T * z->S;
    struct float64_answer a = {
        .scores = room(cells),
        .capped = room(cells),
        .biased = room(cells),
        .weights = room(cells),
        .lse = room(z->H * z->T),
        .entropy = room(z->H * z->T * 2),
        .received = room(z->H * z->S),
        .statistics = calloc(z->H, sizeof *a.statistics),
        .heads = room(z->H * z->T * z->dv),
        .output = room(z->H * z->T * z->dv + z->T * z->output_width),
    };
    make_sides(in, b, z, &a);
    for (size_t h = 0; h < z->H; h++) {
        for (size_t i = 0; i < z->T; i++)
            attend(in, b, z, &a, h, i);
        divide(&a.statistics[h]);
    }

    bool split = in->query.rank == 4;
    for (size_t n = 0; split && n < z->H * z->T * z->dv; n++)
        a.output[n] = a.heads[n];
    for (size_t n = 0; !split && n < z->T * z->output_width; n++)
        a.output[n] = joined(in, z, &a, n / z->output_width, n % z->output_width);
    return a;
}

void float64_answer_free(struct float64_answer *a)
{
    double *const owned[] = {a->query,   a->key,      a->value,   a->scores,
                             a->capped,  a->biased,   a->weights, a->lse,
                             a->entropy, a->received, a->heads,   a->output};
    for (size_t n = 0; n < sizeof owned / sizeof *owned; n++)
        free(owned[n]);
    free(a->statistics);
}
