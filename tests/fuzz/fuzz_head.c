/* Any bytes as the head of a request: the first line its target, each further one a
 * field. Whatever is let through can be read in one way only. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/accept.h"
#include "http/request_head.h"
#include "http/request_id.h"
#include "http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void check_refusal(const struct error *e)
{
    assert(e->code == ERROR_BAD_REQUEST || e->code == ERROR_NOT_IMPLEMENTED ||
           e->code == ERROR_TOO_LARGE || e->code == ERROR_NOT_FOUND);
    for (const char *c = e->message; *c; c++)
        assert(*c >= ' ' && *c <= '~');
}

static void read_target(const char *raw)
{
    struct target t;
    struct error e = {0};
    if (!target_parse(raw, &t, &e)) {
        check_refusal(&e);
        return;
    }
    const size_t length = strlen(raw), path = strspn(raw, ALPHABET "-._~/");
    assert(length <= TARGET_LIMIT && raw[0] == '/');
    assert(t.path == raw && t.path_length == path);
    assert(raw[path] == '\0' ? t.query[0] == '\0'
                             : raw[path] == '?' && t.query == raw + path + 1);
    for (const char *c = t.query; *c; c++)
        assert(*c > ' ' && *c <= '~');
}

static void check_framing(const struct request_head *h, bool http_1_0)
{
    enum body_kind kind;
    uint64_t length;
    struct error e = {0};
    if (!request_head_framing(h, http_1_0, &kind, &length, &e)) {
        check_refusal(&e);
        return;
    }
    assert(!h->malformed && h->hosts <= 1 && h->lengths + h->codings <= 1);
    assert((kind == BODY_CHUNKED) == (h->codings == 1));
    assert((kind == BODY_OF_LENGTH) == (h->lengths == 1));
    assert(kind != BODY_CHUNKED || !http_1_0);
    if (kind == BODY_OF_LENGTH) {
        char *end;
        errno = 0;
        assert(strspn(h->content_length, "0123456789") == strlen(h->content_length));
        assert(strtoull(h->content_length, &end, 10) == length && errno == 0);
        assert(*end == '\0' && end > h->content_length);
    }
}

static void read_values(const struct request_head *h)
{
    static const char *const offers[] = {"application/json", "text/plain",
                                         "application/openmetrics-text"};
    assert(accept_choose(h->accepts, h->accept_count, offers, 3) <= 3);
    if (h->content_type)
        (void)content_type_is_json(h->content_type);
    if (h->request_id && request_id_valid(h->request_id))
        assert(strlen(h->request_id) < REQUEST_ID_BYTES &&
               strspn(h->request_id, ALPHABET "._:-") == strlen(h->request_id));
    char trace[TRACE_ID_BYTES];
    if (h->traceparent && traceparent_read(h->traceparent, trace))
        assert(strspn(trace, "0123456789abcdef") == 32 && strspn(trace, "0") < 32);
}

/* Moves *at behind the line that begins there, which ends with a zero from now on. */
static char *next_line(char **at, char *end, size_t *length)
{
    char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
    stop = stop ? stop : end;
    *length = (size_t)(stop - line);
    *at = stop < end ? stop + 1 : end;
    *stop = '\0';
    return line;
}

static void add_field(struct request_head *h, char *line, size_t length)
{
    char *colon = memchr(line, ':', length);
    if (!colon) {
        request_head_add(h, line, length, NULL, 0);
        return;
    }
    char *value = colon + 1 + (colon[1] == ' ');
    *colon = '\0';
    request_head_add(h, line, (size_t)(colon - line), value,
                     (size_t)(line + length - value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *at = text;
    assert(text);
    memcpy(text, data, size);
    text[size] = '\0';

    size_t length;
    struct request_head head = {0};
    const char *target = next_line(&at, text + size, &length);
    const bool http_1_0 = length > 0 && target[length - 1] == '0';
    read_target(target);
    while (at < text + size) {
        char *line = next_line(&at, text + size, &length);
        add_field(&head, line, length);
    }
    check_framing(&head, http_1_0);
    read_values(&head);
    free(text);
    return 0;
}
