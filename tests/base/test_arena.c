#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>

#include <stdint.h>

#include "support/test.h"

START_TEST(rooms_are_aligned_and_apart)
{
    struct arena a;
    struct error e = {0};
    arena_init(&a, 1 << 20, NULL);
    unsigned char *first = arena_alloc(&a, 3, 1, &e);
    unsigned char *second = arena_alloc(&a, 100000, 4, &e);
    unsigned char *third = arena_alloc(&a, 0, 8, &e);
    ck_assert(first && second && third);
    ck_assert_uint_eq((uintptr_t)first % ARENA_ALIGNMENT, 0);
    ck_assert_uint_eq((uintptr_t)second % ARENA_ALIGNMENT, 0);
    memset(second, 1, 400000);
    memset(first, 2, 3);
    ck_assert_uint_eq(second[0], 1);
    ck_assert_uint_eq(a.used, 400003);
    arena_free(&a);
    ck_assert_uint_eq(a.used, 0);
}
END_TEST

START_TEST(a_spent_limit_is_refused_even_when_the_product_wraps)
{
    struct arena a;
    struct error e = {0};
    arena_init(&a, 1000, NULL);
    ck_assert_ptr_nonnull(arena_alloc(&a, 1000, 1, &e));
    ck_assert_ptr_null(arena_alloc(&a, 1, 1, &e));
    ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX / 2 + 1, 2, &e));
    arena_free(&a);
}
END_TEST

START_TEST(arenas_share_a_budget_and_give_it_back)
{
    struct memory_budget budget = {.limit = 300000};
    struct arena a, b;
    struct error e = {0};
    arena_init(&a, 1 << 20, &budget);
    arena_init(&b, 1 << 20, &budget);
    ck_assert_ptr_nonnull(arena_alloc(&a, 200000, 1, &e));
    ck_assert_ptr_null(arena_alloc(&b, 200000, 1, &e));
    ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);

    arena_free(&a);
    ck_assert_uint_eq(budget.spent, 0);
    e = (struct error){0};
    ck_assert_ptr_nonnull(arena_alloc(&b, 200000, 1, &e));
    arena_free(&b);
    ck_assert_uint_eq(budget.spent, 0);
}
END_TEST

START_TEST(a_refusal_says_what_is_needed_beside_what)
{
    struct memory_budget budget = {.limit = 300000};
    struct arena a, b;
    arena_init(&a, 200000, &budget);
    arena_init(&b, SIZE_MAX, &budget);
    struct error ours = {0}, all = {0}, far = {0};
    ck_assert_ptr_nonnull(arena_alloc(&a, 1000, 150, &ours));
    ck_assert_ptr_null(arena_alloc(&a, 10000, 6, &ours));
    ck_assert_str_eq(ours.message, "needs 10000 x 6 bytes beside 150000, a request may "
                                   "use 200000 (memory_limit)");
    ck_assert_ptr_null(arena_alloc(&b, 150001, 1, &all));
    ck_assert_str_eq(all.message, "needs 150016 bytes, of the 300000 for all requests "
                                  "together 150016 are in use (memory_limit)");
    ck_assert_ptr_null(arena_alloc(&b, SIZE_MAX / 4, 1, &far));
    ck_assert_int_eq(far.code, ERROR_OUT_OF_MEMORY);
    arena_free(&a);
    ck_assert_uint_eq(budget.spent, 0);
}
END_TEST

START_TEST(what_the_system_does_not_have_is_out_of_memory)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    puts("skipped: a sanitizer's allocator ends the process instead");
#else
    const size_t beyond = (size_t)1 << 60; /* of every address space */
    struct memory_budget budget = {.limit = SIZE_MAX};
    struct memory_budget *const budgets[] = {NULL, &budget};
    for (size_t i = 0; i < 2; i++) {
        struct arena a;
        struct error e = {0};
        arena_init(&a, SIZE_MAX, budgets[i]);
        ck_assert_ptr_null(arena_alloc(&a, beyond, 1, &e));
        ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
        ck_assert_ptr_nonnull(strstr(e.message, "1152921504606846976 bytes"));
        ck_assert_uint_eq(budget.spent, 0);
        arena_free(&a);
    }
#endif
}
END_TEST

