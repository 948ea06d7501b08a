#include "codec/json_escape.h"

/* The letter behind the backslash where there is a short form; 0: none. */
static char short_form(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\': return (char)c;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

size_t json_escape_length(struct json_text text)
{
    size_t length = 2;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        length += short_form(c) ? 2 : c < 0x20 ? 6 : 1;
    }
    return length;
}

char *json_escape_write(struct json_text text, char *out)
{
    static const char hex[] = "0123456789abcdef";

    *out++ = '"';
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        char letter = short_form(c);
        if (letter) {
            *out++ = '\\';
            *out++ = letter;
        } else if (c < 0x20) {
            const char escaped[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            for (size_t k = 0; k < sizeof escaped; k++)
                *out++ = escaped[k];
        } else {
            *out++ = (char)c;
        }
    }
    *out++ = '"';
    return out;
}
