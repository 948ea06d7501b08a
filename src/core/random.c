#include "core/random.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

uint64_t random_bits(uint64_t stream, uint64_t n)
{
    uint64_t z = stream + (n + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

uint64_t random_stream(uint64_t seed, uint64_t which)
{
    return random_bits(seed, which);
}

uint64_t random_below(uint64_t stream, uint64_t n, uint64_t count)
{
    __extension__ typedef unsigned __int128 uint128;
    return (uint64_t)((uint128)random_bits(stream, n) * count >> 64);
}

void random_normal_pair(uint64_t stream, uint64_t p, double pair[2])
{
    double u = (double)((random_bits(stream, 2 * p) >> 11) + 1) * 0x1p-53;
    double v = (double)(random_bits(stream, 2 * p + 1) >> 11) * 0x1p-53;
    double length = sqrt(-2 * log(u)), angle = 2 * pi * v;
    pair[0] = length * cos(angle);
    pair[1] = length * sin(angle);
}

double random_normal(uint64_t stream, uint64_t n)
{
    double pair[2];
    random_normal_pair(stream, n / 2, pair);
    return pair[n % 2];
}
