/* attention_cost.h - what a request is predicted to cost, as floating-point operations.
 *
 * Reading and writing count, too: for most requests they are most of the work. What
 * they weigh was measured beside the kernel on one core of a Zen 4 (T = 3072, d = 64):
 *
 *     scores, softmax, weights V       95 operations a nanosecond
 *     reading nested JSON            0.59 ns a byte
 *     writing nested JSON            0.43 ns a byte
 *     base64, reading and writing    0.02 ns a byte
 *
 * In either direction a byte of JSON counts as 0.42 ns, a character of base64 as 0.02.
 * Pure.
 */
#ifndef SERVICE_ATTENTION_COST_H
#define SERVICE_ATTENTION_COST_H

#include <stddef.h>
#include <stdint.h>

enum {
    FLOPS_PER_BYTE = 40,
    FLOPS_PER_BASE64_BYTE = 2,
    FLOPS_OF_ANY = 64 * 1024, /* planning, handing over, giving back */
};

/* Read and written; of what is not written yet, at most. */
struct cost_bytes {
    size_t nested, base64;
};

/* Before it was read: as if all were nested. */
uint64_t attention_cost_of_body(size_t body_bytes);

/* When its plan is known, with multi_head_work().cost. */
uint64_t attention_cost(struct cost_bytes bytes, double operations);

#endif
