/* arena.h - memory that lives exactly as long as one request.
 *
 * Allocate freely, free nothing, drop everything at once with arena_free().
 * Not thread-safe: a request, and so its arena, belongs to one thread at a
 * time. A budget may be shared by many arenas of many threads. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/error.h"

/* A ceiling that several arenas share: the memory of all requests together. */
struct memory_budget {
    size_t limit;         /* bytes; set once, before the first arena */
    _Atomic size_t spent; /* bytes of all blocks now held */
};

struct arena_block;

/* A block that one arena leaves for the next, so that small requests need no heap:
 * at most one, of 64 KiB, that no budget counts while it lies here. Zeroed: empty.
 * Any thread may use it. Its bytes are as the last arena left them. */
struct arena_spare {
    _Atomic(struct arena_block *) block;
};

struct arena {
    struct arena_block *blocks;
    size_t used;                  /* bytes handed out so far */
    size_t limit;                 /* ceiling on `used`: the memory of one request */
    struct memory_budget *budget; /* borrowed; NULL: this arena has no company */
    struct arena_spare *spare;    /* borrowed; NULL, as arena_init() leaves it: none */
};

#define ARENA_ALIGNMENT 64 /* one cache line, one AVX-512 register */

/* Takes no memory yet. `budget` may be NULL and must outlive the arena. */
void arena_init(struct arena *a, size_t limit, struct memory_budget *budget);

/* Gives everything back; the arena is then empty and may be used again. */
void arena_free(struct arena *a);

/* Gives back what lies there. */
void arena_spare_free(struct arena_spare *spare);

/* Room for `count` items of `size` bytes, uninitialised and aligned to
 * ARENA_ALIGNMENT; owned by the arena. Zero items give a valid pointer. NULL,
 * with `e` set to ERROR_OUT_OF_MEMORY, when the limit or the shared budget is
 * spent or the system has no memory. */
MUST_USE void *arena_alloc(struct arena *a, size_t count, size_t size, struct error *e);

/* Gives back an allocation, `room` of `size` bytes, if it has a block of its own, as
 * large ones have; otherwise a no-op. */
void arena_give_back(struct arena *a, const void *room, size_t size);

/* Gives back the end of the newest allocation, `room`: of its `had` bytes only
 * `kept` stay. A no-op for an older allocation. */
void arena_shrink(struct arena *a, void *room, size_t had, size_t kept);

#endif
