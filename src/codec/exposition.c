#include "codec/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void exposition_family(struct exposition *x, enum metrics_kind kind, const char *name,
                       const char *help)
{
    static const char *const types[] = {"counter", "gauge", "info", "histogram"};
    x->kind = kind;
    x->name = name;

    bool modern = x->format == METRICS_OPENMETRICS;
    const char *type = kind == METRICS_INFO && !modern ? "gauge" : types[kind];
    const char *ending = modern                    ? ""
                         : kind == METRICS_COUNTER ? "_total"
                         : kind == METRICS_INFO    ? "_info"
                                                   : "";
    buffer_printf(x->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, ending, help, name,
                  ending, type);
}

static void write_escaped(struct buffer *out, const char *text)
{
    for (; *text; text++)
        if (*text == '\n')
            buffer_text(out, "\\n");
        else if (*text == '"' || *text == '\\')
            buffer_append(out, (char[]){'\\', *text}, 2);
        else
            buffer_append(out, text, 1);
}

/* {a="b",c="d",le="1"}; `le` NULL: none. */
static void write_labels(struct buffer *out, const struct metrics_label *labels,
                         size_t count, const char *le)
{
    if (count == 0 && !le)
        return;
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "%c%s=\"", i ? ',' : '{', labels[i].name);
        write_escaped(out, labels[i].value);
        buffer_text(out, "\"");
    }
    if (le)
        buffer_printf(out, "%cle=\"%s\"", count ? ',' : '{', le);
    buffer_text(out, "}");
}

static void write_number(struct buffer *out, double value)
{
    if (isnan(value))
        buffer_text(out, "NaN");
    else if (isinf(value))
        buffer_text(out, value > 0 ? "+Inf" : "-Inf");
    else
        buffer_printf(out, "%.15g", value);
}

void exposition_value(const struct exposition *x, const struct metrics_label *labels,
                      size_t label_count, double value)
{
    buffer_text(x->out, x->name);
    if (x->kind == METRICS_COUNTER)
        buffer_text(x->out, "_total");
    if (x->kind == METRICS_INFO)
        buffer_text(x->out, "_info");
    write_labels(x->out, labels, label_count, NULL);
    buffer_text(x->out, " ");
    write_number(x->out, value);
    buffer_text(x->out, "\n");
}

/* A bound is part of a series' name: OpenMetrics wants "1.0", the older "1". */
static void format_bound(const struct exposition *x, double bound, char text[32])
{
    snprintf(text, 32, "%.10g", bound);
    if (x->format == METRICS_OPENMETRICS && !strpbrk(text, ".e"))
        strncat(text, ".0", 3);
}

static void write_exemplar(const struct exposition *x, const struct metrics_exemplar *e)
{
    if (x->format != METRICS_OPENMETRICS || !e->trace_id[0])
        return;
    buffer_text(x->out, " # ");
    write_labels(x->out, &(struct metrics_label){"trace_id", e->trace_id}, 1, NULL);
    buffer_printf(x->out, " %.9g %.3f", e->value, e->unix_seconds);
}

void exposition_histogram(const struct exposition *x,
                          const struct metrics_label *labels, size_t label_count,
                          const struct metrics_histogram *h)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= h->bound_count; i++) {
        char bound[32] = "+Inf";
        if (i < h->bound_count)
            format_bound(x, h->bounds[i], bound);
        count += h->counts[i];
        buffer_printf(x->out, "%s_bucket", x->name);
        write_labels(x->out, labels, label_count, bound);
        buffer_printf(x->out, " %" PRIu64, count);
        if (h->exemplars)
            write_exemplar(x, &h->exemplars[i]);
        buffer_text(x->out, "\n");
    }

    buffer_printf(x->out, "%s_sum", x->name);
    write_labels(x->out, labels, label_count, NULL);
    buffer_text(x->out, " ");
    write_number(x->out, h->sum);
    buffer_printf(x->out, "\n%s_count", x->name);
    write_labels(x->out, labels, label_count, NULL);
    buffer_printf(x->out, " %" PRIu64 "\n", count);
}

void exposition_end(const struct exposition *x)
{
    if (x->format == METRICS_OPENMETRICS)
        buffer_text(x->out, "# EOF\n");
}
