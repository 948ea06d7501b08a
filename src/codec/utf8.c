#include "codec/utf8.h"

#include <stdbool.h>

/* By the lead byte: how many bytes follow and the least character that may be
 * written so; anything less is an overlong form. */
static size_t trailing(unsigned char lead, uint32_t *bits, uint32_t *least)
{
    if (lead >= 0xC2 && lead <= 0xDF) {
        *bits = lead & 0x1Fu;
        *least = 0x80;
        return 1;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        *bits = lead & 0x0Fu;
        *least = 0x800;
        return 2;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        *bits = lead & 0x07u;
        *least = 0x10000;
        return 3;
    }
    return 0;
}

static bool allowed(uint32_t c, uint32_t least)
{
    return c >= least && c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
}

size_t utf8_read(const char *bytes, size_t length, uint32_t *character)
{
    unsigned char lead = (unsigned char)bytes[0];
    *character = lead < 0x80 ? lead : UTF8_REPLACEMENT;

    uint32_t bits = 0, least = 0;
    size_t more = trailing(lead, &bits, &least);
    if (more == 0 || length <= more)
        return 1;

    for (size_t i = 1; i <= more; i++) {
        unsigned char next = (unsigned char)bytes[i];
        if ((next & 0xC0) != 0x80)
            return 1;
        bits = bits << 6 | (next & 0x3Fu);
    }
    if (!allowed(bits, least))
        return 1;
    *character = bits;
    return more + 1;
}
