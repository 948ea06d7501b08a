#include "base/field.h"
#include "core/approximations.h"
#include "core/nystrom.h"

/* Who can honour an option; those on the exact kernels honour all. */
enum honour {
    NOBODY = 0,
    LINFORMER = 1,
    NYSTROM = 2,
    PERFORMER = 4,
    ELU = 8,
    RULES = 16 /* linear with another rule than elu */
};

static enum honour kind_of(const struct method_input *m)
{
    switch (m->name) {
    case METHOD_LINFORMER: return LINFORMER;
    case METHOD_NYSTROM: return NYSTROM;
    case METHOD_PERFORMER: return PERFORMER;
    case METHOD_LINEAR: return m->rule == RULE_ELU ? ELU : RULES;
    case METHOD_EXACT:
    case METHOD_TOP_K:
    case METHOD_BLOCK_SPARSE:
    case METHOD_LONGFORMER:
    case METHOD_BIGBIRD: break;
    }
    return NOBODY;
}

/* "linear" has rules that differ: its name says which. */
static const char *name_of(const struct method_input *m)
{
    static const char *const rules[] = {[RULE_ELU] = "linear (rule elu)",
                                        [RULE_LINEAR] = "linear (rule linear)",
                                        [RULE_GATED] = "linear (rule gated)",
                                        [RULE_DELTA] = "linear (rule delta)",
                                        [RULE_GATED_DELTA] =
                                            "linear (rule gated_delta)"};
    return m->name == METHOD_LINEAR ? rules[m->rule] : approximations_name(m->name);
}

struct option {
    const char *pointer, *name;
    bool asked;
    unsigned honoured; /* by these */
};

static bool check_options(const struct attention_input *in, struct error *e)
{
    const unsigned any = LINFORMER | NYSTROM | PERFORMER | ELU | RULES;
    const struct option options[] = {
        {"/mask", "mask", in->mask.kind != MASK_NONE, NOBODY},
        {"/causal", "causal", in->causal, PERFORMER | ELU | RULES},
        {"/window", "window", in->window.left_given || in->window.right_given, NOBODY},
        {"/softcap", "softcap", in->softcap > 0, NOBODY},
        {"/alibi", "alibi", in->alibi, NOBODY},
        {"/sinks", "sinks", in->sinks.rank > 0, NOBODY},
        {"/dropout", "dropout", in->dropout.rate > 0, NOBODY},
        {"/key_lengths", "key_lengths", in->key_lengths != NULL, NOBODY},
        {"/past", "past", in->past.given, NOBODY},
        {"/scale", "scale", in->scale_given, any & ~(unsigned)ELU},
        {"/maps", "maps", in->maps != MAPS_NONE, LINFORMER},
        {"/maps", "maps \"top_k\"", in->maps == MAPS_TOP_K, NOBODY},
        {"/map_stage", "map_stage", in->map_stage != MAP_STAGE_WEIGHTS, NOBODY},
        {"/return", "lse", in->want_lse, LINFORMER},
        {"/return", "entropy", in->want_entropy, NOBODY},
        {"/return", "statistics", in->want_statistics, NOBODY},
        {"/return", "present", in->want_present, any & ~(unsigned)ELU},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].asked && !(options[i].honoured & kind_of(&in->method)))
            return error_set(e, ERROR_INVALID_INPUT, options[i].pointer,
                             "%s cannot be combined with the method %s",
                             options[i].name, name_of(&in->method));
    return true;
}

struct parameter {
    const char *name;
    bool given;
    unsigned takes, needs; /* methods, 1 << each */
};

