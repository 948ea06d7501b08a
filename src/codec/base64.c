#include "codec/base64.h"

#include <stdint.h>

#include "codec/base64_kernels.h"

const char base64_alphabet[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { BAD = 0xFF };

/* The six bits behind a character; BAD for one that is not of the alphabet. */
const uint8_t base64_sextet[256] = {
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 62,  BAD, BAD, BAD, 63,
    52,  53,  54,  55,  56,  57,  58,  59,  60,  61,  BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, 0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,
    15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  BAD, BAD, BAD, BAD, BAD,
    BAD, 26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,
    41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51,  BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
};

size_t base64_length(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

static char *encode_group(const uint8_t *in, char *out)
{
    uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    out[0] = base64_alphabet[group >> 18];
    out[1] = base64_alphabet[group >> 12 & 63];
    out[2] = base64_alphabet[group >> 6 & 63];
    out[3] = base64_alphabet[group & 63];
    return out + 4;
}

size_t base64_encode(const void *bytes, size_t count, char *out)
{
    const uint8_t *in = bytes;
    const size_t done = base64_kernels_choice(0)->encode(in, count, out);
    char *to = out + done / 3 * 4;
    in += done;
    count -= done;
    for (; count >= 3; count -= 3, in += 3)
        to = encode_group(in, to);
    if (count == 0)
        return (size_t)(to - out);

    const uint8_t rest[3] = {in[0], count == 2 ? in[1] : 0, 0};
    to = encode_group(rest, to);
    to[-1] = '=';
    if (count == 1)
        to[-2] = '=';
    return (size_t)(to - out);
}

bool base64_size(const char *text, size_t length, size_t *bytes)
{
    if (length % 4 != 0)
        return false;

    *bytes = length / 4 * 3;
    if (length > 0 && text[length - 1] == '=')
        *bytes -= text[length - 2] == '=' ? 2 : 1;
    return true;
}

/* Only called when one of the four is BAD, or bits are left over. */
static size_t first_wrong(const uint8_t *in, size_t characters)
{
    size_t i = 0;
    while (i + 1 < characters && base64_sextet[in[i]] != BAD)
        i++;
    return i;
}

/* The last group, of which `bytes` (1 or 2) bytes are meant: the padding is
 * known to be there. */
static bool decode_rest(const uint8_t *in, size_t bytes, uint8_t *out, size_t *wrong)
{
    const uint8_t a = base64_sextet[in[0]], b = base64_sextet[in[1]];
    const uint8_t c = bytes == 2 ? base64_sextet[in[2]] : 0;
    const unsigned unused = bytes == 2 ? c & 3U : b & 15U;
    if (((a | b | c) & 0xC0) || unused) {
        *wrong = first_wrong(in, bytes + 1);
        return false;
    }

    out[0] = (uint8_t)(a << 2 | b >> 4);
    if (bytes == 2)
        out[1] = (uint8_t)(b << 4 | c >> 2);
    return true;
}

bool base64_decode(const char *text, size_t length, void *out, size_t *wrong)
{
    size_t bytes;
    if (!base64_size(text, length, &bytes)) {
        *wrong = length;
        return false;
    }

    const uint8_t *in = (const uint8_t *)text;
    uint8_t *to = out;
    const size_t done = base64_kernels_choice(0)->decode(in, length, to, bytes);
    in += done;
    to += done / 4 * 3;
    for (size_t left = bytes - done / 4 * 3; left >= 3; left -= 3, in += 4, to += 3) {
        const uint8_t a = base64_sextet[in[0]], b = base64_sextet[in[1]];
        const uint8_t c = base64_sextet[in[2]], d = base64_sextet[in[3]];
        if ((a | b | c | d) & 0xC0) {
            *wrong = (size_t)(in - (const uint8_t *)text) + first_wrong(in, 4);
            return false;
        }
        uint32_t group =
            (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        to[0] = (uint8_t)(group >> 16);
        to[1] = (uint8_t)(group >> 8);
        to[2] = (uint8_t)group;
    }
    if (bytes % 3 != 0 && !decode_rest(in, bytes % 3, to, wrong)) {
        *wrong += (size_t)(in - (const uint8_t *)text);
        return false;
    }
    return true;
}
