/* body_costs.h - what bodies turned out to cost, by their size.
 *
 * Before a body is read, little is known of its work: as many bytes may ask for a
 * millisecond or for a minute. But those that a service is sent are often like those
 * it was sent before. So each body that was read tells what it cost, and the next one
 * of like size (within a factor of two) is expected to cost no less than that:
 *
 *     cost below the expectation   it falls to it at once
 *     cost above                   it rises by an eighth of the difference
 *
 * which keeps to the lower end of what comes: few that are costly do not make others
 * of their size wait, or be refused, in their stead. What was refused for its cost
 * tells nothing.
 *
 * Any thread; of two who learn at once, one may be forgotten. */
#ifndef SERVICE_BODY_COSTS_H
#define SERVICE_BODY_COSTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { BODY_SIZES = 32 };

/* Zeroed: nothing is known. */
struct body_costs {
    _Atomic uint64_t expected[BODY_SIZES]; /* [i]: from 2^i bytes on; the last: any */
};

/* `cost` as attention_cost() says it, at most 1e18. */
void body_costs_learn(struct body_costs *c, size_t body_bytes, uint64_t cost);

/* At least attention_cost_of_body(). */
uint64_t body_costs_expected(const struct body_costs *c, size_t body_bytes);

#endif
