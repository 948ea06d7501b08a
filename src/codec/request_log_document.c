#include "codec/request_log_document.h"

#include <stdbool.h>
#include <stdio.h>

#include "codec/json_document.h"

enum { TIME_BYTES = 64 };

/* RFC 3339 in UTC, on the proleptic Gregorian calendar: counted in eras of 400
 * years that begin on 1 March, so that the leap day is the last of its year. */
static void time_write(int64_t unix_ms, char out[TIME_BYTES])
{
    const int64_t day_ms = 86400000, era_days = 146097, days_before_1970 = 719468;
    int64_t ms = unix_ms < 0 ? 0 : unix_ms;
    int64_t day = ms / day_ms + days_before_1970, era = day / era_days;
    int64_t of_era = day % era_days;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t march_month = (5 * of_year + 2) / 153; /* 0: March */
    int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;

    ms %= day_ms;
    snprintf(out, TIME_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
             (int)(era * 400 + year + (month <= 2)), (int)month,
             (int)(of_year - (153 * march_month + 2) / 5 + 1), (int)(ms / 3600000),
             (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

static int set_text(json_t *object, const char *name, const char *text)
{
    return text && text[0] ? json_object_set_new(object, name, json_document_text(text))
                           : 0;
}

static int set_count(json_t *object, const char *name, size_t count)
{
    return count ? json_object_set_new(object, name, json_integer((json_int_t)count))
                 : 0;
}

static int set_ms(json_t *object, const char *name, double milliseconds)
{
    return milliseconds >= 0
               ? json_object_set_new(object, name, json_document_ms(milliseconds))
               : 0;
}

static json_t *record_of(const struct request_record *r)
{
    char time[TIME_BYTES];
    time_write(r->unix_ms, time);

    json_t *o = json_object();
    bool bad =
        set_text(o, "id", r->id) || set_text(o, "trace_id", r->trace_id) ||
        set_text(o, "time", time) || set_text(o, "route", r->route) ||
        set_text(o, "method", r->method) || set_count(o, "status", r->status) ||
        set_text(o, "error", r->error) ||
        set_count(o, "request_bytes", r->request_bytes) ||
        set_count(o, "response_bytes", r->response_bytes) ||
        set_count(o, "batch", r->batch) || set_count(o, "tokens", r->tokens) ||
        set_count(o, "width", r->width) || set_count(o, "heads", r->heads) ||
        set_ms(o, "receive_ms", r->receive_ms) || set_ms(o, "parse_ms", r->parse_ms) ||
        set_ms(o, "queue_ms", r->queue_ms) || set_ms(o, "compute_ms", r->compute_ms) ||
        set_ms(o, "serialize_ms", r->serialize_ms) ||
        set_ms(o, "send_ms", r->send_ms) || set_ms(o, "total_ms", r->total_ms);
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

void request_log_document_write(const struct request_record *records, size_t count,
                                struct buffer *out)
{
    /* One tree at a time: those of all records would take much more than the text. */
    buffer_text(out, "{\"requests\":[");
    for (size_t i = 0; i < count && !out->failed; i++) {
        if (i > 0)
            buffer_text(out, ",");
        json_document_write(record_of(&records[i]), out);
    }
    buffer_text(out, "]}");
}
