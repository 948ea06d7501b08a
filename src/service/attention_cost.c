#include "service/attention_cost.h"

/* Far more than anybody computes, and far from where sums overflow. */
#define MOST 1e18

static uint64_t rounded(double cost)
{
    return cost < MOST ? (uint64_t)cost : (uint64_t)MOST;
}

uint64_t attention_cost_of_body(size_t body_bytes)
{
    return attention_cost((struct cost_bytes){.nested = body_bytes}, 0);
}

uint64_t attention_cost(struct cost_bytes bytes, double operations)
{
    return rounded(FLOPS_OF_ANY + FLOPS_PER_BYTE * (double)bytes.nested +
                   FLOPS_PER_BASE64_BYTE * (double)bytes.base64 + operations);
}
