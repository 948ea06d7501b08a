#include "codec/exposition.h"

#include "support/test.h"

static char *taken(struct buffer *out)
{
    size_t length;
    char *text = buffer_take(out, &length);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* One family with one value, as both formats write it. */
static void check_value(enum metrics_kind kind, const struct metrics_label *labels,
                        size_t label_count, double value, const char *prometheus,
                        const char *openmetrics)
{
    const char *const want[] = {
        [METRICS_PROMETHEUS] = prometheus, [METRICS_OPENMETRICS] = openmetrics};
    for (int format = METRICS_PROMETHEUS; format <= METRICS_OPENMETRICS; format++) {
        struct buffer out;
        buffer_init(&out, 4096);
        struct exposition x = {.out = &out, .format = (enum metrics_format)format};
        exposition_family(&x, kind, "a", "What it is.");
        exposition_value(&x, labels, label_count, value);
        exposition_end(&x);
        char *text = taken(&out);
        ck_assert_str_eq(text, want[format]);
        free(text);
    }
}

START_TEST(a_counter_ends_in_total)
{
    check_value(METRICS_COUNTER, NULL, 0, 3,
                "# HELP a_total What it is.\n# TYPE a_total counter\na_total 3\n",
                "# HELP a What it is.\n# TYPE a counter\na_total 3\n# EOF\n");
}
END_TEST

START_TEST(a_gauge_is_the_same_in_both_formats)
{
    check_value(METRICS_GAUGE, NULL, 0, -0.5,
                "# HELP a What it is.\n# TYPE a gauge\na -0.5\n",
                "# HELP a What it is.\n# TYPE a gauge\na -0.5\n# EOF\n");
}
END_TEST

START_TEST(an_info_is_a_gauge_where_there_are_no_infos)
{
    struct metrics_label label = {"v", "1"};
    check_value(METRICS_INFO, &label, 1, 1,
                "# HELP a_info What it is.\n# TYPE a_info gauge\na_info{v=\"1\"} 1\n",
                "# HELP a What it is.\n# TYPE a info\na_info{v=\"1\"} 1\n# EOF\n");
}
END_TEST

START_TEST(label_values_are_escaped)
{
    struct metrics_label labels[] = {{"x", "a\"b\\c\nd"}, {"y", "\xC3\xA4"}};
    check_value(METRICS_GAUGE, labels, 2, 1,
                "# HELP a What it is.\n# TYPE a gauge\n"
                "a{x=\"a\\\"b\\\\c\\nd\",y=\"\xC3\xA4\"} 1\n",
                "# HELP a What it is.\n# TYPE a gauge\n"
                "a{x=\"a\\\"b\\\\c\\nd\",y=\"\xC3\xA4\"} 1\n# EOF\n");
}
END_TEST

START_TEST(numbers_are_written_as_the_formats_want_them)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1e15, "1e+15"},
        {123456789012345, "123456789012345"},
        {0.1, "0.1"},
        {(double)INFINITY, "+Inf"},
        {-(double)INFINITY, "-Inf"},
        {(double)NAN, "NaN"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer out;
        buffer_init(&out, 4096);
        struct exposition x = {.out = &out, .kind = METRICS_GAUGE, .name = "a"};
        exposition_value(&x, NULL, 0, rows[i].value);
        char *text = taken(&out);
        ck_assert_uint_eq(strcspn(text, "\n"), strlen(text) - 1);
        text[strlen(text) - 1] = '\0';
        ck_assert_str_eq(text + 2, rows[i].text);
        free(text);
    }
}
END_TEST

static char *write_histogram(enum metrics_format format,
                             const struct metrics_label *label,
                             const struct metrics_exemplar *exemplars)
{
    static const double bounds[] = {5e-05, 0.25, 1, 1024};
    static const uint64_t counts[] = {1, 0, 2, 3, 4};
    struct metrics_histogram h = {.bounds = bounds,
                                  .bound_count = 4,
                                  .counts = counts,
                                  .sum = 1.5,
                                  .exemplars = exemplars};
    struct buffer out;
    buffer_init(&out, 4096);
    struct exposition x = {.out = &out, .format = format};
    exposition_family(&x, METRICS_HISTOGRAM, "a", "What it is.");
    exposition_histogram(&x, label, label ? 1 : 0, &h);
    return taken(&out);
}

START_TEST(a_histogram_is_cumulative)
{
    char *text = write_histogram(METRICS_PROMETHEUS, NULL, NULL);
    ck_assert_str_eq(text, "# HELP a What it is.\n# TYPE a histogram\n"
                           "a_bucket{le=\"5e-05\"} 1\n"
                           "a_bucket{le=\"0.25\"} 1\n"
                           "a_bucket{le=\"1\"} 3\n"
                           "a_bucket{le=\"1024\"} 6\n"
                           "a_bucket{le=\"+Inf\"} 10\n"
                           "a_sum 1.5\n"
                           "a_count 10\n");
    free(text);
}
END_TEST

START_TEST(open_metrics_has_floats_as_bounds_and_exemplars)
{
    struct metrics_exemplar exemplars[5] = {
        [2] = {"0af7651916cd43dd8448eb211c80319c", 0.75, 1700000000.25}};
    char *text = write_histogram(METRICS_OPENMETRICS,
                                 &(struct metrics_label){"route", "/v1"}, exemplars);
    ck_assert_str_eq(
        text, "# HELP a What it is.\n# TYPE a histogram\n"
              "a_bucket{route=\"/v1\",le=\"5e-05\"} 1\n"
              "a_bucket{route=\"/v1\",le=\"0.25\"} 1\n"
              "a_bucket{route=\"/v1\",le=\"1.0\"} 3"
              " # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.75 1700000000.250\n"
              "a_bucket{route=\"/v1\",le=\"1024.0\"} 6\n"
              "a_bucket{route=\"/v1\",le=\"+Inf\"} 10\n"
              "a_sum{route=\"/v1\"} 1.5\n"
              "a_count{route=\"/v1\"} 10\n");
    free(text);
}
END_TEST

START_TEST(prometheus_text_has_no_exemplars)
{
    struct metrics_exemplar exemplars[5] = {
        [2] = {"0af7651916cd43dd8448eb211c80319c", 0.75, 1700000000.25}};
    char *text = write_histogram(METRICS_PROMETHEUS, NULL, exemplars);
    ck_assert_ptr_null(strstr(text, "trace_id"));
    free(text);
}
END_TEST

TEST_PROGRAM("exposition", a_counter_ends_in_total, a_gauge_is_the_same_in_both_formats,
             an_info_is_a_gauge_where_there_are_no_infos, label_values_are_escaped,
             numbers_are_written_as_the_formats_want_them, a_histogram_is_cumulative,
             open_metrics_has_floats_as_bounds_and_exemplars,
             prometheus_text_has_no_exemplars)
