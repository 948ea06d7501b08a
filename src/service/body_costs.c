#include "service/body_costs.h"

#include "service/attention_cost.h"

static size_t size_of(size_t body_bytes)
{
    size_t size = 63 - (size_t)__builtin_clzll(body_bytes | 1);
    return size < BODY_SIZES ? size : BODY_SIZES - 1;
}

void body_costs_learn(struct body_costs *c, size_t body_bytes, uint64_t cost)
{
    _Atomic uint64_t *expected = &c->expected[size_of(body_bytes)];
    uint64_t before = atomic_load_explicit(expected, memory_order_relaxed);
    uint64_t now = cost < before ? cost : before + (cost - before) / 8;
    if (now != before)
        atomic_store_explicit(expected, now, memory_order_relaxed);
}

uint64_t body_costs_expected(const struct body_costs *c, size_t body_bytes)
{
    uint64_t least = attention_cost_of_body(body_bytes);
    uint64_t expected =
        atomic_load_explicit(&c->expected[size_of(body_bytes)], memory_order_relaxed);
    return expected > least ? expected : least;
}
