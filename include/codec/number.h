/* number.h - JSON numbers to float32 and back, exact in both directions. */
#ifndef CODEC_NUMBER_H
#define CODEC_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    NUMBER_MAX_DIGITS = 9,  /* significant digits that tell any two float32 apart */
    NUMBER_MAX_BYTES = 15,  /* longest text number_write() makes: -1.17549435e-38 */
    NUMBER_MAX_TOKEN = 1024 /* longest number text that is read */
};

enum number_status {
    NUMBER_OK,
    NUMBER_MALFORMED,
    NUMBER_TOO_LONG,
    NUMBER_OUT_OF_RANGE,
    NUMBER_NOT_WHOLE
};

/* All whole numbers up to it are float64, so every client can say them exactly. */
#define NUMBER_MOST_WHOLE ((uint64_t)1 << 53)

/* Reads one number of RFC 8259 grammar from [*at, end) and moves *at behind
 * it (on failure: to the byte that is wrong, or the number's first byte when
 * it is out of range or too long). Correctly rounded to nearest, ties to even; the sign
 * of -0 and denormals are kept; underflow gives 0 or a denormal; what would round to
 * infinity is NUMBER_OUT_OF_RANGE. Independent of the locale. */
enum number_status number_read_float(const char **at, const char *end, float *out);
enum number_status number_read_double(const char **at, const char *end, double *out);

/* Reads a number of the same grammar, exactly: "1e3", "2.50e1" and "-0" are whole,
 * "1e-400" and what is negative is NUMBER_NOT_WHOLE, more than NUMBER_MOST_WHOLE
 * is NUMBER_OUT_OF_RANGE. *at is then behind it, too. */
enum number_status number_read_whole(const char **at, const char *end, uint64_t *out);

/* Walks over a number of any size; never NUMBER_OUT_OF_RANGE. */
enum number_status number_skip(const char **at, const char *end);

/* Writes the shortest text that reads back as the same float32 (of those the
 * nearest to it); finite values only. `out` has room for NUMBER_MAX_BYTES, all of
 * which may be written to; the length is returned. No terminating zero. Plain
 * from 1e-4 up to below 1e9 ("0.00025", "1234567.5"), else with an exponent
 * ("2.5e-7", "1e10"); -0 is "-0". */
size_t number_write(float value, char *out);

/* The same with at most `digits` (1 to 9) significant digits, correctly rounded
 * (ties to even), trailing zeros dropped. */
size_t number_write_digits(float value, unsigned digits, char *out);

#endif
