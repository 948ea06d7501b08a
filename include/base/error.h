/* error.h - what went wrong, where in the request, and how to say it. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* One line per kind of failure: enumerator, the last word of its problem type
 * (urn:attentiond:problem:<slug>), and its title. Status numbers are http's. */
#define ERROR_CODES(X)                                                                \
    X(ERROR_INVALID_JSON, "invalid-json", "The body is not valid JSON")               \
    X(ERROR_EMPTY_BODY, "empty-body", "The body is empty")                            \
    X(ERROR_INVALID_INPUT, "invalid-input", "The request is not valid")               \
    X(ERROR_BAD_REQUEST, "bad-request", "The request is malformed")                   \
    X(ERROR_UNAUTHORIZED, "unauthorized", "A key is needed")                          \
    X(ERROR_FORBIDDEN, "forbidden", "The key does not allow this")                    \
    X(ERROR_NOT_FOUND, "not-found", "There is nothing here")                          \
    X(ERROR_METHOD, "method-not-allowed", "The method is not allowed here")           \
    X(ERROR_NOT_ACCEPTABLE, "not-acceptable", "No acceptable answer type")            \
    X(ERROR_REQUEST_TIMEOUT, "request-timeout", "The request came too slowly")        \
    X(ERROR_LENGTH_REQUIRED, "length-required", "The length of the body is missing")  \
    X(ERROR_TOO_LARGE, "too-large", "The request is over a limit")                    \
    X(ERROR_MEDIA_TYPE, "unsupported-media-type", "The body's type is not supported") \
    X(ERROR_EXPECTATION, "expectation-failed", "The expectation cannot be met")       \
    X(ERROR_RATE_LIMITED, "rate-limited", "Too many at once from one key")            \
    X(ERROR_INTERNAL, "internal", "Something went wrong on our side")                 \
    X(ERROR_NOT_IMPLEMENTED, "not-implemented", "The method or coding is not known")  \
    X(ERROR_OVERLOADED, "overloaded", "Too much to do just now")                      \
    X(ERROR_SHUTTING_DOWN, "shutting-down", "The service is shutting down")           \
    X(ERROR_NOT_READY, "not-ready", "The service is not ready")                       \
    X(ERROR_OUT_OF_MEMORY, "out-of-memory", "The memory set aside is spent")          \
    X(ERROR_DEADLINE, "deadline-exceeded", "The deadline has passed")                 \
    X(ERROR_CANCELLED, "cancelled", "The client has left")

enum error_code {
    ERROR_NONE = 0,
#define X(code, slug, title) code,
    ERROR_CODES(X)
#undef X
};

/* Zero-initialise: `struct error e = {0};`. */
struct error {
    enum error_code code;
    char path[256]; /* JSON Pointer (RFC 6901), e.g. "/weights/wq/3"; "": the whole */
    char message[320]; /* one sentence for the client, without a full stop */
};

/* Records a failure and returns false, so that callers write
 * `return error_set(...)`. The first failure wins: it is the cause. */
bool error_set(struct error *e, enum error_code code, const char *path,
               const char *format, ...) PRINTF_LIKE(4, 5);

/* The stable name of `code`, e.g. "invalid-input"; "none" for ERROR_NONE. */
const char *error_slug(enum error_code code);

/* A short sentence that is the same for every failure of this kind. */
const char *error_title(enum error_code code);

#endif
