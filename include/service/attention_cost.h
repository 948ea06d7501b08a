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
 * A byte is FLOPS_PER_BYTE in either direction: 0.42 ns, that of JSON. Base64 is
 * counted too high; a request of T = 512 with its map, as base64, by a factor below
 * two. Pure.
 */
#ifndef SERVICE_ATTENTION_COST_H
#define SERVICE_ATTENTION_COST_H

#include <stddef.h>
#include <stdint.h>

enum {
    FLOPS_PER_BYTE = 40,
    FLOPS_OF_ANY = 64 * 1024, /* planning, handing over, giving back */
};

/* Before it was read. */
uint64_t attention_cost_of_body(size_t body_bytes);

/* When its plan is known, with multi_head_work().cost. `answer_bytes`: at most. */
uint64_t attention_cost(size_t body_bytes, double operations, size_t answer_bytes);

#endif