/* Those that belong to another method, and those that are missing. */
static bool check_parameters(const struct method_input *m, struct error *e)
{
    enum {
        LINFORMERS = 1 << METHOD_LINFORMER,
        NYSTROMS = 1 << METHOD_NYSTROM,
        PERFORMERS = 1 << METHOD_PERFORMER,
        LINEARS = 1 << METHOD_LINEAR,
        TOP_KS = 1 << METHOD_TOP_K,
        SPARSE = 1 << METHOD_BLOCK_SPARSE,
        LONGFORMERS = 1 << METHOD_LONGFORMER,
        BIGBIRDS = 1 << METHOD_BIGBIRD
    };
    const struct parameter parameters[] = {
        {"rank", m->rank > 0, LINFORMERS, m->e.rank || m->f.rank ? 0 : LINFORMERS},
        {"e", m->e.rank > 0, LINFORMERS, m->f.rank ? LINFORMERS : 0},
        {"f", m->f.rank > 0, LINFORMERS, m->e.rank ? LINFORMERS : 0},
        {"landmarks", m->landmarks > 0, NYSTROMS, NYSTROMS},
        {"features", m->features > 0, PERFORMERS, PERFORMERS},
        {"rule", m->rule != RULE_ELU, LINEARS, 0},
        {"decay", m->decay.rank > 0, LINEARS, 0},
        {"beta", m->beta.rank > 0, LINEARS, 0},
        {"state", m->state.rank > 0, LINEARS, 0},
        {"k", m->k > 0, TOP_KS, TOP_KS},
        {"block", m->block > 0, SPARSE | BIGBIRDS, SPARSE | BIGBIRDS},
        {"layout", m->layout_rows != NULL, SPARSE, SPARSE},
        {"window", m->window > 0, LONGFORMERS, 0},
        {"global", m->global_count > 0, LONGFORMERS | BIGBIRDS, 0},
        {"random", m->random > 0, BIGBIRDS, 0},
        {"seed", m->seed > 0, LINFORMERS | PERFORMERS | BIGBIRDS, 0},
    };
    const struct field *method = FIELD_NAME(NULL, "method");
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        const struct parameter *p = &parameters[i];
        const struct field *at = FIELD_NAME(method, p->name);
        if (p->given && !(p->takes & 1U << m->name))
            return field_error(at, e, ERROR_INVALID_INPUT,
                               "is not a parameter of the method %s",
                               approximations_name(m->name));
        if (!p->given && (p->needs & 1U << m->name))
            return field_error(at, e, ERROR_INVALID_INPUT,
                               "is missing: the method %s needs it, 1 or more",
                               approximations_name(m->name));
    }
    return true;
}

static bool check_linformer(const struct method_input *m, struct error *e)
{
    const struct tensor *const given[] = {&m->e, &m->f};
    static const char *const path[] = {"/method/e", "/method/f"};
    if (m->e.rank && m->rank)
        return error_set(e, ERROR_INVALID_INPUT, "/method/rank",
                         "cannot be given together with e and f, whose rows it counts");
    for (size_t i = 0; m->e.rank && i < 2; i++) {
        if (given[i]->rank != 2)
            return error_set(e, ERROR_INVALID_INPUT, path[i],
                             "has rank %zu, expected 2: [k][S]", given[i]->rank);
        if (given[i]->extent[0] != m->e.extent[0])
            return error_set(e, ERROR_INVALID_INPUT, path[i],
                             "has %zu rows, expected %zu (as many as e)",
                             given[i]->extent[0], m->e.extent[0]);
    }
    return true;
}

static bool check_nystrom(const struct method_input *m, struct error *e)
{
    return m->landmarks <= NYSTROM_MOST_LANDMARKS ||
           error_set(e, ERROR_INVALID_INPUT, "/method/landmarks",
                     "is %zu, but may be %d at most", m->landmarks,
                     NYSTROM_MOST_LANDMARKS);
}

/* Random features are drawn and made orthogonal before anything else is done, by one
 * task that nothing stops: this many numbers take some 40 ms. With narrow keys the
 * features of one row would still be long. */
static bool check_performer(const struct method_input *m,
                            const struct attention_shape *shape, struct error *e)
{
    const size_t numbers = (size_t)1 << 18, ceiling = (size_t)1 << 14;
    size_t most = numbers / shape->dk < ceiling ? numbers / shape->dk : ceiling;
    return m->features <= most ||
           error_set(e, ERROR_INVALID_INPUT, "/method/features",
                     "is %zu, but may be %zu at most with keys of %zu channels",
                     m->features, most, shape->dk);
}

