#include "property/operator_json.h"

#include <jansson.h>

struct writer {
    const struct attention_input *in;
    const struct operator_form *form;
    struct test_random *r;
    json_t *root;
};

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *packed(const char *dtype, const size_t *extent, size_t rank,
                      const unsigned char *bytes, size_t size)
{
    json_t *json = json_object(), *shape = json_array();
    size_t count = 1, length = 0;
    for (size_t axis = 0; axis < rank; axis++) {
        json_array_append_new(shape, json_integer((json_int_t)extent[axis]));
        count *= extent[axis];
    }
    char *text = malloc(count * size / 3 * 4 + 8);
    for (size_t at = 0; at < count * size; at += 3) {
        size_t left = count * size - at;
        unsigned bits = (unsigned)bytes[at] << 16 |
                        (left > 1 ? (unsigned)bytes[at + 1] << 8 : 0) |
                        (left > 2 ? bytes[at + 2] : 0);
        text[length++] = digits[bits >> 18];
        text[length++] = digits[bits >> 12 & 63];
        text[length++] = left > 1 ? digits[bits >> 6 & 63] : '=';
        text[length++] = left > 2 ? digits[bits & 63] : '=';
    }
    json_object_set_new(json, "dtype", json_string(dtype));
    json_object_set_new(json, "shape", shape);
    json_object_set_new(json, "data", json_stringn(text, length));
    free(text);
    return json;
}

/* -infinity has two names. */
static json_t *number(float x, size_t i)
{
    return !isinf(x) ? json_real((double)x)
           : i % 2   ? json_null()
                     : json_string("-Infinity");
}

/* Numbers, or booleans where there are no numbers. */
static json_t *nested(const float *data, const uint8_t *flags, const size_t *extent,
                      size_t rank)
{
    size_t part = 1;
    json_t *json = json_array();
    for (size_t axis = 1; axis < rank; axis++)
        part *= extent[axis];
    for (size_t i = 0; i < extent[0]; i++) {
        json_t *item =
            rank > 1 ? nested(data ? data + i * part : NULL,
                              flags ? flags + i * part : NULL, extent + 1, rank - 1)
            : data ? number(data[i], i)
                   : json_boolean(flags[i]);
        json_array_append_new(json, item);
    }
    return json;
}

static bool pack_next(struct writer *w)
{
    return test_random_size(w->r, 1, 100) <= w->form->packed_percent;
}

/* Do the upper two bytes of each number say all of it? */
static bool fits_bfloat(const float *data, size_t count)
{
    bool fits = true;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &data[i], sizeof bits);
        fits = fits && (bits & 0xFFFF) == 0;
    }
    return fits;
}

/* As float32, float64 or, if it says the same number, bfloat16. */
static json_t *tensor(struct writer *w, const struct tensor *t)
{
    size_t count = tensor_count(t);
    if (!pack_next(w))
        return nested(t->data, NULL, t->extent, t->rank);
    if (test_random_size(w->r, 0, 1))
        return packed("f32", t->extent, t->rank, (const unsigned char *)t->data, 4);

    unsigned char *bytes = malloc(count * 8);
    bool brief = fits_bfloat(t->data, count);
    for (size_t i = 0; i < count; i++) {
        double number = (double)t->data[i];
        if (brief)
            memcpy(bytes + i * 2, (const char *)&t->data[i] + 2, 2);
        else
            memcpy(bytes + i * 8, &number, 8);
    }
    json_t *json =
        packed(brief ? "bf16" : "f64", t->extent, t->rank, bytes, brief ? 2 : 8);
    free(bytes);
    return json;
}

static void add(struct writer *w, const char *name, json_t *json)
{
    json_object_set_new(w->root, name, json);
}

static void add_tensor(struct writer *w, json_t *to, const char *name,
                       const struct tensor *t)
{
    if (t->rank)
        json_object_set_new(to, name, tensor(w, t));
}

static void add_batch(struct writer *w, const char *name, const struct batch *batch)
{
    json_t *all = json_array();
    for (size_t b = 0; b < batch->count; b++)
        json_array_append_new(all, tensor(w, &batch->item[b]));
    if (batch->count == 0)
        json_decref(all);
    else if (batch->single) {
        add(w, name, json_incref(json_array_get(all, 0)));
        json_decref(all);
    } else
        add(w, name, all);
}

