#include "codec/json_option.h"

#include <stdint.h>

#include "support/test.h"

static bool whole(const char *text, size_t least, size_t most, size_t *out,
                  struct error *e)
{
    struct json_reader r;
    json_reader_init(&r, text, strlen(text), NULL);
    return json_option_whole(&r, FIELD_NAME(NULL, "n"), least, most, out, e);
}

START_TEST(a_whole_number_has_two_ends)
{
    static const struct {
        const char *text;
        size_t least, most, value;
        const char *refusal;
    } cases[] = {
        {"1", 1, 9, 1, NULL},
        {"9.0", 1, 9, 9, NULL},
        {"0.9e1", 1, 9, 9, NULL},
        {"-0", 0, SIZE_MAX, 0, NULL},
        {"9007199254740992", 0, SIZE_MAX, 9007199254740992, NULL},
        {"0", 1, 9, 0, "must be a whole number from 1 to 9"},
        {"10", 1, 9, 0, "must be a whole number from 1 to 9"},
        {"2.5", 1, 9, 0, "must be a whole number from 1 to 9"},
        {"-1", 0, SIZE_MAX, 0, "must be a whole number, 0 or more"},
        {"2.5", 1, SIZE_MAX, 0, "must be a whole number, 1 or more"},
        {"9007199254740993", 0, SIZE_MAX, 0, "must be at most 9007199254740992"},
        {"18446744073709551617", 1, SIZE_MAX, 0, "must be at most 9007199254740992"},
        {"1e300", 0, SIZE_MAX, 0, "must be at most 9007199254740992"},
        {"9007199254740993", 0, JSON_SIZE_MOST, 0,
         "must be a whole number from 0 to 9007199254740992"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t value = 0;
        struct error e = {0};
        bool ok = whole(cases[i].text, cases[i].least, cases[i].most, &value, &e);
        ck_assert_msg(ok == !cases[i].refusal, "%s: %s", cases[i].text, e.message);
        if (ok)
            ck_assert_uint_eq(value, cases[i].value);
        else
            ck_assert_str_eq(e.message, cases[i].refusal);
    }
}
END_TEST

START_TEST(a_list_keeps_what_it_held_when_it_grows)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, NULL);
    struct json_list list = {0};
    struct error e = {0};
    for (size_t i = 0; i < 1000; i++) {
        size_t *item = json_list_add(&list, sizeof *item, &arena, &e);
        ck_assert_ptr_nonnull(item);
        *item = i;
    }
    ck_assert_uint_eq(list.count, 1000);
    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(((const size_t *)list.items)[i], i);
    arena_free(&arena);
}
END_TEST

START_TEST(a_list_without_room_says_so)
{
    struct arena arena;
    arena_init(&arena, 20 * sizeof(size_t), NULL);
    struct json_list list = {0};
    struct error e = {0};
    while (json_list_add(&list, sizeof(size_t), &arena, &e))
        ck_assert_uint_le(list.count, 20);
    ck_assert_uint_eq(list.count, 16);
    ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
    arena_free(&arena);
}
END_TEST

START_TEST(a_zero_byte_does_not_cut_a_name_that_is_shown)
{
    static const char name[] = "heads\0x";
    static const char *const names[] = {"heads"};
    struct error e = {0};
    const struct json_text text = {name, sizeof name - 1};
    ck_assert(!json_option_unknown(NULL, text, names, 1, &e));
    ck_assert_str_eq(e.path, "/heads?x");
}
END_TEST

TEST_PROGRAM("json_option", a_whole_number_has_two_ends,
             a_list_keeps_what_it_held_when_it_grows,
             a_zero_byte_does_not_cut_a_name_that_is_shown, a_list_without_room_says_so)
