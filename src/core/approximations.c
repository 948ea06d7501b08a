#include "core/approximations.h"

#include "core/feature_attention.h"
#include "core/key_patterns.h"
#include "core/linear_attention.h"
#include "core/linformer.h"
#include "core/nystrom.h"

const char *approximations_name(enum method_name name)
{
    static const char *const names[] = {
        [METHOD_EXACT] = "exact",
        [METHOD_LINFORMER] = "linformer",
        [METHOD_NYSTROM] = "nystrom",
        [METHOD_PERFORMER] = "performer",
        [METHOD_LINEAR] = "linear",
        [METHOD_TOP_K] = "top_k",
        [METHOD_BLOCK_SPARSE] = "block_sparse",
        [METHOD_LONGFORMER] = "longformer",
        [METHOD_BIGBIRD] = "bigbird",
    };
    return names[name];
}

static size_t linformer_rank(const struct method_input *m)
{
    return m->e.rank ? m->e.extent[0] : m->rank;
}

size_t approximations_map_columns(const struct method_input *m, size_t S)
{
    switch (m->name) {
    case METHOD_LINFORMER: return linformer_rank(m);
    case METHOD_NYSTROM:
    case METHOD_PERFORMER:
    case METHOD_LINEAR: return 0;
    case METHOD_EXACT:
    case METHOD_TOP_K:
    case METHOD_BLOCK_SPARSE:
    case METHOD_LONGFORMER:
    case METHOD_BIGBIRD: break;
    }
    return S;
}

bool approximations_prepare(const struct attention_input *input,
                            const struct attention_shape *shape,
                            struct approximation *out, struct arena *arena,
                            struct error *e)
{
    const struct method_input *m = &input->method;
    *out = (struct approximation){.asked = m};
    if (m->name == METHOD_PERFORMER)
        out->feature =
            feature_attention_draw(m->features, shape->dk, m->seed, arena, e);
    return m->name != METHOD_PERFORMER || out->feature;
}

/* The part of [B][..] or of [..] that belongs to sequence b, with `inner` axes. */
static const float *part(const struct tensor *t, size_t inner, size_t b)
{
    if (t->rank <= inner)
        return t->data; /* NULL when not given */
    return t->data + b * (tensor_count(t) / t->extent[0]);
}

/* Refuses a parameter of the method. */
static bool refuse(const char *path, struct error *e, size_t is, size_t most,
                   const char *what)
{
    return error_set(e, ERROR_INVALID_INPUT, path, "is %zu, but there are %zu %s", is,
                     most, what);
}

static bool plan_linformer(const struct method_input *m, const struct attention *a,
                           struct attention_method *own, struct error *e)
{
    const struct tensor *const given[] = {&m->e, &m->f};
    static const char *const path[] = {"/method/e", "/method/f"};
    for (size_t i = 0; m->e.rank && i < 2; i++)
        if (given[i]->extent[1] != a->S)
            return error_set(e, ERROR_INVALID_INPUT, path[i],
                             "has rows of %zu numbers, expected %zu (one a key)",
                             given[i]->extent[1], a->S);
    own->rank = linformer_rank(m);
    own->e = m->e.data;
    own->f = m->f.data;
    return own->rank <= a->S ||
           refuse(m->e.rank ? "/method/e" : "/method/rank", e, own->rank, a->S, "keys");
}

/* A pack of nystrom is a head: the pseudo-inverse, in float64, and landmarks by keys.
 */
static bool check_pack(const struct attention *a, size_t landmarks, struct error *e)
{
    const double most = 20; /* some 200 ms */
    double m = (double)landmarks, widths = (double)(a->dk + a->dv);
    double work = m * (2 * (double)a->S * widths + m * (96 * m + 8 * (double)a->dv));
    return work <= most * 1e9 ||
           error_set(
               e, ERROR_TOO_LARGE, "/method/landmarks",
               "is %zu, which makes %.1f thousand million operations of a head in "
               "one go, at most %.0f are allowed",
               landmarks, work * 1e-9, most);
}

