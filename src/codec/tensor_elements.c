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

static double wide_f64(const unsigned char *from)
{
    uint64_t bits;
    double value;
    memcpy(&bits, from, sizeof bits);
    bits = le64toh(bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float read_f64(const unsigned char *from)
{
    return (float)wide_f64(from);
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

static int32_t integer_i32(const unsigned char *from)
{
    uint32_t bits;
    memcpy(&bits, from, sizeof bits);
    return (int32_t)le32toh(bits);
}

static int64_t integer_i64(const unsigned char *from)
{
    uint64_t bits;
    memcpy(&bits, from, sizeof bits);
    return (int64_t)le64toh(bits);
}

static float read_i32(const unsigned char *from)
{
    return (float)integer_i32(from);
}

static double wide_i32(const unsigned char *from)
{
    return integer_i32(from);
}

static float read_i64(const unsigned char *from)
{
    return (float)integer_i64(from);
}

static double wide_i64(const unsigned char *from)
{
    return (double)integer_i64(from);
}

static float read_bool(const unsigned char *from)
{
    return *from <= 1 ? (float)*from : NAN;
}

#define BELOW_2(bits) (((size_t)1 << (bits)) - 1)

static const struct tensor_dtype dtypes[] = {
    {DTYPE_F32, "f32", 4, read_f32, NULL, BELOW_2(24)},
    {DTYPE_F64, "f64", 8, read_f64, wide_f64, BELOW_2(53)},
    {DTYPE_F16, "f16", 2, read_f16, NULL, BELOW_2(24)},
    {DTYPE_BF16, "bf16", 2, read_bf16, NULL, BELOW_2(24)},
    {DTYPE_I32, "i32", 4, read_i32, wide_i32, INT32_MAX},
    {DTYPE_I64, "i64", 8, read_i64, wide_i64, BELOW_2(53)},
    {DTYPE_BOOL, "bool", 1, read_bool, NULL, 1},
};

const struct tensor_dtype *tensor_dtype_find(struct json_text name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (json_text_is(name, dtypes[i].name))
            return &dtypes[i];
    return NULL;
}

static double value_of(const struct tensor_dtype *dtype, const unsigned char *from)
{
    return dtype->wide ? dtype->wide(from) : (double)dtype->read(from);
}

bool tensor_element_whole(const struct tensor_dtype *dtype, const unsigned char *from,
                          size_t *out)
{
    const double value = value_of(dtype, from);
    if (!(value >= 0 && value <= (double)dtype->most_whole && value == floor(value)))
        return false;
    *out = (size_t)value;
    return true;
}

bool tensor_element_overflows(const struct tensor_dtype *dtype,
                              const unsigned char *from)
{
    return isfinite(value_of(dtype, from)) && !isfinite(dtype->read(from));
}
