/* Any bytes as the head of a request: the first line its target, each further one a
 * field, as the guard lets them through. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/accept.h"
#include "http/request_head.h"
#include "http/request_id.h"
#include "http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void check_refusal(const struct error *e)
{
    assert(e->code == ERROR_BAD_REQUEST || e->code == ERROR_NOT_IMPLEMENTED);
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
    if (t.authority) {
        assert(strncasecmp(raw, "http", 4) == 0 && t.authority_length > 0);
        assert(strspn(t.authority, ALPHABET "-._~:[]") == t.authority_length);
        raw = t.authority + t.authority_length;
        if (*raw != '/') {
            assert(t.path_length == 1 && *t.path == '/');
            assert(*raw == '?' ? t.query == raw + 1 : !*raw && !*t.query);
            return;
        }
    }
    const size_t length = strlen(raw), path = strspn(raw, ALPHABET "-._~/");
    if (strcmp(raw, "*") == 0) {
        assert(t.path_length == 1 && t.query[0] == '\0');
        return;
    }
    assert(length > 0 && raw[0] == '/');
    assert(t.path == raw && t.path_length == path);
    assert(raw[path] == '\0' ? t.query[0] == '\0'
                             : raw[path] == '?' && t.query == raw + path + 1);
    for (const char *c = t.query; *c; c++)
        assert(*c > ' ' && *c <= '~');
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
        request_head_add(h, line, length, NULL);
        return;
    }
    char *value = colon + 1 + (colon[1] == ' ');
    *colon = '\0';
    request_head_add(h, line, (size_t)(colon - line), value);
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
    read_target(target);
    while (at < text + size) {
        char *line = next_line(&at, text + size, &length);
        add_field(&head, line, length);
    }
    read_values(&head);
    uint64_t body;
    enum body_kind kind = request_head_framing(&head, &body);
    assert((kind == BODY_CHUNKED) == (head.transfer_encoding != NULL));
    assert(kind == BODY_OF_LENGTH || body == 0);
    free(text);
    return 0;
}
