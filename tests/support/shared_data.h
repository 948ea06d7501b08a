/* shared_data.h - real data beside the checkout, in ../shared or where the variable
 * ATTENTIOND_SHARED says. It is not part of the project, so its tests can be
 * skipped. */
#ifndef TESTS_SUPPORT_SHARED_DATA_H
#define TESTS_SUPPORT_SHARED_DATA_H

#include <jansson.h>
#include <stddef.h>

/* The bytes of a file there, the caller's to free(); NULL, having printed "skipped",
 * when it is not there. */
char *shared_file(const char *name, size_t *length);

/* The same, parsed; the caller's to json_decref(). Not JSON: the test fails. */
json_t *shared_json(const char *name);

/* All numbers of nested arrays in reading order, the caller's to free(). Strings are
 * "Infinity", "-Infinity" and "NaN". */
float *shared_numbers(const json_t *nested, size_t *count);

#endif
