#include "codec/terminal_text.h"

#include <stdbool.h>
#include <stdint.h>

#include "codec/utf8.h"

enum { MOST_MARKS = 4 }; /* on one character; a tower of them spills over other rows */

struct range {
    uint32_t first, last;
};

static const struct range unsafe[] = {
    {0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},       {0x061C, 0x061C},
    {0x180E, 0x180E}, {0x200B, 0x200F}, {0x2028, 0x202E},   {0x2060, 0x206F},
    {0xFEFF, 0xFEFF}, {0xFFF0, 0xFFFD}, {0xE0000, 0xE0FFF},
};

/* Marks that combine with the character before them: the common blocks. */
static const struct range marks[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F},
    {0x0900, 0x0902}, {0x093C, 0x093C}, {0x0941, 0x0948}, {0x094D, 0x094D},
    {0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},
    {0x1DC0, 0x1DFF}, {0x20D0, 0x20F0}, {0x3099, 0x309A}, {0xFE00, 0xFE0F},
    {0xFE20, 0xFE2F},
};

/* After Unicode's East Asian Width (UAX 11): wide, full width, and emoji. */
static const struct range wide[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0xA4CF},   {0xA960, 0xA97C},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
    {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD},
};

static bool is_in(const struct range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

#define IS_IN(ranges, c) is_in(ranges, sizeof(ranges) / sizeof *(ranges), c)

struct glyph terminal_glyph(const char *text, size_t length)
{
    uint32_t character = 0;
    size_t taken = utf8_read(text, length, &character);
    if (IS_IN(unsafe, character) || IS_IN(marks, character))
        return (struct glyph){"\xEF\xBF\xBD", 3, 1, taken};

    size_t columns = IS_IN(wide, character) ? 2 : 1;
    for (int i = 0; i < MOST_MARKS && taken < length; i++) {
        size_t more = utf8_read(text + taken, length - taken, &character);
        if (!IS_IN(marks, character))
            break;
        taken += more;
    }
    return (struct glyph){text, taken, columns, taken};
}
