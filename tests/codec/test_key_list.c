#include "codec/key_list.h"

#include <stdio.h>

#include "support/test.h"

#define ZEROS "00000000000000000000000000000000"
#define A     ZEROS "0000000000000000000000000000000a"
#define B     ZEROS "0000000000000000000000000000000B"

static struct arena arena;

static bool read(const char *text, struct key_list *list, struct error *e)
{
    arena_init(&arena, KEYS_MOST * sizeof(struct key_line), NULL);
    bool good = key_list_read(text, &arena, list, e);
    if (!good)
        arena_free(&arena);
    return good;
}

START_TEST(a_line_says_who_may_do_what)
{
    struct key_list list;
    struct error e = {0};
    ck_assert_msg(read("# name roles digest limit\n"
                       "\n"
                       "a infer " A "\n"
                       " \t b.B_9-x\tmetrics,infer,admin  " B " 12\t# of the north\r\n"
                       "#c infer " A "\n"
                       "0 admin " ZEROS ZEROS " 0",
                       &list, &e),
                  "%s", e.message);
    ck_assert_uint_eq(list.count, 3);
    const struct key_line *l = list.lines;
    ck_assert_str_eq(l[0].name, "a");
    ck_assert_uint_eq(l[0].roles, ROLE_INFER);
    ck_assert(!l[0].has_limit);
    ck_assert_uint_eq(l[0].digest[30], 0);
    ck_assert_uint_eq(l[0].digest[31], 10);
    ck_assert_str_eq(l[1].name, "b.B_9-x");
    ck_assert_uint_eq(l[1].roles, ROLE_INFER | ROLE_ADMIN | ROLE_METRICS);
    ck_assert(l[1].has_limit);
    ck_assert_uint_eq(l[1].limit, 12);
    ck_assert_uint_eq(l[1].digest[31], 11);
    ck_assert_str_eq(l[2].name, "0");
    ck_assert_uint_eq(l[2].roles, ROLE_ADMIN);
    ck_assert(l[2].has_limit);
    ck_assert_uint_eq(l[2].limit, 0);
    arena_free(&arena);
}
END_TEST

START_TEST(a_digest_is_read_to_the_bit)
{
    static const char digits[] = "0123456789abcdef", large[] = "0123456789ABCDEF";
    for (unsigned i = 0; i < 256; i++) {
        char text[128];
        snprintf(text, sizeof text,
                 "a infer %c%c" ZEROS "000000000000000000000000000000", digits[i / 16],
                 large[i % 16]);
        struct key_list list;
        struct error e = {0};
        ck_assert_msg(read(text, &list, &e), "%s: %s", text, e.message);
        ck_assert_uint_eq(list.lines[0].digest[0], i);
        arena_free(&arena);
    }
}
END_TEST

