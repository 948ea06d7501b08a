#include "codec/terminal_text.h"
#include "support/test.h"

#define REPLACED "\xEF\xBF\xBD"

static const struct {
    const char *text, *shown;
    size_t length, taken, columns;
} cases[] = {
    {"abc", "a", 3, 1, 1},
    {"\xC3\xA4z", "\xC3\xA4", 3, 2, 1},
    {"\xE6\xBC\xA2z", "\xE6\xBC\xA2", 4, 3, 2},        /* a Han character */
    {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80", 4, 4, 2}, /* an emoji */
    {"e\xCC\x81z", "e\xCC\x81", 4, 3, 1},              /* e, combining acute */
    {"\x1B[2J", REPLACED, 4, 1, 1},                    /* escape */
    {"\n", REPLACED, 1, 1, 1},
    {"\0", REPLACED, 1, 1, 1},
    {"\x7F", REPLACED, 1, 1, 1},
    {"\xC2\x9B"
     "31m",
     REPLACED, 5, 2, 1},                  /* CSI as one character */
    {"\xE2\x80\xAEz", REPLACED, 4, 3, 1}, /* right-to-left override */
    {"\xE2\x80\x8Bz", REPLACED, 4, 3, 1}, /* zero-width space */
    {"\xCC\x81z", REPLACED, 3, 2, 1},     /* a mark on nothing */
    {"\xFFz", REPLACED, 2, 1, 1},
};

START_TEST(what_could_steer_a_terminal_is_replaced)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct glyph g = terminal_glyph(cases[i].text, cases[i].length);
        ck_assert_msg(g.taken == cases[i].taken && g.columns == cases[i].columns,
                      "case %zu: %zu bytes, %zu columns", i, g.taken, g.columns);
        ck_assert_uint_eq(g.length, strlen(cases[i].shown));
        ck_assert_mem_eq(g.bytes, cases[i].shown, g.length);
    }
}
END_TEST

START_TEST(a_tower_of_marks_is_cut)
{
    char text[1 + 2 * 50] = "o";
    for (size_t i = 0; i < 50; i++)
        memcpy(text + 1 + 2 * i, "\xCC\x81", 2);
    ck_assert_uint_eq(terminal_glyph(text, sizeof text).taken, 1 + 2 * 4);
}
END_TEST

TEST_PROGRAM("terminal_text", what_could_steer_a_terminal_is_replaced,
             a_tower_of_marks_is_cut)
