#include "support/method_case.h"

struct attention_case *method_case_random(struct test_random *r, double work,
                                          bool square)
{
    for (;;) {
        struct attention_case *c = attention_case_random(r, work);
        struct attention *a = &c->a;
        if (!square || a->T == a->S) {
            a->mask = (struct mask_view){0};
            a->causal = false;
            a->scale = 1 / sqrtf((float)a->dk);
            a->out = c->out;
            a->lse = c->lse;
            a->maps = c->maps;
            a->mean_map = c->mean_map;
            a->map_head_count = a->H;
            return c;
        }
        attention_case_delete(c);
    }
}

static double number(const struct heads_view *x, size_t head, size_t row,
                     size_t channel)
{
    return (double)x->data[head * x->head_stride + row * x->row_stride + channel];
}

double method_query(const struct attention_case *c, size_t h, size_t i, size_t channel)
{
    return number(&c->a.query, h, i, channel);
}

double method_key(const struct attention_case *c, size_t h, size_t j, size_t channel)
{
    return number(&c->a.key, h * c->a.G / c->a.H, j, channel);
}

double method_value(const struct attention_case *c, size_t h, size_t j, size_t channel)
{
    return number(&c->a.value, h * c->a.G / c->a.H, j, channel);
}

double method_dot(const struct attention_case *c, size_t h, size_t i, size_t j)
{
    double sum = 0;
    for (size_t channel = 0; channel < c->a.dk; channel++)
        sum += method_query(c, h, i, channel) * method_key(c, h, j, channel);
    return sum;
}

double method_softmax(double *x, size_t n)
{
    double max = -HUGE_VAL, sum = 0;
    for (size_t j = 0; j < n; j++)
        max = fmax(max, x[j]);
    for (size_t j = 0; j < n; j++)
        sum += x[j] = exp(x[j] - max);
    for (size_t j = 0; j < n; j++)
        x[j] /= sum;
    return max + log(sum);
}

float *method_numbers(struct test_random *r, size_t count)
{
    float *x = malloc((count ? count : 1) * sizeof *x);
    for (size_t n = 0; n < count; n++)
        x[n] = test_random_float(r);
    return x;
}