START_TEST(a_spare_block_goes_from_one_arena_to_the_next)
{
    struct memory_budget budget = {.limit = 1 << 20};
    struct arena_spare spare = {NULL};
    struct error e = {0};
    struct arena a, b;
    for (int i = 0; i < 3; i++) {
        arena_init(&a, 1 << 20, &budget);
        arena_init(&b, 1 << 20, &budget);
        a.spare = b.spare = &spare;
        unsigned char *one = arena_alloc(&a, 1000, 1, &e);
        unsigned char *other = arena_alloc(&b, 1000, 1, &e);
        ck_assert(one && other);
        memset(one, 1, 1000);
        memset(other, 2, 1000);
        ck_assert_uint_eq(one[999], 1); /* never the same block at once */
        ck_assert_ptr_nonnull(arena_alloc(&a, 500000, 1, &e)); /* too large to keep */

        arena_free(&a);
        arena_free(&b);
        ck_assert_uint_eq(budget.spent, 0);
    }
    arena_spare_free(&spare);
    ck_assert_ptr_null(spare.block);
    arena_spare_free(&spare);
}
END_TEST

START_TEST(a_spare_block_needs_its_budget_like_any_other)
{
    struct memory_budget budget = {.limit = 100000};
    struct arena_spare spare = {NULL};
    struct error e = {0};
    struct arena a, b;
    arena_init(&a, 1 << 20, &budget);
    a.spare = &spare;
    ck_assert_ptr_nonnull(arena_alloc(&a, 1, 1, &e));
    arena_free(&a);

    arena_init(&b, 1 << 20, &budget);
    ck_assert_ptr_nonnull(arena_alloc(&b, 90000, 1, &e));
    ck_assert_ptr_null(arena_alloc(&a, 1, 1, &e));
    ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
    arena_free(&b);
    ck_assert_ptr_nonnull(arena_alloc(&a, 1, 1, &e));
    arena_free(&a);
    arena_spare_free(&spare);
}
END_TEST

START_TEST(the_end_of_the_newest_room_can_be_given_back)
{
    struct arena a;
    struct error e = {0};
    arena_init(&a, 1 << 20, NULL);
    char *room = arena_alloc(&a, 1000, 1, &e);
    arena_shrink(&a, room, 1000, 10);
    ck_assert_uint_eq(a.used, 10);
    char *next = arena_alloc(&a, 10, 1, &e);
    ck_assert_ptr_eq(next, room + ARENA_ALIGNMENT);

    arena_shrink(&a, room, 10, 0); /* no longer the newest */
    ck_assert_uint_eq(a.used, 20);
    arena_free(&a);
}
END_TEST

START_TEST(a_room_with_a_block_of_its_own_can_be_given_back)
{
    enum { KIB = 1024 };
    struct memory_budget budget = {.limit = 1 << 20};
    struct arena a;
    struct error e = {0};
    arena_init(&a, 1 << 20, &budget);
    char *shared = arena_alloc(&a, 10, 1, &e);
    char *also = arena_alloc(&a, 10, 1, &e);
    char *large = arena_alloc(&a, 100, KIB, &e);
    char *larger = arena_alloc(&a, 200, KIB, &e);
    ck_assert(shared && also && large && larger);

    size_t spent = atomic_load(&budget.spent);
    arena_give_back(&a, shared, 10);
    arena_give_back(&a, also, 10);
    ck_assert_uint_eq(atomic_load(&budget.spent), spent);
    arena_give_back(&a, large, (size_t)100 * KIB);
    ck_assert_uint_eq(atomic_load(&budget.spent), spent - (size_t)100 * KIB);
    ck_assert_uint_eq(a.used, 20 + (size_t)200 * KIB);
    memset(larger, 1, (size_t)200 * KIB);
    arena_free(&a);
    ck_assert_uint_eq(atomic_load(&budget.spent), 0);
}
END_TEST

TEST_PROGRAM("arena", rooms_are_aligned_and_apart,
             a_spent_limit_is_refused_even_when_the_product_wraps,
             arenas_share_a_budget_and_give_it_back,
             a_refusal_says_what_is_needed_beside_what,
             what_the_system_does_not_have_is_out_of_memory,
             a_spare_block_goes_from_one_arena_to_the_next,
             a_spare_block_needs_its_budget_like_any_other,
             the_end_of_the_newest_room_can_be_given_back,
             a_room_with_a_block_of_its_own_can_be_given_back)
