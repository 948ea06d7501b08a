/* attention_cost.h - what a request is predicted to cost, as floating-point operations.
 *
 * Reading and writing count, too: for most requests they are most of the work. What
 * they weigh was measured beside the kernel on one core of a Zen 4 (T = 3072, d = 64):
 *
 *     scores, softmax, weights V        95 operations a nanosecond
 *     reading nested JSON              1.9 ns a byte
 *     writing nested JSON              2.0 ns a byte
 *     base64, reading and writing      0.8 ns a byte
 *
 * A byte is FLOPS_PER_BYTE in either direction: 1.35 ns, between the two forms. Pure.
 */
#ifndef SERVICE_ATTENTION_COST_H
#define SERVICE_ATTENTION_COST_H

#include <stddef.h>
#include <stdint.h>

enum {
    FLOPS_PER_BYTE = 128,
    FLOPS_OF_ANY = 512 * FLOPS_PER_BYTE, /* planning, handing over, giving back */
};

/* Before it was read. */
uint64_t attention_cost_of_body(size_t body_bytes);

/* When its plan is known. `answer_bytes`: at most. */
uint64_t attention_cost(size_t body_bytes, double flops, size_t answer_bytes);

#endif