static void add_weights(struct writer *w)
{
    const struct attention_weights *from = &w->in->weights;
    if (!from->given)
        return;

    json_t *weights = json_object();
    add_tensor(w, weights, "wq", &from->wq);
    add_tensor(w, weights, "wk", &from->wk);
    add_tensor(w, weights, "wv", &from->wv);
    add_tensor(w, weights, "wo", &from->wo);
    add_tensor(w, weights, "bq", &from->bq);
    add_tensor(w, weights, "bk", &from->bk);
    add_tensor(w, weights, "bv", &from->bv);
    add_tensor(w, weights, "bo", &from->bo);
    add(w, "weights", weights);
}

static void add_mask(struct writer *w)
{
    const struct attention_mask *m = &w->in->mask;
    if (m->kind == MASK_NONE)
        return;
    if (!pack_next(w))
        add(w, "mask", nested(m->bias, m->allowed, m->extent, m->rank));
    else if (m->kind == MASK_BOOLEAN)
        add(w, "mask", packed("bool", m->extent, m->rank, m->allowed, 1));
    else
        add(w, "mask",
            packed("f32", m->extent, m->rank, (const unsigned char *)m->bias, 4));
}

static json_t *whole_numbers(const int64_t *numbers, const size_t *extent, size_t rank)
{
    json_t *json = json_array();
    for (size_t i = 0; i < extent[0]; i++)
        json_array_append_new(json, rank > 1 ? whole_numbers(numbers + i * extent[1],
                                                             extent + 1, rank - 1)
                                             : json_integer(numbers[i]));
    return json;
}

static json_t *sizes(const size_t *numbers, size_t count)
{
    json_t *json = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(json, json_integer((json_int_t)numbers[i]));
    return json;
}

static void add_rope(struct writer *w)
{
    const struct rope_input *rope = &w->in->rope;
    json_t *json = json_object();
    if (!rope->given) {
        json_decref(json);
        return;
    }
    if (rope->base > 0)
        json_object_set_new(json, "base", json_real(rope->base));
    if (rope->dims)
        json_object_set_new(json, "dims", json_integer((json_int_t)rope->dims));
    if (rope->interleaved || test_random_size(w->r, 0, 1))
        json_object_set_new(json, "interleaved", json_boolean(rope->interleaved));
    add_tensor(w, json, "cos", &rope->cosines);
    add_tensor(w, json, "sin", &rope->sines);
    if (rope->positions)
        json_object_set_new(
            json, "positions",
            whole_numbers(rope->positions, rope->position_extent, rope->position_rank));
    else if (rope->offset_given)
        json_object_set_new(json, "positions", json_integer(rope->offset));
    add(w, "rope", json);
}

static void add_window(struct writer *w)
{
    const struct window_view *from = &w->in->window;
    json_t *window = json_object();
    if (from->left_given)
        json_object_set_new(window, "left", json_integer((json_int_t)from->left));
    if (from->right_given)
        json_object_set_new(window, "right", json_integer((json_int_t)from->right));
    if (json_object_size(window))
        add(w, "window", window);
    else
        json_decref(window);
}

static void add_dropout(struct writer *w)
{
    const struct dropout_input *d = &w->in->dropout;
    if (d->rate > 0)
        add(w, "dropout",
            json_pack("{s:f, s:I, s:s}", "rate", (double)d->rate, "seed",
                      (json_int_t)d->seed, "on", d->on_scores ? "scores" : "weights"));
}

static void add_past(struct writer *w)
{
    if (!w->in->past.given)
        return;
    json_t *past = json_object();
    add_tensor(w, past, "key", &w->in->past.key);
    add_tensor(w, past, "value", &w->in->past.value);
    add(w, "past", past);
}

/* For a single sequence now and then just the number. */
static void add_key_lengths(struct writer *w)
{
    const struct attention_input *in = w->in;
    bool single = in->sequences.single || in->query.rank == 2;
    add(w, "key_lengths",
        single && test_random_size(w->r, 0, 1)
            ? json_integer((json_int_t)in->key_lengths[0])
            : sizes(in->key_lengths, in->key_length_count));
}

