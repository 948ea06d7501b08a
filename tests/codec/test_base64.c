#include "codec/base64.h"

#include <stdint.h>

#include "codec/base64_kernels.h"
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

/* One group after the other, in memory that is no longer than it must be. */
static void encode_slowly(const uint8_t *bytes, size_t count, char *text)
{
    for (size_t i = 0; i < count; i += 3)
        base64_encode(bytes + i, count - i < 3 ? count - i : 3, text + i / 3 * 4);
}

START_TEST(every_set_encodes_and_decodes_what_it_says_and_no_more)
{
    struct test_random random = {71};
    const struct base64_kernels *k;
    for (size_t count = 0; count < 400; count++) {
        const size_t length = base64_length(count);
        uint8_t *bytes = malloc(count + 1);
        char *text = malloc(length + 1), *want = malloc(length + 1);
        for (size_t i = 0; i < count; i++)
            bytes[i] = (uint8_t)(test_random_next(&random) >> 30);
        encode_slowly(bytes, count, want);

        for (size_t set = 0; (k = base64_kernels_choice(set)) != NULL; set++) {
            memset(text, '#', length + 1);
            const size_t done = k->encode(bytes, count, text), made = done / 3 * 4;
            ck_assert(done <= count && done % 3 == 0);
            ck_assert(done + 64 >= count || k == &base64_kernels_plain);
            ck_assert_mem_eq(text, want, made);
            for (size_t i = made; i <= length; i++)
                ck_assert_int_eq(text[i], '#');

            uint8_t *back = malloc(count + 1);
            back[count] = '#';
            const size_t read = k->decode((uint8_t *)want, length, back, count);
            ck_assert(read <= length && read % 4 == 0);
            ck_assert(read + 128 >= length || k == &base64_kernels_plain);
            ck_assert_mem_eq(back, bytes, read / 4 * 3);
            ck_assert_int_eq(back[count], '#');
            free(back);
        }
        free(bytes);
        free(text);
        free(want);
    }
}
END_TEST

/* Every byte that is not of the alphabet, at every place of the registers. */
START_TEST(every_set_stops_before_what_is_wrong)
{
    char text[256];
    uint8_t out[192];
    const struct base64_kernels *k;
    for (size_t set = 0; (k = base64_kernels_choice(set)) != NULL; set++)
        for (size_t at = 0; at < 128; at++)
            for (int c = 0; c < 256; c++) {
                memset(text, 'k', sizeof text);
                text[at] = (char)c;
                const bool good = c && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
                                              "klmnopqrstuvwxyz0123456789+/",
                                              c);
                const size_t done =
                    k->decode((uint8_t *)text, sizeof text, out, sizeof out);
                size_t wrong = 0;
                if (!good && done > at)
                    ck_abort_msg("%s takes %d at %zu", k->name, c, at);
                if (base64_decode(text, sizeof text, out, &wrong) != good ||
                    (!good && wrong != at))
                    ck_abort_msg("%d at %zu: wrong at %zu", c, at, wrong);
                if (good && done < 192 && k != &base64_kernels_plain)
                    ck_abort_msg("%s refuses %c", k->name, c);
            }
}
END_TEST

TEST_PROGRAM("base64", the_vectors_of_the_rfc_hold_both_ways,
             what_an_encoder_would_not_write_is_refused_where_it_is,
             all_bytes_come_back_and_pieces_join,
             every_set_encodes_and_decodes_what_it_says_and_no_more,
             every_set_stops_before_what_is_wrong)
