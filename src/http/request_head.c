#include "http/request_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_token_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool request_head_is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_token_byte(text[i]))
            return false;
    return length > 0;
}

static bool has_control_byte(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return true;
    return false;
}

static bool named(const char *name, size_t length, const char *known,
                  size_t known_length)
{
    return length == known_length && strncasecmp(name, known, length) == 0;
}
#define NAMED(known) named(name, name_length, known, sizeof(known) - 1)

void request_head_add(struct request_head *head, const char *name, size_t name_length,
                      const char *value, size_t value_length)
{
    if (!value) { /* how the library says "nothing behind the colon" */
        value = "";
        value_length = 0;
    }
    head->fields++;
    if (!request_head_is_token(name, name_length) ||
        has_control_byte(value, value_length)) {
        head->malformed = true;
        return;
    }
    if (NAMED("Host")) {
        head->host = value;
        head->hosts++;
    } else if (NAMED("Content-Length")) {
        head->content_length = value;
        head->lengths++;
    } else if (NAMED("Transfer-Encoding")) {
        head->transfer_encoding = value;
        head->codings++;
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

static bool host_is_clean(const char *host)
{
    for (; *host; host++)
        if (!((*host >= 'a' && *host <= 'z') || (*host >= 'A' && *host <= 'Z') ||
              (*host >= '0' && *host <= '9') || strchr("-._~:[]", *host)))
            return false;
    return true;
}

/* A list of codings we do not have is 501; what is no list at all is an attempt to
 * be read in two ways. */
static bool refuse_coding(const char *coding, struct error *e)
{
    size_t length = strlen(coding);
    bool list = length > 0 && coding[0] != ',' && coding[length - 1] != ',';
    for (size_t i = 0; i < length; i++)
        list =
            list && (is_token_byte(coding[i]) || coding[i] == ',' || coding[i] == ' ');
    if (list)
        return error_set(e, ERROR_NOT_IMPLEMENTED, "",
                         "the only transfer coding known is chunked");
    return error_set(e, ERROR_BAD_REQUEST, "", "the Transfer-Encoding is malformed");
}

static bool read_length(const char *text, uint64_t *length, struct error *e)
{
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return error_set(e, ERROR_BAD_REQUEST, "",
                         "the Content-Length is not a number");
    *length = 0;
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*length > (UINT64_MAX - digit) / 10)
            return error_set(e, ERROR_TOO_LARGE, "",
                             "the Content-Length does not fit 64 bits");
        *length = *length * 10 + digit;
    }
    return true;
}

static bool fields_are_sound(const struct request_head *head, bool http_1_0,
                             struct error *e)
{
    if (head->malformed)
        return error_set(e, ERROR_BAD_REQUEST, "",
                         "the method or a header field is malformed");
    if (head->hosts > 1 || head->lengths > 1 || head->codings > 1)
        return error_set(
            e, ERROR_BAD_REQUEST, "",
            "Host, Content-Length and Transfer-Encoding may not be repeated");
    if (head->host && !host_is_clean(head->host))
        return error_set(e, ERROR_BAD_REQUEST, "", "the Host is malformed");
    if (head->codings && (head->lengths || http_1_0))
        return error_set(e, ERROR_BAD_REQUEST, "",
                         "a Transfer-Encoding cannot stand %s",
                         http_1_0 ? "in HTTP/1.0" : "beside a Content-Length");
    return true;
}

bool request_head_framing(const struct request_head *head, bool http_1_0,
                          enum body_kind *kind, uint64_t *length, struct error *e)
{
    *kind = BODY_NONE;
    *length = 0;
    if (!fields_are_sound(head, http_1_0, e))
        return false;
    if (head->transfer_encoding) {
        *kind = BODY_CHUNKED;
        return strcasecmp(head->transfer_encoding, "chunked") == 0 ||
               refuse_coding(head->transfer_encoding, e);
    }
    if (head->content_length) {
        *kind = BODY_OF_LENGTH;
        return read_length(head->content_length, length, e);
    }
    return true;
}
