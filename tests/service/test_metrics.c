#include "service/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "service/process.h"
#include "support/scarce.h"
#include "support/test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static const char *const routes[] = {"/v1/attention", "/metrics"};

static char *scrape(struct metrics *m, enum metrics_format format)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    metrics_write(m, format, &out);
    size_t length;
    char *text = buffer_take(&out, &length);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* The value of the series that stands in `text` as `series`; fails if there is none,
 * or two. */
static double value_in(const char *text, const char *series)
{
    char line[256];
    snprintf(line, sizeof line, "\n%s ", series);
    const char *at = strstr(text, line);
    ck_assert_msg(at != NULL, "%s is not there", series);
    ck_assert_msg(strstr(at + 1, line) == NULL, "%s is there twice", series);
    return atof(at + strlen(line));
}

static double value(struct metrics *m, const char *series)
{
    char *text = scrape(m, METRICS_PROMETHEUS);
    double found = value_in(text, series);
    free(text);
    return found;
}

START_TEST(every_series_is_there_from_the_start_at_0)
{
    static const char *const series[] = {
        "attentiond_requests_total{route=\"/v1/attention\",code=\"200\"}",
        "attentiond_requests_total{route=\"/metrics\",code=\"503\"}",
        "attentiond_requests_total{route=\"other\",code=\"404\"}",
        "attentiond_requests_total{route=\"other\",code=\"other\"}",
        "attentiond_request_duration_seconds_bucket{route=\"/metrics\",le=\"5e-05\"}",
        "attentiond_request_duration_seconds_bucket{route=\"/metrics\",le=\"30\"}",
        "attentiond_request_duration_seconds_bucket{route=\"/metrics\",le=\"+Inf\"}",
        "attentiond_request_duration_seconds_sum{route=\"other\"}",
        "attentiond_request_duration_seconds_count{route=\"other\"}",
        "attentiond_stage_duration_seconds_count{stage=\"receive\"}",
        "attentiond_stage_duration_seconds_count{stage=\"parse\"}",
        "attentiond_stage_duration_seconds_count{stage=\"queue\"}",
        "attentiond_stage_duration_seconds_count{stage=\"compute\"}",
        "attentiond_stage_duration_seconds_count{stage=\"serialize\"}",
        "attentiond_stage_duration_seconds_count{stage=\"send\"}",
        "attentiond_rejected_total{reason=\"overloaded\"}",
        "attentiond_rejected_total{reason=\"invalid-json\"}",
        "attentiond_cancelled_total{stage=\"queue\"}",
        "attentiond_queue_depth",
        "attentiond_queue_capacity",
        "attentiond_in_flight_requests",
        "attentiond_workers",
        "attentiond_workers_busy",
        "attentiond_worker_busy_seconds_total",
        "attentiond_sequences_total",
        "attentiond_tokens_total",
        "attentiond_compute_flops_total",
        "attentiond_sequence_length_tokens_bucket{le=\"8192\"}",
        "attentiond_batch_size_bucket{le=\"1\"}",
        "attentiond_request_body_bytes_bucket{le=\"64\"}",
        "attentiond_response_body_bytes_bucket{le=\"1073741824\"}",
        "attentiond_draining",
        "attentiond_connections",
        "attentiond_connections_cut_total",
    };
    struct metrics *m = metrics_new(routes, 2);
    char *text = scrape(m, METRICS_PROMETHEUS);
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        ck_assert_double_eq(value_in(text, series[i]), 0);
    free(text);
    metrics_delete(m);
}
END_TEST

START_TEST(what_was_built_is_told)
{
    struct metrics *m = metrics_new(routes, 2);
    metrics_build_info(m, "0.1.0", "OpenBLAS 0.3.21", "avx512");
    ck_assert_double_eq(value(m, "attentiond_build_info{version=\"0.1.0\","
                                 "blas=\"OpenBLAS 0.3.21\",simd=\"avx512\"}"),
                        1);
    metrics_delete(m);
}
END_TEST

