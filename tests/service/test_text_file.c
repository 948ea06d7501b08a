#include "service/text_file.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Whether a block was freed that still held the secret. The C library's own free() is
 * taken over by this one. */
static const char secret[] = "-----a secret that must not stay in memory-----";
static volatile bool leaked; /* the compiler knows that free() changes nothing */
void __libc_free(void *block);

void free(void *block)
{
    if (block && memmem(block, malloc_usable_size(block), secret, sizeof secret - 1))
        leaked = true;
    __libc_free(block);
}

static char path[64];

static void write_bytes(size_t before, size_t after)
{
    static const char zeros[4096];
    snprintf(path, sizeof path, "/tmp/attentiond-text-%d", (int)getpid());
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    setvbuf(file, NULL, _IONBF, 0); /* which would be freed, too */
    ck_assert_uint_eq(fwrite(zeros, 1, before, file), before);
    ck_assert_uint_eq(fwrite(secret, 1, sizeof secret - 1, file), sizeof secret - 1);
    ck_assert_uint_eq(fwrite(zeros, 1, after, file), after);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(a_file_that_is_refused_leaves_nothing_in_memory)
{
    static const struct {
        size_t before, after, most;
        const char *message;
    } cases[] = {
        {0, 200, sizeof secret - 1, ": is larger than 47 bytes"},
        {0, 1, 1000, ": is not a text"},
        {3000, 0, 4000, ": is not a text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e = {0};
        size_t length;
        write_bytes(cases[i].before, cases[i].after);
        leaked = false;
        ck_assert_ptr_null(
            text_file_read(path, "tls_key", cases[i].most, &length, NULL, &e));
        ck_assert(!leaked);
        ck_assert_ptr_nonnull(strstr(e.message, cases[i].message));
    }
    unlink(path);
}
END_TEST

START_TEST(a_file_that_is_right_is_its_callers_to_wipe)
{
    struct error e = {0};
    size_t length;
    write_bytes(0, 0);
    char *text = text_file_read(path, "tls_key", 1000, &length, NULL, &e);
    ck_assert_uint_eq(length, sizeof secret - 1);
    ck_assert_str_eq(text, secret);
    leaked = false;
    free(text);
    ck_assert(leaked); /* what this test looks at is seen */
    unlink(path);
}
END_TEST
#else
START_TEST(a_file_that_is_refused_leaves_nothing_in_memory)
{
    puts("skipped: a sanitizer has the allocations");
}
END_TEST

START_TEST(a_file_that_is_right_is_its_callers_to_wipe)
{
    puts("skipped: a sanitizer has the allocations");
}
END_TEST
#endif

TEST_PROGRAM("text_file", a_file_that_is_refused_leaves_nothing_in_memory,
             a_file_that_is_right_is_its_callers_to_wipe)
