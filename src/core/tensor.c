#include "core/tensor.h"

size_t tensor_count(const struct tensor *t)
{
    if (t->rank == 0)
        return 0;

    size_t count = 1;
    for (size_t i = 0; i < t->rank; i++)
        count *= t->extent[i];
    return count;
}
