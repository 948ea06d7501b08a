/* terminal_text.h - a stranger's text, fit to stand in a terminal.
 *
 * Whatever could move the cursor, change colours or turn the direction of the line
 * (control characters, bidirectional controls, bytes that are not UTF-8) is shown
 * as U+FFFD. */
#ifndef CODEC_TERMINAL_TEXT_H
#define CODEC_TERMINAL_TEXT_H

#include <stddef.h>

/* A character with the marks that combine with it: what takes a place of its own. */
struct glyph {
    const char *bytes; /* what to print; inside the text, or U+FFFD */
    size_t length;
    size_t columns; /* 1, or 2 for the wide characters of East Asia and emoji */
    size_t taken;   /* bytes of the text it stands for */
};

/* The glyph at the start of `text`, which holds at least one byte. */
struct glyph terminal_glyph(const char *text, size_t length);

#endif