static bool plan_nystrom(const struct method_input *m, const struct attention *a,
                         struct attention_method *own, struct error *e)
{
    own->landmarks = m->landmarks;
    if (m->landmarks > a->T)
        return refuse("/method/landmarks", e, m->landmarks, a->T, "tokens");
    if (m->landmarks > a->S)
        return refuse("/method/landmarks", e, m->landmarks, a->S, "keys");
    return check_pack(a, m->landmarks, e);
}

static bool plan_linear(const struct method_input *m, size_t b,
                        const struct attention *a, struct attention_method *own,
                        struct arena *arena, struct error *e)
{
    own->rule = m->rule;
    if (m->rule == RULE_ELU)
        return true;
    if (a->T != a->S)
        return error_set(
            e, ERROR_INVALID_INPUT, "/method/rule",
            "needs a key for every token, but there are %zu tokens and %zu "
            "keys",
            a->T, a->S);
    own->decay = part(&m->decay, 2, b);
    own->beta = part(&m->beta, 2, b);
    own->before = part(&m->state, 3, b);
    own->decay_width = m->decay.rank ? m->decay.extent[m->decay.rank - 1] : 0;
    own->beta_width = m->beta.rank ? m->beta.extent[m->beta.rank - 1] : 0;
    own->after = arena_alloc(arena, a->G, a->dk * a->dv * sizeof *own->after, e);
    return own->after;
}

static const struct attention_kernel *plan_pattern(const struct attention_kernel *exact,
                                                   struct attention *a,
                                                   const struct key_pattern *pattern)
{
    a->pattern = pattern;
    return pattern ? exact : NULL;
}

/* Chooses one of the kernels that look at a->method, and fills that. */
static const struct attention_kernel *plan_own(const struct approximation *common,
                                               size_t b, struct attention *a,
                                               struct arena *arena, struct error *e)
{
    struct attention_method *own = arena_alloc(arena, 1, sizeof *own, e);
    if (!own)
        return NULL;

    const struct method_input *m = common->asked;
    *own = (struct attention_method){.name = m->name, .seed = m->seed};
    a->method = own;
    switch (m->name) {
    case METHOD_LINFORMER: return plan_linformer(m, a, own, e) ? &linformer : NULL;
    case METHOD_NYSTROM: return plan_nystrom(m, a, own, e) ? &nystrom : NULL;
    case METHOD_LINEAR:
        if (!plan_linear(m, b, a, own, arena, e))
            return NULL;
        return m->rule == RULE_ELU ? &feature_attention : &linear_attention;
    case METHOD_PERFORMER:
        own->features = m->features;
        own->feature = common->feature;
        return &feature_attention;
    case METHOD_EXACT: /* those of the exact kernel; GCOVR_EXCL_START */
    case METHOD_TOP_K:
    case METHOD_BLOCK_SPARSE:
    case METHOD_LONGFORMER:
    case METHOD_BIGBIRD: break;
    }
    return NULL;
    /* GCOVR_EXCL_STOP */
}

const struct attention_kernel *approximations_plan(const struct approximation *common,
                                                   size_t b,
                                                   const struct attention_kernel *exact,
                                                   struct attention *a,
                                                   struct arena *arena, struct error *e)
{
    const struct method_input *m = common->asked;
    switch (m->name) {
    case METHOD_EXACT: return exact;
    case METHOD_TOP_K:
        a->keep = m->k;
        if (m->k <= a->S)
            return exact;
        (void)refuse("/method/k", e, m->k, a->S, "keys");
        return NULL;
    case METHOD_BLOCK_SPARSE:
        return plan_pattern(exact, a, key_pattern_block_sparse(a, m, arena, e));
    case METHOD_LONGFORMER:
        return plan_pattern(exact, a, key_pattern_longformer(a, m, arena, e));
    case METHOD_BIGBIRD:
        return plan_pattern(exact, a, key_pattern_bigbird(a, m, arena, e));
    case METHOD_LINFORMER:
    case METHOD_NYSTROM:
    case METHOD_PERFORMER:
    case METHOD_LINEAR: break;
    }
    return plan_own(common, b, a, arena, e);
}