static void add_options(struct writer *w)
{
    const struct attention_input *in = w->in;
    if (in->heads)
        add(w, "heads", json_integer((json_int_t)in->heads));
    if (in->kv_heads)
        add(w, "kv_heads", json_integer((json_int_t)in->kv_heads));
    if (in->scale_given)
        add(w, "scale", json_real((double)in->scale));
    if (in->causal)
        add(w, "causal", json_true());
    if (in->align == ALIGN_BOTTOM_RIGHT)
        add(w, "align", json_string("bottom_right"));
    if (in->key_lengths)
        add_key_lengths(w);
    if (in->softcap > 0)
        add(w, "softcap", json_real((double)in->softcap));
    if (in->alibi)
        add(w, "alibi",
            in->alibi_slopes.rank ? tensor(w, &in->alibi_slopes) : json_true());
    add_tensor(w, w->root, "sinks", &in->sinks);
    if (in->method.name == METHOD_TOP_K)
        add(w, "method",
            json_pack("{s:s, s:I}", "name", "top_k", "k", (json_int_t)in->method.k));
}

static void add_answer(struct writer *w)
{
    static const char *const forms[] = {"heads", "mean", "none", "top_k"};
    static const char *const stages[] = {"weights", "scores", "capped", "biased"};
    const struct attention_input *in = w->in;
    const struct {
        bool wanted;
        const char *name;
    } parts[] = {{in->want_statistics, "statistics"},
                 {in->want_projections, "projections"},
                 {in->want_lse, "lse"},
                 {in->want_present, "present"},
                 {in->want_entropy, "entropy"}};
    json_t *wanted = json_array();
    for (size_t n = 0; n < sizeof parts / sizeof *parts; n++)
        if (parts[n].wanted)
            json_array_append_new(wanted, json_string(parts[n].name));
    add(w, "return", wanted);
    if (in->maps != MAPS_HEADS)
        add(w, "maps", json_string(forms[in->maps]));
    if (in->maps == MAPS_TOP_K)
        add(w, "top_k", json_integer((json_int_t)in->top_k));
    if (in->map_stage != MAP_STAGE_WEIGHTS)
        add(w, "map_stage", json_string(stages[in->map_stage]));
    if (in->map_heads_given)
        add(w, "map_heads", sizes(in->map_heads, in->map_head_count));
    if (w->form->packed_answer)
        add(w, "tensor_format", json_string("base64"));
    if (w->form->precision)
        add(w, "precision", json_integer(w->form->precision));
}

