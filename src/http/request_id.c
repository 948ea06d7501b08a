#include "http/request_id.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "service/clock.h"

static const char hexadecimal[] = "0123456789abcdef";

bool request_id_valid(const char *id)
{
    size_t length = strspn(
        id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");
    return length >= 1 && length < REQUEST_ID_BYTES && id[length] == '\0';
}

/* Asks the kernel once for many ids; each thread has its own store. */
static void random_bytes(unsigned char *bytes, size_t count)
{
    static _Thread_local unsigned char store[256];
    static _Thread_local size_t left;
    if (left < count) {
        if (getrandom(store, sizeof store, GRND_NONBLOCK) != (ssize_t)sizeof store) {
            /* Only in the first moments of a machine: unique here will do. */
            int64_t now = clock_now_ns();
            memcpy(store, &now, sizeof now);
            left = count;
        } else {
            left = sizeof store;
        }
    }
    left -= count;
    memcpy(bytes, store + left, count);
}

void request_id_generate(char id[REQUEST_ID_BYTES])
{
    unsigned char bytes[16];
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[2 * i] = hexadecimal[bytes[i] >> 4];
        id[2 * i + 1] = hexadecimal[bytes[i] & 15];
    }
    id[2 * sizeof bytes] = '\0';
}

/* `digits` of lower-case hexadecimal, not all zero. */
static bool is_id(const char *text, size_t digits)
{
    return strspn(text, hexadecimal) >= digits && strspn(text, "0") < digits;
}

/* version "-" trace-id "-" parent-id "-" flags. A version we do not know may have
 * more behind another dash; "ff" is forbidden. */
bool traceparent_read(const char *traceparent, char trace_id[TRACE_ID_BYTES])
{
    enum { TRACE = 3, PARENT = 36, FLAGS = 53, LENGTH = 55 };
    if (strnlen(traceparent, LENGTH) < LENGTH ||
        strspn(traceparent, hexadecimal) != 2 || traceparent[2] != '-' ||
        strncmp(traceparent, "ff", 2) == 0)
        return false;
    if (!is_id(traceparent + TRACE, 32) || traceparent[PARENT - 1] != '-' ||
        !is_id(traceparent + PARENT, 16) || traceparent[FLAGS - 1] != '-' ||
        strspn(traceparent + FLAGS, hexadecimal) != 2)
        return false;

    bool version_0 = strncmp(traceparent, "00", 2) == 0;
    if (traceparent[LENGTH] && (version_0 || traceparent[LENGTH] != '-'))
        return false;
    memcpy(trace_id, traceparent + TRACE, 32);
    trace_id[32] = '\0';
    return true;
}
