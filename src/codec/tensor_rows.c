#include "codec/tensor_rows.h"

#include <math.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/number.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "base64 tensors are little endian, and so are ours");

enum {
    TRIPLE = 3,
    TRIPLE_TEXT = 16,
    GATHERED = 256 * TRIPLE /* numbers encoded at once, small enough for the stack */
};

static const char minus_infinity[] = "\"-Infinity\"";
_Static_assert(sizeof minus_infinity - 1 <= NUMBER_MAX_BYTES,
               "the row bound counts it as a number");

struct tensor_rows tensor_rows_nested(const struct tensor *t, enum row_form form,
                                      unsigned precision)
{
    size_t width = t->extent[t->rank - 1];
    return (struct tensor_rows){
        .form = form,
        .precision = precision,
        .rows = tensor_count(t) / width,
        .width = width,
        /* A comma a number; all levels but the first closed and opened again, and
         * all closed at the end. */
        .row_bound = width * (NUMBER_MAX_BYTES + 1) + 3 * t->rank,
        .tensor = *t,
    };
}

struct tensor_rows tensor_rows_base64(const float *const *array, size_t arrays,
                                      size_t numbers)
{
    return (struct tensor_rows){
        .form = ROWS_BASE64,
        .rows = (arrays * numbers + TRIPLE - 1) / TRIPLE,
        .width = TRIPLE,
        .row_bound = TRIPLE_TEXT,
        .array = array,
        .arrays = arrays,
        .numbers = numbers,
    };
}

static char *write_repeated(char c, size_t count, char *out)
{
    memset(out, c, count);
    return out + count;
}

/* What stands before row `row`: every level whose end was reached is closed and
 * opened again. */
static char *write_separator(const struct tensor *t, size_t row, char *out)
{
    if (row == 0)
        return write_repeated('[', t->rank, out);

    size_t levels = 1;
    for (size_t left = row, axis = t->rank - 2; left % t->extent[axis] == 0; axis--) {
        left /= t->extent[axis];
        levels++;
    }
    out = write_repeated(']', levels, out);
    *out++ = ',';
    return write_repeated('[', levels, out);
}

/* The three writers of a row are the hot loops of an answer: one test a row, none
 * a number. Each leaves a comma behind its last number. */

static char *write_shortest(const float *x, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        out += number_write(x[i], out);
        *out++ = ',';
    }
    return out;
}

static char *write_digits(const float *x, size_t count, unsigned digits, char *out)
{
    for (size_t i = 0; i < count; i++) {
        out += number_write_digits(x[i], digits, out);
        *out++ = ',';
    }
    return out;
}

static char *write_logarithms(const float *x, size_t count, unsigned digits, char *out)
{
    for (size_t i = 0; i < count; i++) {
        if (x[i] == -INFINITY) {
            memcpy(out, minus_infinity, sizeof minus_infinity - 1);
            out += sizeof minus_infinity - 1;
        } else {
            out += digits ? number_write_digits(x[i], digits, out)
                          : number_write(x[i], out);
        }
        *out++ = ',';
    }
    return out;
}

static char *write_nested(const struct tensor_rows *r, size_t from, size_t to,
                          char *out)
{
    for (size_t row = from; row < to; row++) {
        const float *x = r->tensor.data + row * r->width;
        out = write_separator(&r->tensor, row, out);
        if (r->form == ROWS_LOGARITHMS)
            out = write_logarithms(x, r->width, r->precision, out);
        else if (r->precision)
            out = write_digits(x, r->width, r->precision, out);
        else
            out = write_shortest(x, r->width, out);
        out--; /* the last comma */
    }
    return to == r->rows ? write_repeated(']', r->tensor.rank, out) : out;
}

/* Copies numbers [from, from + count) of all arrays taken as one. */
static void gather(const struct tensor_rows *r, size_t from, size_t count, float *out)
{
    while (count > 0) {
        size_t within = from % r->numbers, most = r->numbers - within;
        size_t taken = count < most ? count : most;
        memcpy(out, r->array[from / r->numbers] + within, taken * sizeof *out);
        from += taken;
        out += taken;
        count -= taken;
    }
}

static char *write_base64(const struct tensor_rows *r, size_t from, size_t to,
                          char *out)
{
    size_t total = r->arrays * r->numbers;
    size_t end = to * TRIPLE < total ? to * TRIPLE : total;
    for (size_t at = from * TRIPLE; at < end;) {
        float numbers[GATHERED];
        size_t count = end - at < GATHERED ? end - at : GATHERED;
        gather(r, at, count, numbers);
        out += base64_encode(numbers, count * sizeof *numbers, out);
        at += count;
    }
    return out;
}

char *tensor_rows_write(const struct tensor_rows *r, size_t from, size_t to, char *out)
{
    return r->form == ROWS_BASE64 ? write_base64(r, from, to, out)
                                  : write_nested(r, from, to, out);
}