START_TEST(what_is_no_line_is_refused_by_its_number)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "there is no key"},
        {"\n # a infer " A "\n", "there is no key"},
        {"a", "line 1: is not `name roles sha256 [limit]`"},
        {"\n\na infer\n", "line 3: is not `name roles sha256 [limit]`"},
        {"a infer # " A, "line 1: is not `name roles sha256 [limit]`"},
        {"a infer " A " 1 2", "line 1: is not `name roles sha256 [limit]`"},
        {"a infer " A " 1 2 3 4 5", "line 1: is not `name roles sha256 [limit]`"},
        {"a:b infer " A, "line 1: the name is not 1 to 32 of A-Z a-z 0-9 . _ -"},
        {"a\x01 infer " A, "line 1: the name is not 1 to 32 of A-Z a-z 0-9 . _ -"},
        {"a\xc3\xa9 infer " A, "line 1: the name is not 1 to 32 of A-Z a-z 0-9 . _ -"},
        {"123456789012345678901234567890123 infer " A,
         "line 1: the name is not 1 to 32 of A-Z a-z 0-9 . _ -"},
        {"a Infer " A,
         "line 1: the roles are not some of infer,admin,metrics, each once"},
        {"a infer,infer " A,
         "line 1: the roles are not some of infer,admin,metrics, each once"},
        {"a infer, " A,
         "line 1: the roles are not some of infer,admin,metrics, each once"},
        {"a ,infer " A,
         "line 1: the roles are not some of infer,admin,metrics, each once"},
        {"a , " A, "line 1: the roles are not some of infer,admin,metrics, each once"},
        {"a infer,root " A,
         "line 1: the roles are not some of infer,admin,metrics, each once"},
        {"a inf " A,
         "line 1: the roles are not some of infer,admin,metrics, each once"},
        {"a infers " A,
         "line 1: the roles are not some of infer,admin,metrics, each once"},
        {"a infer " ZEROS, "line 1: the digest is not 64 hexadecimal digits"},
        {"a infer " A "0", "line 1: the digest is not 64 hexadecimal digits"},
        {"a infer " ZEROS "0000000000000000000000000000000g",
         "line 1: the digest is not 64 hexadecimal digits"},
        {"a infer " ZEROS "000000000000000000000000000000:0",
         "line 1: the digest is not 64 hexadecimal digits"},
        {"a infer " A " -1", "line 1: the limit is not a whole number from 0 to"},
        {"a infer " A " 1.0", "line 1: the limit is not a whole number from 0 to"},
        {"a infer " A " 1000001", "line 1: the limit is not a whole number from 0 to"},
        {"a infer " A " 18446744073709551617",
         "line 1: the limit is not a whole number from 0 to"},
        {"a infer " A "\n#\na infer " B,
         "line 3: the name stands in an earlier line, too"},
        {"a infer " A "\nb infer " A "\n",
         "line 2: the digest stands in an earlier line, too"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct key_list list;
        struct error e = {0};
        ck_assert_msg(!read(cases[i].text, &list, &e), "%s", cases[i].text);
        ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
        ck_assert_str_eq(e.path, "keys_file");
        ck_assert_msg(strncmp(e.message, cases[i].message, strlen(cases[i].message)) ==
                          0,
                      "%s: %s", cases[i].text, e.message);
    }
}
END_TEST

START_TEST(the_bounds_themselves_are_allowed)
{
    struct key_list list;
    struct error e = {0};
    ck_assert(read("12345678901234567890123456789012 infer " A " 1000000", &list, &e));
    ck_assert_str_eq(list.lines[0].name, "12345678901234567890123456789012");
    ck_assert_uint_eq(list.lines[0].limit, KEY_LIMIT_MOST);
    arena_free(&arena);
}
END_TEST

static char *many(size_t count)
{
    enum { LINE = 96 };
    char *text = malloc(count * LINE + 1), *at = text;
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < count; i++)
        at += snprintf(at, LINE, "k%zu infer " ZEROS "%032zx\n", i, i);
    return text;
}

START_TEST(there_is_room_for_so_many_and_no_more)
{
    struct key_list list;
    struct error e = {0};
    char *text = many(KEYS_MOST);
    ck_assert_msg(read(text, &list, &e), "%s", e.message);
    ck_assert_uint_eq(list.count, KEYS_MOST);
    ck_assert_str_eq(list.lines[KEYS_MOST - 1].name, "k1023");
    arena_free(&arena);
    free(text);

    text = many(KEYS_MOST + 1);
    ck_assert(!read(text, &list, &e));
    ck_assert_str_eq(e.message, "there are 1025 keys, at most 1024 are allowed");
    free(text);
}
END_TEST

START_TEST(without_memory_there_is_no_list)
{
    struct key_list list;
    struct error e = {0};
    arena_init(&arena, sizeof(struct key_line) - 1, NULL);
    ck_assert(!key_list_read("a infer " A, &arena, &list, &e));
    ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
    arena_free(&arena);
}
END_TEST

START_TEST(a_role_has_a_name)
{
    ck_assert_str_eq(key_role_name(ROLE_INFER), "infer");
    ck_assert_str_eq(key_role_name(ROLE_ADMIN), "admin");
    ck_assert_str_eq(key_role_name(ROLE_METRICS), "metrics");
}
END_TEST

TEST_PROGRAM("key_list", a_line_says_who_may_do_what, a_digest_is_read_to_the_bit,
             what_is_no_line_is_refused_by_its_number,
             the_bounds_themselves_are_allowed, there_is_room_for_so_many_and_no_more,
             without_memory_there_is_no_list, a_role_has_a_name)
