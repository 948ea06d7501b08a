#include "codec/utf8.h"
#include "support/test.h"

static const struct {
    const char *bytes;
    size_t length, taken;
    uint32_t character;
} cases[] = {
    {"a", 1, 1, 'a'},
    {"\0", 1, 1, 0},
    {"\xC3\xA4", 2, 2, 0xE4},
    {"\xE2\x96\x88zz", 5, 3, 0x2588},
    {"\xF0\x9F\x98\x80", 4, 4, 0x1F600},
    {"\xF4\x8F\xBF\xBF", 4, 4, 0x10FFFF},
    {"\xEF\xBF\xBD", 3, 3, UTF8_REPLACEMENT},
    {"\x80", 1, 1, UTF8_REPLACEMENT},             /* continuation alone */
    {"\xC0\xAF", 2, 1, UTF8_REPLACEMENT},         /* overlong */
    {"\xE0\x80\xAF", 3, 1, UTF8_REPLACEMENT},     /* overlong */
    {"\xED\xA0\x80", 3, 1, UTF8_REPLACEMENT},     /* surrogate */
    {"\xF4\x90\x80\x80", 4, 1, UTF8_REPLACEMENT}, /* beyond U+10FFFF */
    {"\xFF", 1, 1, UTF8_REPLACEMENT},
    {"\xE2\x96", 2, 1, UTF8_REPLACEMENT},  /* cut */
    {"\xE2\x96z", 3, 1, UTF8_REPLACEMENT}, /* broken off */
};

START_TEST(a_character_takes_its_bytes_and_anything_else_takes_one)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t character = 1;
        size_t taken = utf8_read(cases[i].bytes, cases[i].length, &character);
        ck_assert_msg(taken == cases[i].taken && character == cases[i].character,
                      "case %zu: %zu bytes, U+%04X", i, taken, (unsigned)character);
    }
}
END_TEST

TEST_PROGRAM("utf8", a_character_takes_its_bytes_and_anything_else_takes_one)
