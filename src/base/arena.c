#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#define BLOCK_BYTES ((size_t)64 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used, capacity;
    _Alignas(ARENA_ALIGNMENT) unsigned char bytes[];
};

/* The caller has bounded `n` by the arena's limit; see arena_init(). */
static size_t align_up(size_t n)
{
    return (n + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
}

static bool budget_take(struct memory_budget *budget, size_t bytes)
{
    if (!budget)
        return true;

    size_t spent = atomic_load_explicit(&budget->spent, memory_order_relaxed);
    do {
        if (bytes > budget->limit || spent > budget->limit - bytes)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->spent, &spent,
                                                    spent + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void budget_return(struct memory_budget *budget, size_t bytes)
{
    if (budget)
        atomic_fetch_sub_explicit(&budget->spent, bytes, memory_order_relaxed);
}

/* A sanitizer is to see what is used after its arena has gone. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_SPARES false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS_SPARES false
#endif
#endif
#ifndef KEEPS_SPARES
#define KEEPS_SPARES true
#endif

/* NULL when none lies there. */
static struct arena_block *spare_take(struct arena_spare *spare)
{
    if (!spare || !atomic_load_explicit(&spare->block, memory_order_relaxed))
        return NULL;
    return atomic_exchange_explicit(&spare->block, NULL, memory_order_acquire);
}

/* False when it is not of the usual size, or one lies there. */
static bool spare_keep(struct arena_spare *spare, struct arena_block *block)
{
    struct arena_block *none = NULL;
    return KEEPS_SPARES && spare && block->capacity == BLOCK_BYTES &&
           atomic_compare_exchange_strong_explicit(
               &spare->block, &none, block, memory_order_release, memory_order_relaxed);
}

void arena_spare_free(struct arena_spare *spare)
{
    free(spare_take(spare));
}

/* A block of its own for a big request, a shared one for small ones. */
static struct arena_block *block_new(size_t bytes, const struct arena *a)
{
    size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    if (!budget_take(a->budget, capacity))
        return NULL;

    struct arena_block *block = capacity == BLOCK_BYTES ? spare_take(a->spare) : NULL;
    if (!block)
        block = aligned_alloc(ARENA_ALIGNMENT, sizeof *block + capacity);
    if (!block) {
        budget_return(a->budget, capacity);
        return NULL;
    }
    block->used = 0;
    block->capacity = capacity;
    return block;
}

void arena_init(struct arena *a, size_t limit, struct memory_budget *budget)
{
    const size_t largest = SIZE_MAX / 2; /* so that align_up() cannot wrap */
    *a = (struct arena){.limit = limit < largest ? limit : largest, .budget = budget};
}

static void block_free(const struct arena *a, struct arena_block *b)
{
    budget_return(a->budget, b->capacity);
    if (!spare_keep(a->spare, b))
        free(b);
}

void arena_free(struct arena *a)
{
    for (struct arena_block *next, *b = a->blocks; b; b = next) {
        next = b->next;
        block_free(a, b);
    }
    a->blocks = NULL;
    a->used = 0;
}

static void *refuse(const struct arena *a, size_t count, size_t size, struct error *e)
{
    error_set(e, ERROR_OUT_OF_MEMORY, "",
              "needs %zu x %zu bytes beside %zu, a request may use %zu (memory_limit)",
              count, size, a->used, a->limit);
    return NULL;
}

static bool no_block(const struct arena *a, size_t bytes, struct error *e)
{
    if (!a->budget)
        return error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for %zu bytes", bytes);
    return error_set(e, ERROR_OUT_OF_MEMORY, "",
                     "needs %zu bytes, of the %zu for all requests together %zu are in "
                     "use (memory_limit)",
                     bytes, a->budget->limit,
                     atomic_load_explicit(&a->budget->spent, memory_order_relaxed));
}

void *arena_alloc(struct arena *a, size_t count, size_t size, struct error *e)
{
    size_t wanted; /* `count` comes from the network */
    if (__builtin_mul_overflow(count, size, &wanted) || wanted > a->limit - a->used)
        return refuse(a, count, size, e);

    size_t bytes = align_up(wanted);
    struct arena_block *block = a->blocks;
    if (!block || bytes > block->capacity - block->used) {
        block = block_new(bytes, a);
        if (!block) {
            (void)no_block(a, bytes, e);
            return NULL;
        }
        block->next = a->blocks;
        a->blocks = block;
    }

    void *room = block->bytes + block->used;
    block->used += bytes;
    a->used += wanted;
    return room;
}

void arena_give_back(struct arena *a, const void *room, size_t size)
{
    struct arena_block **at = &a->blocks;
    while (*at && (const void *)(*at)->bytes != room)
        at = &(*at)->next;
    struct arena_block *block = *at;
    if (!block || block->used != align_up(size))
        return;

    *at = block->next;
    a->used -= size;
    block_free(a, block);
}

void arena_shrink(struct arena *a, void *room, size_t had, size_t kept)
{
    struct arena_block *block = a->blocks;
    if (!block || block->bytes + block->used != (unsigned char *)room + align_up(had))
        return;

    block->used -= align_up(had) - align_up(kept);
    a->used -= had - kept;
}
