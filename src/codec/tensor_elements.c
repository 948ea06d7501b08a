#include "codec/tensor_elements.h"

#include <endian.h>
#include <math.h>
#include <string.h>

static float read_f32(const unsigned char *from)
{
    uint32_t bits;
    float value;
    memcpy(&bits, from, sizeof bits);
    bits = le32toh(bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float read_f64(const unsigned char *from)
{
    uint64_t bits;
    double value;
    memcpy(&bits, from, sizeof bits);
    bits = le64toh(bits);
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15) and 10 fraction bits. */
static float read_f16(const unsigned char *from)
{
    const unsigned bits = from[0] | (unsigned)from[1] << 8;
    const int exponent = (int)(bits >> 10 & 31);
    const float fraction = (float)(bits & 1023);
    const float size = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                       : exponent == 0 ? ldexpf(fraction, -24)
                                       : ldexpf(fraction + 1024, exponent - 25);
    return bits >> 15 ? -size : size;
}

/* The upper half of a float32. */
static float read_bf16(const unsigned char *from)
{
    const unsigned char whole[4] = {0, 0, from[0], from[1]};
    return read_f32(whole);
}

static float read_i32(const unsigned char *from)
{
    uint32_t bits;
    memcpy(&bits, from, sizeof bits);
    return (float)(int32_t)le32toh(bits);
}

static float read_i64(const unsigned char *from)
{
    uint64_t bits;
    memcpy(&bits, from, sizeof bits);
    return (float)(int64_t)le64toh(bits);
}

static float read_bool(const unsigned char *from)
{
    return *from <= 1 ? (float)*from : NAN;
}

static const struct tensor_dtype dtypes[] = {
    {DTYPE_F32, "f32", 4, read_f32},    {DTYPE_F64, "f64", 8, read_f64},
    {DTYPE_F16, "f16", 2, read_f16},    {DTYPE_BF16, "bf16", 2, read_bf16},
    {DTYPE_I32, "i32", 4, read_i32},    {DTYPE_I64, "i64", 8, read_i64},
    {DTYPE_BOOL, "bool", 1, read_bool},
};

const struct tensor_dtype *tensor_dtype_find(struct json_text name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (json_text_is(name, dtypes[i].name))
            return &dtypes[i];
    return NULL;
}
