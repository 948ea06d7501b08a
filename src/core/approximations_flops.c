#include "core/approximations.h"
#include "core/attention_block.h"

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static ptrdiff_t greatest(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

/* Keys of row i, a mask and `keep` apart. */
static double visible_keys(const struct attention *a, size_t i)
{
    const struct window_view *w = &a->window;
    ptrdiff_t own = (ptrdiff_t)i + a->offset, from = 0, to = (ptrdiff_t)a->key_length;
    if (w->left_given && w->left < a->T + a->S)
        from = greatest(from, own - (ptrdiff_t)w->left);
    if (w->right_given && w->right < a->T + a->S)
        to = least(to, own + (ptrdiff_t)w->right + 1);
    if (a->causal)
        to = least(to, own + 1);
    if (!a->pattern)
        return (double)greatest(to - from, 0);

    double keys = 0;
    for (uint32_t n = a->pattern->first[i]; n < a->pattern->first[i + 1]; n++)
        keys += (double)greatest(least(a->pattern->ranges[n].to, to) -
                                     greatest(a->pattern->ranges[n].from, from),
                                 0);
    return keys;
}

double approximations_visible(const struct attention *a)
{
    double pairs = 0;
    for (size_t i = 0; i < a->T; i++)
        pairs += visible_keys(a, i);
    return pairs;
}

/* Maps of scores have the hidden cells, too, which takes one product more. */
static double exact_flops(const struct attention *a)
{
    double pairs = approximations_visible(a) * (double)(a->dk + a->dv);
    if (block_shows_hidden(a))
        pairs += (double)a->T * (double)a->S * (double)a->dk;
    return 2.0 * (double)a->H * pairs;
}

double approximations_flops(const struct attention *a)
{
    if (!a->method)
        return exact_flops(a);

    const struct attention_method *m = a->method;
    double T = (double)a->T, S = (double)a->S, H = (double)a->H, G = (double)a->G;
    double dk = (double)a->dk, dv = (double)a->dv;
    double n = (double)(m->rank + m->landmarks + m->features); /* only one is not 0 */
    switch (m->name) {
    case METHOD_LINFORMER: return 2 * n * (G * S + H * T) * (dk + dv);
    case METHOD_NYSTROM: /* the pseudo-inverse takes 24 products of n x n */
        return 2 * H * n * ((S + T) * (dk + dv) + n * (24 * n + dk + dv));
    case METHOD_PERFORMER: return 2 * n * (G * S + H * T) * (dk + dv);
    case METHOD_LINEAR: /* state: decayed, read, written; and read by each head */
        return m->rule == RULE_ELU ? 2 * dk * dv * (G * S + H * T)
                                   : dk * dv * (5 * G + 2 * H) * T;
    case METHOD_EXACT: /* they leave a->method NULL; GCOVR_EXCL_START */
    case METHOD_TOP_K:
    case METHOD_BLOCK_SPARSE:
    case METHOD_LONGFORMER:
    case METHOD_BIGBIRD: break;
    }
    return 0;
    /* GCOVR_EXCL_STOP */
}
