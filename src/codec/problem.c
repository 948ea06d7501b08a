#include "codec/problem.h"

#include <stdio.h>

#include "codec/json_document.h"

/* The messages of our own mistakes are for the log. */
static const char *detail_of(const struct error *error)
{
    if (error->code == ERROR_INTERNAL)
        return "this is a bug; the instance names the request in the log";
    return error->message[0] ? error->message : error_title(error->code);
}

static bool has_pointer(const struct error *error)
{
    return error->code == ERROR_INVALID_INPUT ||
           (error->code == ERROR_TOO_LARGE && error->path[0]);
}

static json_t *errors_of(const struct error *error)
{
    return json_pack("[{s:o, s:o}]", "pointer", json_document_text(error->path),
                     "detail", json_document_text(detail_of(error)));
}

void problem_write(const struct error *error, unsigned status, const char *instance,
                   struct buffer *out)
{
    char type[80];
    snprintf(type, sizeof type, "urn:attentiond:problem:%s", error_slug(error->code));

    /* One sentence has to do for clients that read no `errors`. */
    char detail[sizeof error->path + sizeof error->message + 2];
    bool pointed = has_pointer(error) && error->path[0];
    snprintf(detail, sizeof detail, "%s%s%s", pointed ? error->path : "",
             pointed ? ": " : "", detail_of(error));

    json_t *errors = has_pointer(error) ? errors_of(error) : NULL;
    json_t *problem =
        json_pack("{s:s, s:s, s:i, s:o, s:o, s:o*, s:o}", "type", type, "title",
                  error_title(error->code), "status", (int)status, "detail",
                  json_document_text(detail), "instance", json_document_text(instance),
                  "errors", errors, "error", json_document_text(detail));
    out->failed = out->failed || (has_pointer(error) && !errors); /* left out, then */
    json_document_write(problem, out);
}
