#include "codec/statistics_rows.h"

#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/number_list.h"

static const struct {
    const char *name;
    size_t offset;
} figures[] = {
    {"entropy", offsetof(struct head_statistics, entropy)},
    {"maximum", offsetof(struct head_statistics, maximum)},
    {"distance", offsetof(struct head_statistics, distance)},
    {"first", offsetof(struct head_statistics, first)},
    {"own", offsetof(struct head_statistics, own)},
    {"previous", offsetof(struct head_statistics, previous)},
    {"next", offsetof(struct head_statistics, next)},
};

enum {
    FIGURES = sizeof figures / sizeof *figures,
    FIGURE_BYTES = sizeof "{\"distance\":" + NUMBER_LIST_EACH,
    RECEIVED_BYTES = 128 /* the text around what each key received, and brackets */
};

size_t statistics_rows_bound(const struct statistics_rows *r)
{
    size_t received = r->base64 ? base64_length(r->keys * sizeof *r->received)
                                : r->keys * NUMBER_LIST_EACH;
    return FIGURES * FIGURE_BYTES + RECEIVED_BYTES + received;
}

static char *write_received(const struct statistics_rows *r, const float *received,
                            char *out)
{
    out = stpcpy(out, ",\"received\":");
    if (r->base64) {
        out += sprintf(out, "{\"dtype\":\"f32\",\"shape\":[%zu],\"data\":\"", r->keys);
        out += base64_encode(received, r->keys * sizeof *received, out);
        return stpcpy(out, "\"}");
    }
    *out++ = '[';
    out = number_list_write(received, r->keys, r->precision, out);
    *out++ = ']';
    return out;
}

static char *write_head(const struct statistics_rows *r, size_t head, char *out)
{
    const char *statistics = (const char *)&r->head[head];
    for (size_t i = 0; i < FIGURES; i++) {
        double exact;
        memcpy(&exact, statistics + figures[i].offset, sizeof exact);
        const float value = (float)exact;
        *out++ = i > 0 ? ',' : '{';
        *out++ = '"';
        out = stpcpy(out, figures[i].name);
        out = stpcpy(out, "\":");
        out = number_list_write(&value, 1, r->precision, out);
    }
    out = write_received(r, r->received + head * r->keys, out);
    *out++ = '}';
    return out;
}

char *statistics_rows_write(const struct statistics_rows *r, size_t from, size_t to,
                            char *out)
{
    for (size_t head = from; head < to; head++) {
        *out++ = head > 0 ? ',' : '[';
        out = write_head(r, head, out);
    }
    if (to == r->heads)
        *out++ = ']';
    return out;
}