char *operator_json_write(const struct attention_input *in,
                          const struct operator_form *form, struct test_random *r)
{
    struct writer w = {in, form, r, json_object()};
    add_answer(&w);
    add_batch(&w, "sequences", &in->sequences);
    add_batch(&w, "context", &in->context);
    add_tensor(&w, w.root, "query", &in->query);
    add_tensor(&w, w.root, "key", &in->key);
    add_tensor(&w, w.root, "value", &in->value);
    add_weights(&w);
    add_mask(&w);
    add_options(&w);
    add_window(&w);
    add_rope(&w);
    add_dropout(&w);
    add_past(&w);
    char *text = json_dumps(w.root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(w.root);
    return text;
}

struct reader {
    const struct multi_head_result *like;
    size_t past;
    const char *what;
    struct arena *arena;
};

static void *room(struct reader *r, size_t count, size_t size)
{
    struct error e = {0};
    void *p = arena_alloc(r->arena, count, size, &e);
    ck_assert(p != NULL);
    return p;
}

static void unpack(const char *text, size_t bytes, unsigned char *out)
{
    for (size_t at = 0; at < bytes; at++) {
        unsigned sextet[2];
        for (size_t n = 0; n < 2; n++) {
            const char *digit = strchr(digits, text[at / 3 * 4 + at % 3 + n]);
            ck_assert(digit && *digit);
            sextet[n] = (unsigned)(digit - digits);
        }
        unsigned shift = (unsigned)(at % 3) * 2; /* bits of the first already used */
        out[at] = (unsigned char)(sextet[0] << (2 + shift) | sextet[1] >> (4 - shift));
    }
}

/* Numbers of four bytes, of an object whose shape, behind `skip` axes, is `extent`. */
static void *read_packed(struct reader *r, const json_t *json, const char *dtype,
                         size_t skip, const size_t *extent, size_t rank, size_t *all)
{
    const json_t *shape = json_object_get(json, "shape"),
                 *data = json_object_get(json, "data");
    const char *type = json_string_value(json_object_get(json, "dtype"));
    *all = 1;
    ck_assert_msg(json_array_size(shape) == rank + skip && type &&
                      strcmp(type, dtype) == 0,
                  "%s: shape or dtype of a tensor", r->what);
    for (size_t axis = 0; axis < rank + skip; axis++) {
        size_t has = (size_t)json_number_value(json_array_get(shape, axis));
        ck_assert_msg(has == (axis < skip ? r->like->B : extent[axis - skip]),
                      "%s: axis %zu has %zu", r->what, axis, has);
        *all *= has;
    }
    ck_assert_uint_eq(json_string_length(data), (*all * 4 + 2) / 3 * 4);
    void *numbers = room(r, *all, 4);
    unpack(json_string_value(data), *all * 4, numbers);
    return numbers;
}

static float *read_leaves(const struct reader *r, const json_t *json,
                          const size_t *extent, size_t rank, float *out)
{
    if (rank == 0) {
        const char *word = json_string_value(json);
        ck_assert_msg(json_is_number(json) || (word && strcmp(word, "-Infinity") == 0),
                      "%s: not a number", r->what);
        *out = word ? -INFINITY : (float)json_number_value(json);
        return out + 1;
    }
    ck_assert_msg(json_array_size(json) == *extent, "%s: %zu items, not %zu", r->what,
                  json_array_size(json), *extent);
    for (size_t i = 0; i < *extent; i++)
        out = read_leaves(r, json_array_get(json, i), extent + 1, rank - 1, out);
    return out;
}

static size_t product(const size_t *extent, size_t rank)
{
    size_t count = 1;
    for (size_t axis = 0; axis < rank; axis++)
        count *= extent[axis];
    return count;
}

/* The part of sequence b: nested, in a tensor of its own, or in one of the batch. */
static const void *read_part(struct reader *r, const json_t *json, size_t b,
                             const char *dtype, const size_t *extent, size_t rank)
{
    size_t all, count = product(extent, rank);
    if (!json)
        return NULL;
    if (json_is_object(json)) {
        bool batch = !r->like->single;
        const char *numbers = read_packed(r, json, dtype, batch, extent, rank, &all);
        return numbers + (batch ? b * count * 4 : 0);
    }
    const json_t *part = r->like->single ? json : json_array_get(json, b);
    if (json_is_object(part))
        return read_packed(r, part, dtype, 0, extent, rank, &all);

    float *numbers = room(r, count, sizeof *numbers);
    read_leaves(r, part, extent, rank, numbers);
    if (strcmp(dtype, "f32") == 0)
        return numbers;
    int32_t *whole = room(r, count, sizeof *whole);
    for (size_t i = 0; i < count; i++)
        whole[i] = (int32_t)numbers[i];
    return whole;
}

#define PART(json, ...)                                         \
    read_part(r, json, b, "f32", (const size_t[]){__VA_ARGS__}, \
              sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static void read_maps(struct reader *r, const json_t *maps, size_t b,
                      struct sequence_result *s)
{
    const struct multi_head_result *m = r->like;
    const size_t top[] = {m->map_heads, s->T, m->top};
    if (m->top) {
        s->top_indices =
            read_part(r, json_object_get(maps, "indices"), b, "i32", top, 3);
        s->top_values =
            PART(json_object_get(maps, "values"), m->map_heads, s->T, m->top);
    } else if (m->mean_map)
        s->maps = PART(maps, s->T, s->map_columns);
    else
        s->maps = PART(maps, m->map_heads, s->T, s->map_columns);
}

static void read_entropy(struct reader *r, const json_t *entropy, size_t b,
                         struct sequence_result *s)
{
    const struct multi_head_result *m = r->like;
    const float *nats = PART(json_object_get(entropy, "nats"), m->H, s->T);
    const float *part = PART(json_object_get(entropy, "normalised"), m->H, s->T);
    float *both = room(r, m->H * s->T * 2, sizeof *both);
    for (size_t i = 0; nats && part && i < m->H * s->T; i++) {
        both[2 * i] = nats[i];
        both[2 * i + 1] = part[i];
    }
    s->entropy = nats && part ? both : NULL;
}

static void read_statistics(struct reader *r, const json_t *statistics, size_t b,
                            struct sequence_result *s)
{
    const struct multi_head_result *m = r->like;
    const json_t *heads = m->single ? statistics : json_array_get(statistics, b);
    struct head_statistics *head = room(r, m->H, sizeof *head);
    float *received = room(r, m->H * s->S, sizeof *received);
    if (!statistics)
        return;

    ck_assert_uint_eq(json_array_size(heads), m->H);
    for (size_t h = 0; h < m->H; h++) {
        json_t *json = json_array_get(heads, h), *keys;
        struct head_statistics *f = &head[h];
        size_t all;
        f->rows = (double)NAN;
        ck_assert_int_eq(json_unpack(json, "{s:F,s:F,s:F,s:F,s:F,s:F,s:F,s:o !}",
                                     "entropy", &f->entropy, "maximum", &f->maximum,
                                     "distance", &f->distance, "first", &f->first,
                                     "own", &f->own, "previous", &f->previous, "next",
                                     &f->next, "received", &keys),
                         0);
        if (json_is_object(keys))
            memcpy(received + h * s->S, read_packed(r, keys, "f32", 0, &s->S, 1, &all),
                   s->S * sizeof *received);
        else
            read_leaves(r, keys, &s->S, 1, received + h * s->S);
    }
    s->statistics = head;
    s->received = received;
}

static struct sequence_result read_sequence(struct reader *r, const json_t *root,
                                            size_t b)
{
    const struct multi_head_result *m = r->like;
    const struct sequence_result *is = &m->sequence[b];
    struct sequence_result s = {.T = is->T, .S = is->S, .map_columns = is->map_columns};
    const json_t *projections = json_object_get(root, "projections"),
                 *present = json_object_get(root, "present"),
                 *outputs = json_object_get(root, "outputs");
    size_t own = is->S - r->past;
    ck_assert_msg(outputs != NULL, "%s: no outputs", r->what);
    s.output =
        m->split_heads ? PART(outputs, m->H, s.T, m->dv) : PART(outputs, s.T, m->width);
    read_maps(r, json_object_get(root, "attention_maps"), b, &s);
    s.query = PART(json_object_get(projections, "query"), m->H, s.T, m->dk);
    s.key = PART(json_object_get(projections, "key"), m->G, own, m->dk);
    s.value = PART(json_object_get(projections, "value"), m->G, own, m->dv);
    s.lse = PART(json_object_get(root, "lse"), m->H, s.T);
    s.present_key = PART(json_object_get(present, "key"), m->G, s.S, m->dk);
    s.present_value = PART(json_object_get(present, "value"), m->G, s.S, m->dv);
    read_entropy(r, json_object_get(root, "entropy"), b, &s);
    read_statistics(r, json_object_get(root, "statistics"), b, &s);
    return s;
}

struct multi_head_result operator_json_read(const char *text, size_t length,
                                            const struct multi_head_result *like,
                                            size_t past, const char *what,
                                            struct arena *arena)
{
    json_error_t e;
    json_t *root =
        json_loadb(text, length, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &e);
    ck_assert_msg(root != NULL, "%s: %s", what, e.text);
    struct reader r = {like, past, what, arena};
    struct multi_head_result answer = *like;
    struct sequence_result *sequence = room(&r, like->B, sizeof *sequence);
    for (size_t b = 0; b < like->B; b++)
        sequence[b] = read_sequence(&r, root, b);
    answer.sequence = sequence;
    json_decref(root);
    return answer;
}
