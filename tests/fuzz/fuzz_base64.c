/* Any bytes as base64 text and as bytes to encode, beside a coder that takes a bit at a
 * time; so does every set of kernels. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/base64_kernels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned bit_of(const uint8_t *bytes, size_t i)
{
    return (unsigned)bytes[i / 8] >> (7 - i % 8) & 1U;
}

/* RFC 4648, section 4, with no thought of speed. */
static void slow_encode(const uint8_t *bytes, size_t count, char *out)
{
    size_t length = 0;
    for (size_t i = 0; i < 8 * count; i += 6) {
        unsigned sextet = 0;
        for (size_t k = i; k < i + 6; k++)
            sextet = sextet << 1 | (k < 8 * count ? bit_of(bytes, k) : 0);
        out[length++] = base64_alphabet[sextet];
    }
    while (length % 4 != 0)
        out[length++] = '=';
}

/* Up to the first '='; false at what is not of the alphabet. */
static bool slow_decode(const char *text, size_t length, uint8_t *out)
{
    size_t bits = 0;
    for (size_t i = 0; i < length && text[i] != '='; i++) {
        const char *at = memchr(base64_alphabet, text[i], sizeof base64_alphabet);
        if (!at)
            return false;
        for (size_t k = 6; k-- > 0; bits++) {
            unsigned bit = (unsigned)(at - base64_alphabet) >> k & 1U;
            if (bits % 8 == 0)
                out[bits / 8] = 0;
            out[bits / 8] = (uint8_t)(out[bits / 8] | bit << (7 - bits % 8));
        }
    }
    return true;
}

static void encode(const uint8_t *bytes, size_t count)
{
    const size_t length = base64_length(count);
    char *want = malloc(length + 1), *got = malloc(length + 1);
    assert(want && got);
    slow_encode(bytes, count, want);
    assert(base64_encode(bytes, count, got) == length);
    assert(memcmp(got, want, length) == 0);

    const struct base64_kernels *k;
    for (size_t set = 0; (k = base64_kernels_choice(set)) != NULL; set++) {
        memset(got, '?', length);
        size_t taken = k->encode(bytes, count, got);
        assert(taken % 3 == 0 && taken <= count);
        assert(memcmp(got, want, taken / 3 * 4) == 0);
    }
    free(want);
    free(got);
}

/* Text is accepted exactly when it is what an encoder writes for its bytes. */
static void decode(const char *text, size_t length)
{
    size_t bytes, wrong = length + 1;
    if (!base64_size(text, length, &bytes)) {
        assert(length % 4 != 0);
        return;
    }
    uint8_t *got = malloc(bytes + 1), *want = malloc(length + 1);
    char *again = malloc(length + 1);
    assert(got && want && again);
    bool good = slow_decode(text, length, want);
    if (good) {
        slow_encode(want, bytes, again);
        good = memcmp(again, text, length) == 0;
    }
    assert(base64_decode(text, length, got, &wrong) == good);
    assert(good ? memcmp(got, want, bytes) == 0 : wrong < length);

    const struct base64_kernels *k;
    for (size_t set = 0; (k = base64_kernels_choice(set)) != NULL; set++) {
        size_t taken = k->decode((const uint8_t *)text, length, got, bytes);
        assert(taken % 4 == 0 && taken <= length);
        assert(!good || memcmp(got, want, taken / 4 * 3) == 0);
    }
    free(got);
    free(want);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1); /* exactly as large: overreads are seen */
    assert(bytes);
    memcpy(bytes, data, size);
    encode(bytes, size);
    decode((const char *)bytes, size);
    free(bytes);
    return 0;
}
