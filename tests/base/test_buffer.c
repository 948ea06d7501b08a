#include "base/buffer.h"
#include "support/scarce.h"
#include "support/test.h"

START_TEST(text_is_joined)
{
    struct buffer b;
    buffer_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buffer_printf(&b, "%d,", i);
    buffer_text(&b, "end");
    size_t length;
    char *text = buffer_take(&b, &length);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(length, 10 * 2 + 90 * 3 + 900 * 4 + 3);
    ck_assert_str_eq(text + length - 7, "999,end");
    free(text);
    buffer_free(&b);
}
END_TEST

START_TEST(beyond_the_ceiling_everything_fails)
{
    struct buffer b;
    buffer_init(&b, 16);
    buffer_text(&b, "0123456789");
    ck_assert(!b.failed);
    buffer_text(&b, "0123456789");
    ck_assert(b.failed);
    buffer_text(&b, "1");
    size_t length;
    ck_assert_ptr_null(buffer_take(&b, &length));
    ck_assert_uint_eq(b.length, 10);
    ck_assert(!b.scarce);
    buffer_free(&b);
}
END_TEST

/* Threat 88. */
START_TEST(it_was_the_memory_that_was_too_little)
{
    struct buffer b;
    buffer_init(&b, 1 << 20);
    if (!scarce_memory_begin())
        return;
    buffer_text(&b, "0123456789");
    scarce_memory_end();
    ck_assert(b.failed && b.scarce);
    buffer_free(&b);
}
END_TEST

START_TEST(nothing_of_one_that_has_nothing_can_be_appended)
{
    struct buffer b, none;
    buffer_init(&b, 16);
    buffer_init(&none, 16);
    buffer_text(&b, "a");
    buffer_append(&b, none.data, none.length); /* its bytes are NULL */
    ck_assert(!b.failed);
    ck_assert_uint_eq(b.length, 1);
    buffer_free(&b);
}
END_TEST

TEST_PROGRAM("buffer", text_is_joined, nothing_of_one_that_has_nothing_can_be_appended,
             beyond_the_ceiling_everything_fails, it_was_the_memory_that_was_too_little)
