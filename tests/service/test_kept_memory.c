#include "service/kept_memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "service/process.h"
#include "support/test.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { OWN_MALLOC = 1 };
#else
enum { OWN_MALLOC = 0 };
#endif
enum { BLOCKS = 40, BLOCK_BYTES = 8 << 20 };

static size_t resident_mib(void)
{
    struct process_usage usage;
    process_usage_read(&usage);
    return (size_t)usage.resident_bytes >> 20;
}

/* Touches and frees many blocks, below one that stays in use. */
static void *leave_freed_memory_behind(void)
{
    static char *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        ck_assert_ptr_nonnull(blocks[i]);
        for (size_t n = 0; n < BLOCK_BYTES; n += 4096)
            ((volatile char *)blocks[i])[n] = 1;
    }
    void *above = malloc(BLOCK_BYTES); /* fits into no hole yet */
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    return above;
}

START_TEST(what_is_freed_is_kept_up_to_a_bound_when_idle)
{
    if (OWN_MALLOC) {
        puts("skipped: a sanitizer has a malloc of its own");
        return;
    }
    kept_memory_configure();
    size_t before = resident_mib();
    void *above = leave_freed_memory_behind();
    ck_assert_uint_gt(resident_mib(), before + 300);
    kept_memory_return((size_t)1 << 30, SIZE_MAX, true); /* as if all were in use */
    ck_assert_uint_gt(resident_mib(), before + 300);
    kept_memory_return(0, SIZE_MAX, true);
    ck_assert_uint_lt(resident_mib(), before + 64);
    free(above);
}
END_TEST

START_TEST(when_busy_more_is_kept)
{
    if (OWN_MALLOC)
        return;
    kept_memory_configure();
    void *above = leave_freed_memory_behind();
    size_t resident = resident_mib();
    kept_memory_return((resident - 200) << 20, SIZE_MAX, false);
    ck_assert_uint_gt(resident_mib(), 300);
    kept_memory_return(0, SIZE_MAX, false);
    ck_assert_uint_lt(resident_mib(), 256);
    free(above);
    above = leave_freed_memory_behind();
    kept_memory_return(0, (size_t)128 << 20, false);
    ck_assert_uint_lt(resident_mib(), 128);
    free(above);
}
END_TEST

TEST_PROGRAM("kept_memory", what_is_freed_is_kept_up_to_a_bound_when_idle,
             when_busy_more_is_kept)
