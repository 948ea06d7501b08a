#include "http/request_head.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool named(const char *name, size_t length, const char *known,
                  size_t known_length)
{
    return length == known_length && strncasecmp(name, known, length) == 0;
}
#define NAMED(known) named(name, name_length, known, sizeof(known) - 1)

void request_head_add(struct request_head *head, const char *name, size_t name_length,
                      const char *value)
{
    if (!value) /* how the library says "nothing behind the colon" */
        value = "";
    if (NAMED("Host")) {
        head->host = value;
    } else if (NAMED("Content-Length")) {
        head->content_length = value;
    } else if (NAMED("Transfer-Encoding")) {
        head->transfer_encoding = value;
    } else if (NAMED("Content-Type")) {
        head->content_type = value;
    } else if (NAMED("Content-Encoding")) {
        head->content_encoding = value;
    } else if (NAMED("Authorization")) {
        head->authorization = value;
        head->authorizations++;
    } else if (NAMED("Origin")) {
        head->origin = value;
        head->origins++;
    } else if (NAMED("Expect")) {
        head->expect = value;
    } else if (NAMED("X-Request-Id")) {
        head->request_id = value;
    } else if (NAMED("traceparent")) {
        head->traceparent = value;
    } else if (NAMED("Accept") && head->accept_count < HEAD_ACCEPTS) {
        head->accepts[head->accept_count++] = value;
    }
}

bool request_head_is(const char *value, const char *word)
{
    size_t length = strlen(word);
    return strncasecmp(value, word, length) == 0 &&
           value[length + strspn(value + length, " \t")] == '\0';
}

enum body_kind request_head_framing(const struct request_head *head, uint64_t *length)
{
    *length = 0;
    if (head->transfer_encoding)
        return BODY_CHUNKED;
    if (!head->content_length)
        return BODY_NONE;
    *length = strtoull(head->content_length, NULL, 10);
    return BODY_OF_LENGTH;
}
