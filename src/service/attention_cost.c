#include "service/attention_cost.h"

/* Far more than anybody computes, and far from where sums overflow. */
#define MOST 1e18

static uint64_t rounded(double cost)
{
    return cost < MOST ? (uint64_t)cost : (uint64_t)MOST;
}

uint64_t attention_cost_of_body(size_t body_bytes)
{
    return attention_cost(body_bytes, 0, 0);
}

uint64_t attention_cost(size_t body_bytes, double operations, size_t answer_bytes)
{
    double bytes = (double)body_bytes + (double)answer_bytes;
    return rounded(FLOPS_OF_ANY + FLOPS_PER_BYTE * bytes + operations);
}
