#include "core/approximations.h"

#include "core/key_patterns.h"
#include "core/linear_attention.h"

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
    *out = (struct approximation){.asked = m, .longest_T = shape->longest_T};
    (void)arena, (void)e;
    return true;
}

/* The part of [B][..] or of [..] that belongs to sequence b, with `inner` axes. */
static const float *part(const struct tensor *t, size_t inner, size_t b)
{
    if (t->rank <= inner)
        return t->data; /* NULL when not given */
    return t->data + b * (tensor_count(t) / t->extent[0]);
}

static const struct attention_kernel *plan_linear(const struct approximation *common,
                                                  size_t b, struct attention *a,
                                                  struct attention_method *own,
                                                  struct arena *arena, struct error *e)
{
    const struct method_input *m = common->asked;
    if (a->T != a->S) {
        error_set(e, ERROR_INVALID_INPUT, "/method/rule",
                  "needs a key for every token: there are %zu tokens and %zu keys",
                  a->T, a->S);
        return NULL;
    }
    own->rule = m->rule;
    own->decay = part(&m->decay, 2, b);
    own->beta = part(&m->beta, 2, b);
    own->before = part(&m->state, 3, b);
    own->decay_width = m->decay.rank ? m->decay.extent[m->decay.rank - 1] : 0;
    own->beta_width = m->beta.rank ? m->beta.extent[m->beta.rank - 1] : 0;
    own->after = arena_alloc(arena, a->G, a->dk * a->dv * sizeof *own->after, e);
    return own->after ? &linear_attention : NULL;
}

static const struct attention_kernel *plan_pattern(const struct attention_kernel *exact,
                                                   struct attention *a,
                                                   const struct key_pattern *pattern)
{
    a->pattern = pattern;
    return pattern ? exact : NULL;
}

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
    if (m->name == METHOD_LINEAR && m->rule != RULE_ELU)
        return plan_linear(common, b, a, own, arena, e);
    error_set(e, ERROR_NOT_IMPLEMENTED, "/method", "the method %s is not known",
              approximations_name(m->name));
    return NULL;
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
        error_set(e, ERROR_INVALID_INPUT, "/method/k", "is %zu, but there are %zu keys",
                  m->k, a->S);
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
