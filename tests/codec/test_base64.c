#include "codec/base64.h"

#include <stdint.h>

#include "support/test.h"

START_TEST(the_vectors_of_the_rfc_hold_both_ways)
{
    const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].text), count = strlen(cases[i].bytes), size;
        char text[16] = "", bytes[16] = "";
        size_t wrong;
        ck_assert_uint_eq(base64_length(count), length);
        ck_assert_uint_eq(base64_encode(cases[i].bytes, count, text), length);
        ck_assert_str_eq(text, cases[i].text);
        ck_assert(base64_size(cases[i].text, length, &size));
        ck_assert_uint_eq(size, count);
        ck_assert(base64_decode(cases[i].text, length, bytes, &wrong));
        ck_assert_str_eq(bytes, cases[i].bytes);
    }
}
END_TEST

START_TEST(what_an_encoder_would_not_write_is_refused_where_it_is)
{
    const struct {
        const char *text;
        size_t wrong;
    } cases[] = {
        {"Z", 1},
        {"Zg", 2},
        {"Zg=", 3},
        {"Zm9vY", 5},
        {"Zm9\n", 3},
        {"Z 9v", 1},
        {"====", 0},
        {"Zg==Zg==", 2},
        {"Zm=v", 2},
        {"Z===", 1},
        {"=Zm9", 0},
        {"Zm9v=AAA", 4},
        {"Zm-_", 2},
        {"Zh==", 1},
        {"Zm9=", 2},
        {"Zm9vZm9vZ\xC3==", 9},
        {"Zm9vYmFy\xFF"
         "m9v",
         8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[16];
        size_t wrong = 99;
        ck_assert_msg(
            !base64_decode(cases[i].text, strlen(cases[i].text), bytes, &wrong),
            "%s was accepted", cases[i].text);
        ck_assert_msg(wrong == cases[i].wrong, "%s: wrong at %zu, want %zu",
                      cases[i].text, wrong, cases[i].wrong);
    }
}
END_TEST

START_TEST(all_bytes_come_back_and_pieces_join)
{
    struct test_random random = {7};
    uint8_t bytes[1000] = {0}, back[1000];
    char whole[1400], pieces[1400];
    for (size_t n = 0; n < 1000; n += 37) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(test_random_next(&random) >> 30);

        size_t length = base64_encode(bytes, n, whole), wrong;
        ck_assert(base64_decode(whole, length, back, &wrong));
        ck_assert_mem_eq(back, bytes, n);

        size_t cut = test_random_size(&random, 0, n / 3) * 3;
        size_t first = base64_encode(bytes, cut, pieces);
        size_t second = base64_encode(bytes + cut, n - cut, pieces + first);
        ck_assert_uint_eq(first + second, length);
        ck_assert_mem_eq(pieces, whole, length);
    }
}
END_TEST

TEST_PROGRAM("base64", the_vectors_of_the_rfc_hold_both_ways,
             what_an_encoder_would_not_write_is_refused_where_it_is,
             all_bytes_come_back_and_pieces_join)