START_TEST(a_request_is_counted_by_route_and_code_and_timed)
{
    struct metrics *m = metrics_new(routes, 2);
    metrics_request(m, 0, 200, 0.0005, NULL);
    metrics_request(m, 0, 200, 0.0006, "");
    metrics_request(m, 0, 422, 0.25, TRACE);
    metrics_request(m, 1, 200, 0, NULL);
    metrics_request(m, 2, 404, 100, NULL);
    metrics_request(m, 2, 299, 0, NULL);
    metrics_request(m, 77, 404, 0, NULL);

    char *text = scrape(m, METRICS_PROMETHEUS);
    static const struct {
        const char *series;
        double value;
    } rows[] = {
        {"attentiond_requests_total{route=\"/v1/attention\",code=\"200\"}", 2},
        {"attentiond_requests_total{route=\"/v1/attention\",code=\"422\"}", 1},
        {"attentiond_requests_total{route=\"/metrics\",code=\"200\"}", 1},
        {"attentiond_requests_total{route=\"other\",code=\"404\"}", 2},
        {"attentiond_requests_total{route=\"other\",code=\"other\"}", 1},
#define BUCKET(route, le) \
    "attentiond_request_duration_seconds_bucket{route=\"" route "\",le=\"" le "\"}"
        {BUCKET("/v1/attention", "0.00025"), 0},
        {BUCKET("/v1/attention", "0.0005"), 1}, /* bounds are inclusive */
        {BUCKET("/v1/attention", "0.001"), 2},
        {BUCKET("/v1/attention", "0.25"), 3},
        {BUCKET("/v1/attention", "+Inf"), 3},
        {BUCKET("/metrics", "5e-05"), 1},
        {BUCKET("other", "30"), 2},
        {BUCKET("other", "+Inf"), 3},
        {"attentiond_request_duration_seconds_sum{route=\"/v1/attention\"}", 0.2511},
        {"attentiond_request_duration_seconds_sum{route=\"other\"}", 100},
        {"attentiond_request_duration_seconds_count{route=\"other\"}", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_close(value_in(text, rows[i].series), rows[i].value, 1e-12, 0);
    free(text);
    metrics_delete(m);
}
END_TEST

START_TEST(the_buckets_are_those_of_the_contract)
{
    static const char *const seconds[] = {
        "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005",
        "0.01",  "0.025",  "0.05",    "0.1",    "0.25",  "0.5",    "1",
        "2.5",   "5",      "10",      "30",     "+Inf"};
    struct metrics *m = metrics_new(routes, 2);
    char *text = scrape(m, METRICS_PROMETHEUS);
    const char *at = text;
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        char want[128];
        static const char start[] = "\nattentiond_stage_duration_seconds_bucket{";
        snprintf(want, sizeof want, "%sstage=\"receive\",le=\"%s\"}", start,
                 seconds[i]);
        at = strstr(at, start);
        ck_assert_ptr_nonnull(at);
        ck_assert_msg(strncmp(at, want, strlen(want)) == 0, "%.80s", at);
        at++;
    }
    at = text;
    for (unsigned long long bound = 64; bound <= 1ULL << 30; bound *= 2) {
        char want[128];
        static const char start[] = "\nattentiond_request_body_bytes_bucket{";
        snprintf(want, sizeof want, "%sle=\"%llu\"}", start, bound);
        at = strstr(at, start);
        ck_assert_msg(at && strncmp(at, want, strlen(want)) == 0, "%llu", bound);
        at++;
    }
    free(text);
    metrics_delete(m);
}
END_TEST

START_TEST(stages_refusals_and_cancellations_have_their_own_label)
{
    struct metrics *m = metrics_new(routes, 2);
    for (int i = 0; i < STAGE_COUNT; i++)
        for (int times = 0; times <= i; times++) {
            metrics_stage(m, (enum metrics_stage)i, 0.5);
            metrics_cancelled(m, (enum metrics_stage)i);
        }
    metrics_rejected(m, ERROR_OVERLOADED);
    metrics_rejected(m, ERROR_INVALID_INPUT);
    metrics_rejected(m, ERROR_INVALID_INPUT);
    metrics_rejected(m, ERROR_NONE);

    static const char *const stages[] = {"receive", "parse",     "queue",
                                         "compute", "serialize", "send"};
    char *text = scrape(m, METRICS_PROMETHEUS), series[128];
    for (int i = 0; i < STAGE_COUNT; i++) {
        snprintf(series, sizeof series,
                 "attentiond_stage_duration_seconds_sum{stage=\"%s\"}", stages[i]);
        ck_assert_double_eq(value_in(text, series), 0.5 * (i + 1));
        snprintf(series, sizeof series, "attentiond_cancelled_total{stage=\"%s\"}",
                 stages[i]);
        ck_assert_double_eq(value_in(text, series), i + 1);
    }
    ck_assert_double_eq(
        value_in(text, "attentiond_rejected_total{reason=\"overloaded\"}"), 1);
    ck_assert_double_eq(
        value_in(text, "attentiond_rejected_total{reason=\"invalid-input\"}"), 2);
    ck_assert_ptr_null(strstr(text, "reason=\"none\""));
    free(text);
    metrics_delete(m);
}
END_TEST

START_TEST(counters_add_gauges_are_set_and_histograms_observe)
{
    struct metrics *m = metrics_new(routes, 2);
    metrics_add(m, METRIC_FLOPS, 1e9);
    metrics_add(m, METRIC_FLOPS, 0.5);
    metrics_set(m, METRIC_QUEUE_DEPTH, 5);
    metrics_set(m, METRIC_QUEUE_DEPTH, 3);
    metrics_add(m, METRIC_IN_FLIGHT, 1);
    metrics_add(m, METRIC_IN_FLIGHT, 1);
    metrics_add(m, METRIC_IN_FLIGHT, -1);
    metrics_observe(m, METRIC_BATCH_SIZE, 3);
    metrics_observe(m, METRIC_BATCH_SIZE, 4);
    metrics_observe(m, METRIC_REQUEST_BYTES, 2e9);
    metrics_observe(m, METRIC_SEQUENCE_LENGTH, 9000);

    ck_assert_double_eq(value(m, "attentiond_compute_flops_total"), 1000000000.5);
    ck_assert_double_eq(value(m, "attentiond_queue_depth"), 3);
    ck_assert_double_eq(value(m, "attentiond_in_flight_requests"), 1);
    ck_assert_double_eq(value(m, "attentiond_batch_size_bucket{le=\"2\"}"), 0);
    ck_assert_double_eq(value(m, "attentiond_batch_size_bucket{le=\"4\"}"), 2);
    ck_assert_double_eq(value(m, "attentiond_batch_size_sum"), 7);
    ck_assert_double_eq(
        value(m, "attentiond_request_body_bytes_bucket{le=\"1073741824\"}"), 0);
    ck_assert_double_eq(value(m, "attentiond_request_body_bytes_count"), 1);
    ck_assert_double_eq(
        value(m, "attentiond_sequence_length_tokens_bucket{le=\"8192\"}"), 0);
    metrics_delete(m);
}
END_TEST

START_TEST(a_scrape_resets_nothing)
{
    struct metrics *m = metrics_new(routes, 2);
    metrics_add(m, METRIC_TOKENS, 7);
    ck_assert_double_eq(value(m, "attentiond_tokens_total"), 7);
    ck_assert_double_eq(value(m, "attentiond_tokens_total"), 7);
    metrics_delete(m);
}
END_TEST

/* threat 114 */
START_TEST(the_number_of_series_does_not_depend_on_what_comes_in)
{
    struct metrics *m = metrics_new(routes, 2);
    struct test_random random = {5};
    size_t lines[2] = {0};
    for (int round = 0; round < 2; round++) {
        char *text = scrape(m, METRICS_PROMETHEUS);
        for (const char *c = text; *c; c++)
            lines[round] += *c == '\n';
        free(text);
        for (int i = 0; i < 1000; i++)
            metrics_request(m, test_random_size(&random, 0, 9),
                            (unsigned)test_random_size(&random, 0, 1000), 0.1, TRACE);
    }
    ck_assert_uint_eq(lines[0], lines[1]);
    metrics_delete(m);
}
END_TEST

START_TEST(open_metrics_shows_the_last_trace_of_a_bucket)
{
    struct metrics *m = metrics_new(routes, 2);
    metrics_request(m, 0, 200, 0.0031, "00000000000000000000000000000001");
    metrics_request(m, 0, 200, 0.003, TRACE "and more than 32 digits");
    char *text = scrape(m, METRICS_OPENMETRICS);
    const char *at = strstr(text, "le=\"0.005\"} 2 # {trace_id=\"" TRACE "\"} 0.003 1");
    ck_assert_ptr_nonnull(at);
    ck_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
    ck_assert_ptr_null(strstr(strstr(at, TRACE), "trace_id"));
    free(text);

    text = scrape(m, METRICS_PROMETHEUS);
    ck_assert_ptr_null(strstr(text, "trace_id"));
    ck_assert_ptr_null(strstr(text, "EOF"));
    free(text);
    metrics_delete(m);
}
END_TEST

START_TEST(the_process_is_measured)
{
    struct metrics *m = metrics_new(routes, 2);
    char *text = scrape(m, METRICS_PROMETHEUS);
    double fds = value_in(text, "process_open_fds");
    ck_assert_double_ge(fds, 3);
    ck_assert_double_ge(value_in(text, "process_max_fds"), fds);
    ck_assert_double_ge(value_in(text, "process_threads"), 1);
    ck_assert_double_ge(value_in(text, "process_cpu_seconds_total"), 0);
    double resident = value_in(text, "process_resident_memory_bytes");
    ck_assert_double_ge(resident, 1 << 18);
    ck_assert_double_ge(value_in(text, "process_virtual_memory_bytes"), resident);
    double start = value_in(text, "process_start_time_seconds");
    ck_assert_double_le(start, (double)time(NULL) + 1);
    ck_assert_double_ge(start, (double)time(NULL) - 600);
    free(text);

    int more = dup(0);
    ck_assert_double_eq(value(m, "process_open_fds"), fds + 1);
    close(more);
    metrics_delete(m);
}
END_TEST

enum { THREADS = 4, TIMES = 2000 };

static void *count_many(void *argument)
{
    struct metrics *m = argument;
    for (int i = 0; i < TIMES; i++) {
        metrics_request(m, 0, 200, 0.5, i % 100 ? NULL : TRACE);
        metrics_stage(m, STAGE_COMPUTE, 0.25);
        metrics_add(m, METRIC_TOKENS, 3);
        metrics_add(m, METRIC_IN_FLIGHT, i % 2 ? -1 : 1);
        metrics_set(m, METRIC_QUEUE_DEPTH, i);
        metrics_observe(m, METRIC_BATCH_SIZE, 2);
        metrics_rejected(m, ERROR_OVERLOADED);
    }
    return NULL;
}

START_TEST(nothing_is_lost_while_threads_count_and_others_look)
{
    struct metrics *m = metrics_new(routes, 2);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count_many, m);
    double before = 0;
    for (int i = 0; i < 20; i++) {
        char *text = scrape(m, (enum metrics_format)(i % 2));
        double now = value_in(text, "attentiond_tokens_total");
        ck_assert_double_ge(now, before);
        before = now;
        free(text);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    static const double all = THREADS * TIMES;
    ck_assert_double_eq(
        value(m, "attentiond_requests_total{route=\"/v1/attention\",code=\"200\"}"),
        all);
    ck_assert_double_eq(
        value(m, "attentiond_request_duration_seconds_sum{route=\"/v1/attention\"}"),
        all / 2);
    ck_assert_double_eq(
        value(m, "attentiond_stage_duration_seconds_sum{stage=\"compute\"}"), all / 4);
    ck_assert_double_eq(value(m, "attentiond_tokens_total"), 3 * all);
    ck_assert_double_eq(value(m, "attentiond_in_flight_requests"), 0);
    ck_assert_double_eq(value(m, "attentiond_batch_size_count"), all);
    ck_assert_double_eq(value(m, "attentiond_rejected_total{reason=\"overloaded\"}"),
                        all);
    metrics_delete(m);
}
END_TEST

/* promtool, where it is installed, is the judge of the older format. */
START_TEST(promtool_finds_nothing_to_complain_about)
{
    if (system("command -v promtool >/dev/null") != 0) {
        puts("skipped: promtool is not installed");
        return;
    }
    struct metrics *m = metrics_new(routes, 2);
    metrics_build_info(m, "0.1.0", "OpenBLAS", "avx2");
    metrics_request(m, 0, 200, 0.003, TRACE);
    char *text = scrape(m, METRICS_PROMETHEUS);
    FILE *judge = popen("promtool check metrics 2>&1", "w");
    ck_assert_ptr_nonnull(judge);
    fputs(text, judge);
    ck_assert_int_eq(pclose(judge), 0);
    free(text);
    metrics_delete(m);
}
END_TEST

START_TEST(deleting_nothing_is_fine)
{
    metrics_delete(NULL);
}
END_TEST

START_TEST(without_memory_there_are_no_metrics)
{
    if (!scarce_memory_begin())
        return;
    struct metrics *m = metrics_new(routes, 2);
    scarce_memory_end();
    ck_assert_ptr_null(m);
}
END_TEST

START_TEST(a_scrape_that_does_not_fit_fails)
{
    struct metrics *m = metrics_new(routes, 2);
    for (size_t limit = 1; limit < 20000; limit += 97) {
        struct buffer out;
        buffer_init(&out, limit);
        metrics_write(m, METRICS_OPENMETRICS, &out);
        ck_assert(out.failed);
        buffer_free(&out);
    }
    metrics_delete(m);
}
END_TEST

START_TEST(the_process_is_measured_as_well_as_can_be_without_files)
{
    ck_assert(scarce_files_begin());
    struct process_usage usage;
    process_usage_read(&usage);
    scarce_files_end();
    ck_assert_double_eq(usage.max_fds, 0);
    ck_assert_double_eq(usage.open_fds, 0);
    ck_assert_double_eq(usage.threads, 0);
    ck_assert_double_ge(usage.cpu_seconds, 0);
}
END_TEST

TEST_PROGRAM("metrics", every_series_is_there_from_the_start_at_0,
             what_was_built_is_told, a_request_is_counted_by_route_and_code_and_timed,
             the_buckets_are_those_of_the_contract,
             stages_refusals_and_cancellations_have_their_own_label,
             counters_add_gauges_are_set_and_histograms_observe,
             a_scrape_resets_nothing,
             the_number_of_series_does_not_depend_on_what_comes_in,
             open_metrics_shows_the_last_trace_of_a_bucket, the_process_is_measured,
             nothing_is_lost_while_threads_count_and_others_look,
             promtool_finds_nothing_to_complain_about, deleting_nothing_is_fine,
             without_memory_there_are_no_metrics, a_scrape_that_does_not_fit_fails,
             the_process_is_measured_as_well_as_can_be_without_files)
