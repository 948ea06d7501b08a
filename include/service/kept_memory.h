/* kept_memory.h - how much freed memory the process keeps for its next requests.
 *
 * A request takes blocks of hundreds of kilobytes and gives them back. By default
 * malloc returns those to the kernel at once, and a fifth of the time of a middling
 * request goes into pages that fault in again. So malloc is told to keep them; and as
 * it keeps all that lies below anything still in use, what is too much is given back
 * from time to time. */
#ifndef SERVICE_KEPT_MEMORY_H
#define SERVICE_KEPT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum { KEPT_MEMORY = 64 << 20, KEPT_WHEN_BUSY = 4 * KEPT_MEMORY };

/* Once, before the first thread starts. */
void kept_memory_configure(void);

/* Gives back what is resident beyond `in_use` and KEPT_MEMORY, or KEPT_WHEN_BUSY unless
 * `idle`, but `most` at most, so that a small machine is not filled: that takes some
 * ten milliseconds, in which other threads may wait for memory. To be called about once
 * a second. */
void kept_memory_return(size_t in_use, size_t most, bool idle);

#endif
