/* settings.h - how many requests the property tests draw, and which.
 *
 * ATTENTIOND_PROPERTY_CASES draws more, ATTENTIOND_PROPERTY_SEED others; what fails
 * names the seed and the case that repeat it, and with ATTENTIOND_PROPERTY_CASE the
 * program "operator" computes that one alone and prints its request. */
#ifndef TESTS_PROPERTY_SETTINGS_H
#define TESTS_PROPERTY_SETTINGS_H

#include "core/attention_input.h"
#include "support/test.h"

static const struct attention_limits property_limits = {.max_batch = 16,
                                                        .max_tokens = 256,
                                                        .max_width = 4096,
                                                        .max_heads = 16,
                                                        .max_map_numbers = 16 << 20,
                                                        .answer_limit = 1 << 28};

static inline size_t property_setting(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

/* The stream of one case, which no other case shares. */
static inline struct test_random property_random(size_t seed, size_t number)
{
    return (struct test_random){(seed << 32 | number) * 0x9E3779B97F4A7C15 + 1};
}

#endif
