/* Any bytes as text for a terminal: they are characters exactly when jansson takes them
 * for UTF-8, and nothing that is printed of them can move a cursor. */
#include <assert.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/terminal_text.h"
#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_utf8(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t character;
        size_t taken = utf8_read(text + i, size - i, &character);
        assert(taken >= 1 && taken <= size - i && character <= 0x10FFFF);
        if (character == UTF8_REPLACEMENT && taken == 1)
            return false;
        i += taken;
    }
    return true;
}

static void print(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        struct glyph g = terminal_glyph(text + i, size - i);
        assert(g.taken >= 1 && g.taken <= size - i);
        assert(g.columns == 1 || g.columns == 2);
        assert(g.length >= 1 && is_utf8(g.bytes, g.length));
        for (size_t k = 0; k < g.length; k++) {
            unsigned char c = (unsigned char)g.bytes[k];
            bool high_control = c == 0xC2 && (unsigned char)g.bytes[k + 1] < 0xA0;
            assert(c >= ' ' && c != 0x7F && !high_control);
        }
        i += g.taken;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* exactly as large: overreads are seen */
    assert(text);
    memcpy(text, data, size);
    json_t *theirs = json_stringn(text, size);
    assert(is_utf8(text, size) == (theirs != NULL));
    json_decref(theirs);
    print(text, size);
    free(text);
    return 0;
}
