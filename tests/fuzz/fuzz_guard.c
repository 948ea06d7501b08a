/* Any bytes through the guard, cut and buffered in ways the first three bytes choose,
 * beside the rules of tests/http/guard_reference.h. */
#include "http/guard_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    size_t limit = data[2] & 1 ? 16 * 1024 : 64 + data[2];
    guard_check((const char *)data + 3, size - 3, limit, data[0], data[1],
                1 + data[2] + 8 * (size_t)data[0]);
    return 0;
}
