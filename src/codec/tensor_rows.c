#include "codec/tensor_rows.h"

#include <stdint.h>
#include <string.h>

#include "base/size.h"
#include "codec/base64.h"
#include "codec/number_list.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "base64 tensors are little endian, and so are ours");

enum {
    NUMBER_BYTES = 4,
    TRIPLE = 3,
    TRIPLE_TEXT = 16,
    GATHERED = 256 * TRIPLE /* numbers collected at once, small enough for the stack */
};

size_t row_numbers_count(const struct row_numbers *n)
{
    size_t count = 1;
    for (size_t i = 0; i < n->rank; i++)
        count *= n->extent[i];
    return count;
}

struct tensor_rows tensor_rows_nested(const struct row_numbers *numbers,
                                      enum row_form form, unsigned precision)
{
    size_t width = numbers->extent[numbers->rank - 1];
    return (struct tensor_rows){
        .form = form,
        .precision = precision,
        .rows = row_numbers_count(numbers) / width,
        .width = width,
        /* All levels but the first closed and opened again, and all closed at the
         * end. */
        .row_bound = width * NUMBER_LIST_EACH + 3 * numbers->rank,
        .numbers = *numbers,
    };
}

struct tensor_rows tensor_rows_base64(const void *const *array, size_t arrays,
                                      const struct row_numbers *numbers)
{
    return (struct tensor_rows){
        .form = ROWS_BASE64,
        .rows = size_divided_up(arrays * row_numbers_count(numbers), TRIPLE),
        .width = TRIPLE,
        .row_bound = TRIPLE_TEXT,
        .numbers = *numbers,
        .array = array,
        .arrays = arrays,
    };
}

static const void *number_at(const void *data, size_t index)
{
    return (const char *)data + index * NUMBER_BYTES;
}

/* Numbers [from, from + count) of an array, side by side. */
static void collect(const void *data, size_t stride, size_t from, size_t count,
                    void *out)
{
    if (stride == 1) {
        memcpy(out, number_at(data, from), count * NUMBER_BYTES);
        return;
    }
    for (size_t i = 0; i < count; i++)
        memcpy((char *)out + i * NUMBER_BYTES, number_at(data, (from + i) * stride),
               NUMBER_BYTES);
}

static char *write_repeated(char c, size_t count, char *out)
{
    memset(out, c, count);
    return out + count;
}

/* What stands before row `row`: every level whose end was reached is closed and
 * opened again. */
static char *write_separator(const struct row_numbers *n, size_t row, char *out)
{
    if (row == 0)
        return write_repeated('[', n->rank, out);

    size_t levels = 1;
    for (size_t left = row, axis = n->rank - 2; left % n->extent[axis] == 0; axis--) {
        left /= n->extent[axis];
        levels++;
    }
    out = write_repeated(']', levels, out);
    *out++ = ',';
    return write_repeated('[', levels, out);
}

static char *write_dense(const struct tensor_rows *r, const void *x, size_t count,
                         char *out)
{
    if (r->form == ROWS_INTEGERS)
        return number_list_write_integers(x, count, out);
    if (r->form == ROWS_EXTENDED)
        return number_list_write_extended(x, count, r->precision, out);
    return number_list_write(x, count, r->precision, out);
}

static char *write_row(const struct tensor_rows *r, size_t row, char *out)
{
    const struct row_numbers *n = &r->numbers;
    if (n->stride == 1)
        return write_dense(r, number_at(n->data, row * r->width), r->width, out);

    for (size_t at = 0; at < r->width; at += GATHERED) {
        float numbers[GATHERED];
        size_t count = r->width - at < GATHERED ? r->width - at : GATHERED;
        collect(n->data, n->stride, row * r->width + at, count, numbers);
        if (at > 0)
            *out++ = ',';
        out = write_dense(r, numbers, count, out);
    }
    return out;
}

static char *write_nested(const struct tensor_rows *r, size_t from, size_t to,
                          char *out)
{
    for (size_t row = from; row < to; row++) {
        out = write_separator(&r->numbers, row, out);
        out = write_row(r, row, out);
    }
    return to == r->rows ? write_repeated(']', r->numbers.rank, out) : out;
}

/* Collects numbers [from, from + count) of all arrays taken as one. */
static void collect_across(const struct tensor_rows *r, size_t from, size_t count,
                           char *out)
{
    size_t each = row_numbers_count(&r->numbers);
    while (count > 0) {
        size_t within = from % each, most = each - within;
        size_t taken = count < most ? count : most;
        collect(r->array[from / each], r->numbers.stride, within, taken, out);
        from += taken;
        out += taken * NUMBER_BYTES;
        count -= taken;
    }
}

/* How many numbers from `from` on stand side by side and end with a triple, or with
 * the last of all. */
static size_t count_in_place(const struct tensor_rows *r, size_t from, size_t count)
{
    if (r->numbers.stride != 1)
        return 0;
    size_t each = row_numbers_count(&r->numbers), left = each - from % each;
    return left < count ? left - left % TRIPLE : count;
}

static char *write_base64(const struct tensor_rows *r, size_t from, size_t to,
                          char *out)
{
    const size_t each = row_numbers_count(&r->numbers), total = r->arrays * each;
    size_t end = to * TRIPLE < total ? to * TRIPLE : total;
    for (size_t at = from * TRIPLE, count; at < end; at += count) {
        char gathered[GATHERED * NUMBER_BYTES];
        const void *numbers = number_at(r->array[at / each], at % each);
        count = count_in_place(r, at, end - at);
        if (count == 0) {
            count = end - at < GATHERED ? end - at : GATHERED;
            collect_across(r, at, count, gathered);
            numbers = gathered;
        }
        out += base64_encode(numbers, count * NUMBER_BYTES, out);
    }
    return out;
}

char *tensor_rows_write(const struct tensor_rows *r, size_t from, size_t to, char *out)
{
    return r->form == ROWS_BASE64 ? write_base64(r, from, to, out)
                                  : write_nested(r, from, to, out);
}