/* [T][width] for a single sequence, or [B][T][width]; T is the longest. */
static bool check_gate(const struct tensor *t, const char *path,
                       const struct attention_shape *shape, size_t one, size_t other,
                       struct error *e)
{
    bool batch = t->rank == 3;
    if (!batch && !(t->rank == 2 && shape->single))
        return error_set(e, ERROR_INVALID_INPUT, path, "has rank %zu, expected %s",
                         t->rank, shape->single ? "2 or 3" : "3");
    if (batch && t->extent[0] != shape->B)
        return error_set(e, ERROR_INVALID_INPUT, path,
                         "has %zu sequences, expected %zu", t->extent[0], shape->B);
    if (t->extent[t->rank - 2] != shape->longest_T)
        return error_set(e, ERROR_INVALID_INPUT, path, "has %zu tokens, expected %zu",
                         t->extent[t->rank - 2], shape->longest_T);

    size_t width = t->extent[t->rank - 1];
    return width == one || width == other ||
           error_set(e, ERROR_INVALID_INPUT, path,
                     "has rows of %zu numbers, expected %zu or %zu", width, one, other);
}

static bool check_state(const struct tensor *t, const struct attention_shape *shape,
                        struct error *e)
{
    const size_t want[] = {shape->B, shape->G, shape->dk, shape->dv};
    if (t->rank != 4 && !(t->rank == 3 && shape->single))
        return error_set(e, ERROR_INVALID_INPUT, "/method/state",
                         "has rank %zu, expected %s", t->rank,
                         shape->single ? "3 or 4" : "4");
    for (size_t i = 0; i < t->rank; i++)
        if (t->extent[i] != want[4 - t->rank + i])
            return error_set(e, ERROR_INVALID_INPUT, "/method/state",
                             "has extent %zu on axis %zu, expected %zu", t->extent[i],
                             i, want[4 - t->rank + i]);
    return true;
}

static bool check_linear(const struct method_input *m,
                         const struct attention_shape *shape, struct error *e)
{
    bool gated = m->rule == RULE_GATED || m->rule == RULE_GATED_DELTA;
    bool delta = m->rule == RULE_DELTA || m->rule == RULE_GATED_DELTA;
    const struct {
        const char *path;
        bool given, takes, needs;
    } arrays[] = {
        {"/method/decay", m->decay.rank > 0, gated, gated},
        {"/method/beta", m->beta.rank > 0, delta, delta},
        {"/method/state", m->state.rank > 0, m->rule != RULE_ELU, false},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i].given ? !arrays[i].takes : arrays[i].needs)
            return error_set(e, ERROR_INVALID_INPUT, arrays[i].path,
                             arrays[i].given ? "does not go with the method %s"
                                             : "is missing: the method %s needs it",
                             name_of(m));
    size_t G = shape->G;
    return (!m->decay.rank ||
            check_gate(&m->decay, "/method/decay", shape, G * shape->dk, G, e)) &&
           (!m->beta.rank || check_gate(&m->beta, "/method/beta", shape, G, 1, e)) &&
           (!m->state.rank || check_state(&m->state, shape, e));
}

bool approximations_check(const struct attention_input *input,
                          const struct attention_shape *shape, struct error *e)
{
    const struct method_input *m = &input->method;
    if (!check_parameters(m, e) || (kind_of(m) && !check_options(input, e)))
        return false;

    switch (m->name) {
    case METHOD_LINFORMER: return check_linformer(m, e);
    case METHOD_PERFORMER: return check_performer(m, shape, e);
    case METHOD_LINEAR: return check_linear(m, shape, e);
    case METHOD_NYSTROM: return check_nystrom(m, e);
    case METHOD_EXACT:
    case METHOD_TOP_K:
    case METHOD_BLOCK_SPARSE:
    case METHOD_LONGFORMER:
    case METHOD_BIGBIRD: break;
    }
    return true;
}
