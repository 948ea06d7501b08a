/* operator_json.h - a request as the JSON text of a client, and its answer read back:
 * with jansson and a base64 of its own, nothing of src/codec. */
#ifndef TESTS_PROPERTY_OPERATOR_JSON_H
#define TESTS_PROPERTY_OPERATOR_JSON_H

#include "base/arena.h"
#include "core/multi_head.h"
#include "support/test.h"

/* How a request is written, and how it asks for the answer. */
struct operator_form {
    unsigned packed_percent; /* of the tensors sent as base64, the rest are nested */
    bool packed_answer;
    unsigned precision; /* significant digits of the answer; 0: shortest */
};

/* The text, the caller's to free(). */
char *operator_json_write(const struct attention_input *in,
                          const struct operator_form *form, struct test_random *r);

/* What an answer's text says, as a result: its arrays in `arena`, its sizes those of
 * `like`, to which the shapes in the text must conform, or the test fails, naming
 * `what`. The text does not say how many rows a head's figures come from; that is then
 * NaN. `past` keys came from before. */
struct multi_head_result operator_json_read(const char *text, size_t length,
                                            const struct multi_head_result *like,
                                            size_t past, const char *what,
                                            struct arena *arena);

#endif
