#include "service/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "service/clock.h"
#include "support/test.h"

static int ends[2]; /* where the log is read, and written */

static void open_log(enum log_format format, enum log_level least)
{
    ck_assert_int_eq(pipe(ends), 0);
    log_configure(ends[1], format, least);
}

/* All that was logged; the log is closed. */
static char *logged(void)
{
    static char text[1 << 17];
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_INFO);
    close(ends[1]);
    size_t length = 0;
    ssize_t more;
    while ((more = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)more;
    text[length] = '\0';
    close(ends[0]);
    return text;
}

/* The line behind its time, and whether that is one: 2026-01-31T12:00:00.000Z */
static const char *behind_time(const char *line, const char *before)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";
    ck_assert_msg(strncmp(line, before, strlen(before)) == 0, "%s", line);
    line += strlen(before);
    for (size_t i = 0; form[i]; i++)
        ck_assert_msg(form[i] == '0' ? line[i] >= '0' && line[i] <= '9'
                                     : line[i] == form[i],
                      "%s", line);
    return line + sizeof form - 1;
}

START_TEST(a_text_line_is_pairs)
{
    open_log(LOG_TEXT, LOG_INFO);
    log_write(LOG_INFO, "listening", LOG_S("address", "127.0.0.1"), LOG_I("port", 8080),
              LOG_R("ms", 0.25), LOG_I("below", INT64_MIN));
    ck_assert_str_eq(behind_time(logged(), "time="),
                     " level=info event=listening address=127.0.0.1 port=8080 ms=0.25 "
                     "below=-9223372036854775808\n");
}
END_TEST

START_TEST(a_json_line_is_an_object)
{
    open_log(LOG_JSON, LOG_INFO);
    log_write(LOG_ERROR, "listening", LOG_S("address", "127.0.0.1"),
              LOG_I("port", 8080), LOG_R("ms", 0.25), LOG_R("never", (double)NAN));
    ck_assert_str_eq(behind_time(logged(), "{\"time\":\""),
                     "\",\"level\":\"error\",\"event\":\"listening\",\"address\":"
                     "\"127.0.0.1\",\"port\":8080,\"ms\":0.25,\"never\":null}\n");
}
END_TEST

/* threat 113 */
START_TEST(no_value_can_break_a_line_or_a_terminal)
{
    static const struct {
        const char *value, *text, *json;
    } rows[] = {
        {"plain", "plain", "\"plain\""},
        {"/v1/attention?a", "/v1/attention?a", "\"/v1/attention?a\""},
        {"", "\"\"", "\"\""},
        {"two words", "\"two words\"", "\"two words\""},
        {"a=b", "\"a=b\"", "\"a=b\""},
        {"a\"b", "\"a\\\"b\"", "\"a\\\"b\""},
        {"a\\b", "\"a\\\\b\"", "\"a\\\\b\""},
        {"a\r\nlevel=x\t", "\"a\\r\\nlevel=x\\t\"", "\"a\\r\\nlevel=x\\t\""},
        {"\x1b[2J", "\"\\u001b[2J\"", "\"\\u001b[2J\""},
        {"\x01\x7f", "\"\\u0001\\u007f\"", "\"\\u0001\\u007f\""},
        {"\xC2\x9B"
         "2J",
         "\"\\u009b2J\"", "\"\\u009b2J\""},
        {"\xE2\x80\xA8", "\"\\u2028\"", "\"\\u2028\""},
        {"\xE2\x80\xAE", "\"\\u202e\"", "\"\\u202e\""},
        {"\xC3\xA4\xF0\x9F\x99\x82", "\"\xC3\xA4\xF0\x9F\x99\x82\"",
         "\"\xC3\xA4\xF0\x9F\x99\x82\""},
        {"\xFF|\xC0\xAF|\xED\xA0\x80|\xE2\x82",
         "\"\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|"
         "\xEF\xBF\xBD\xEF\xBF\xBD\"",
         "\"\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|"
         "\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char want[512];
        open_log(LOG_TEXT, LOG_INFO);
        log_write(LOG_WARN, "e", LOG_S("v", rows[i].value));
        snprintf(want, sizeof want, " level=warn event=e v=%s\n", rows[i].text);
        ck_assert_str_eq(behind_time(logged(), "time="), want);

        open_log(LOG_JSON, LOG_INFO);
        log_write(LOG_WARN, "e", LOG_S("v", rows[i].value));
        snprintf(want, sizeof want, "\",\"level\":\"warn\",\"event\":\"e\",\"v\":%s}\n",
                 rows[i].json);
        ck_assert_str_eq(behind_time(logged(), "{\"time\":\""), want);
    }
}
END_TEST

/* threat 113 */
START_TEST(any_bytes_make_one_line_of_json)
{
    struct test_random random = {4};
    for (int round = 0; round < 200; round++) {
        char value[300];
        size_t length = test_random_size(&random, 0, sizeof value - 1);
        for (size_t i = 0; i < length; i++)
            value[i] = (char)test_random_size(&random, 1, 255);
        value[length] = '\0';

        open_log(LOG_JSON, LOG_INFO);
        log_write(LOG_INFO, "e", LOG_S("v", value));
        const char *line = logged();
        ck_assert_uint_eq(strcspn(line, "\n"), strlen(line) - 1);
        json_error_t why;
        json_t *json = json_loads(line, 0, &why);
        ck_assert_msg(json != NULL, "%s: %s", why.text, line);
        json_decref(json);
    }
}
END_TEST

START_TEST(what_is_below_the_level_is_not_logged)
{
    open_log(LOG_TEXT, LOG_WARN);
    log_write(LOG_DEBUG, "a", LOG_I("i", 1));
    log_write(LOG_INFO, "b", LOG_I("i", 1));
    log_event(LOG_WARN, "c", NULL, 0);
    ck_assert_str_eq(behind_time(logged(), "time="), " level=warn event=c\n");
}
END_TEST

START_TEST(a_pair_without_text_is_left_out)
{
    open_log(LOG_TEXT, LOG_DEBUG);
    log_write(LOG_DEBUG, "a", LOG_S("error", NULL), LOG_I("i", 1));
    ck_assert_str_eq(behind_time(logged(), "time="), " level=debug event=a i=1\n");
}
END_TEST

/* threat 113 */
START_TEST(text_is_cut_at_256_bytes)
{
    char value[1000] = {0};
    memset(value, 'x', sizeof value - 1);
    open_log(LOG_TEXT, LOG_INFO);
    log_write(LOG_INFO, "a", LOG_S("v", value), LOG_I("i", 1));
    const char *line = behind_time(logged(), "time=");
    ck_assert_uint_eq(strlen(line), strlen(" level=info event=a v= i=1\n") + 256);
}
END_TEST

START_TEST(pairs_for_which_there_is_no_room_are_left_out)
{
    char value[257] = {0};
    memset(value, 1, sizeof value - 1); /* six bytes each, escaped */
    struct log_pair pairs[64];
    for (size_t i = 0; i < 64; i++)
        pairs[i] = i < 2 ? LOG_S("v", value) : LOG_S("w", "0123456789012345");

    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        open_log((enum log_format)format, LOG_INFO);
        log_event(LOG_INFO, "e", pairs, 64);
        const char *line = logged();
        ck_assert_uint_le(strlen(line), 4096);
        ck_assert_uint_gt(strlen(line), 4096 - 32);
        ck_assert_uint_eq(strcspn(line, "\n"), strlen(line) - 1);
        json_t *json = format == LOG_JSON ? json_loads(line, 0, NULL) : json_true();
        ck_assert_ptr_nonnull(json);
        json_decref(json);
    }
}
END_TEST

static void *log_many(void *name)
{
    for (int i = 0; i < 200; i++)
        log_write(LOG_INFO, "e", LOG_S("thread", name), LOG_I("i", i));
    return NULL;
}

START_TEST(lines_of_several_threads_do_not_mix)
{
    open_log(LOG_JSON, LOG_INFO);
    pthread_t threads[2];
    char names[2][2] = {"a", "b"};
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, log_many, names[i]);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);

    char *rest = logged();
    size_t lines = 0;
    for (char *line; (line = strtok_r(rest, "\n", &rest)); lines++) {
        json_t *json = json_loads(line, 0, NULL);
        ck_assert_msg(json != NULL, "%s", line);
        json_decref(json);
    }
    ck_assert_uint_eq(lines, 400);
}
END_TEST

START_TEST(a_reader_that_stopped_costs_little_and_learns_what_it_missed)
{
    open_log(LOG_TEXT, LOG_INFO);
    int64_t before = clock_now_ns();
    for (int i = 0; i < 5000; i++) /* much more than a pipe holds */
        log_write(LOG_INFO, "e", LOG_I("i", i));
    ck_assert_int_lt(clock_now_ns() - before, 5 * NS_PER_S);

    static char text[1 << 17];
    ck_assert_int_gt(read(ends[0], text, sizeof text), 0);
    log_write(LOG_INFO, "again", LOG_I("i", 1));
    log_write(LOG_INFO, "and_again", LOG_I("i", 1));
    const char *rest = logged();
    const char *lost = strstr(rest, "level=warn event=log_lines_lost count=");
    ck_assert_msg(lost != NULL, "%s", rest);
    ck_assert_ptr_nonnull(strstr(lost, "event=again i=1\n"));
    ck_assert_ptr_nonnull(strstr(lost, "event=and_again i=1\n"));
    ck_assert_ptr_null(strstr(strstr(lost, "count="), "log_lines_lost"));

    /* Every line either came or was counted. */
    size_t came = 0;
    for (const char *at = text; (at = strstr(at, "event=e ")); at++)
        came++;
    ck_assert_int_eq(atoi(strstr(lost, "count=") + 6), 5000 - (int)came);
}
END_TEST

/* A file that may not grow takes what there is room for, as a full disk does. */
START_TEST(a_line_that_was_torn_is_ended_before_the_next)
{
    char path[] = "/tmp/attentiond-log-XXXXXX";
    ends[1] = mkstemp(path);
    ends[0] = open(path, O_RDONLY);
    ck_assert(ends[0] >= 0 && ends[1] >= 0);
    unlink(path);
    log_configure(ends[1], LOG_TEXT, LOG_INFO);
    signal(SIGXFSZ, SIG_IGN);

    struct rlimit before, little;
    getrlimit(RLIMIT_FSIZE, &before);
    little = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &little);
    for (int i = 0; i < 5; i++)
        log_write(LOG_INFO, "e", LOG_I("i", i));
    setrlimit(RLIMIT_FSIZE, &before);
    log_write(LOG_INFO, "again", LOG_I("i", 1));

    const char *line = logged();
    ck_assert_ptr_nonnull(strstr(line, "event=e i=0\n"));
    line = strchr(line, '\n') + 1; /* now the one that was cut at byte 100 */
    ck_assert_ptr_null(memmem(line, strcspn(line, "\n"), "i=1", 3));
    line = strchr(line, '\n') + 1;
    line = behind_time(line, "time=");
    ck_assert_int_eq(strncmp(line, " level=warn event=log_lines_lost count=4\n", 41),
                     0);
    ck_assert_ptr_nonnull(strstr(line, "event=again i=1\n"));
}
END_TEST

START_TEST(a_reader_that_left_does_not_end_the_process)
{
    open_log(LOG_TEXT, LOG_INFO);
    close(ends[0]);
    errno = EAGAIN;
    log_write(LOG_INFO, "e", LOG_I("i", 1));
    ck_assert_int_eq(errno, EAGAIN);
    close(ends[1]);
    log_write(LOG_INFO, "e", LOG_I("i", 1));

    open_log(LOG_TEXT, LOG_INFO);
    log_write(LOG_INFO, "e", LOG_I("i", 1));
    ck_assert_ptr_nonnull(strstr(logged(), "event=log_lines_lost count=2\n"));
}
END_TEST

static void nothing(int signal)
{
    (void)signal;
}

START_TEST(signals_do_not_draw_the_waiting_out)
{
    open_log(LOG_TEXT, LOG_INFO);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    static const char full[4096];
    while (write(ends[1], full, sizeof full) > 0)
        ;
    signal(SIGALRM, nothing);
    struct itimerval often = {{0, 5000}, {0, 5000}};
    setitimer(ITIMER_REAL, &often, NULL);
    int64_t before = clock_now_ns();
    log_write(LOG_INFO, "e", LOG_I("i", 1));
    int64_t spent = clock_now_ns() - before;
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    ck_assert_int_ge(spent, 90 * NS_PER_MS);
    ck_assert_int_lt(spent, 2 * NS_PER_S);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(a_closed_descriptor_is_not_left_to_a_socket)
{
    int free_number = dup(STDERR_FILENO);
    close(free_number);
    log_configure(free_number, LOG_TEXT, LOG_INFO);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_ne(ends[0], free_number);
    ck_assert_int_ne(ends[1], free_number);
    log_write(LOG_INFO, "e", LOG_I("i", 1));

    /* Also when it is not the lowest that is free. */
    log_configure(free_number + 100, LOG_TEXT, LOG_INFO);
    ck_assert_int_ge(fcntl(free_number + 100, F_GETFD), 0);

    log_configure(-1, LOG_TEXT, LOG_INFO);
    log_write(LOG_INFO, "e", LOG_I("i", 1));
    log_configure(ends[1], LOG_TEXT, LOG_INFO);
    log_write(LOG_INFO, "e", LOG_I("i", 1));
    ck_assert_ptr_nonnull(strstr(logged(), "event=log_lines_lost count=1\n"));
}
END_TEST

TEST_PROGRAM("log", a_text_line_is_pairs, a_json_line_is_an_object,
             no_value_can_break_a_line_or_a_terminal, any_bytes_make_one_line_of_json,
             what_is_below_the_level_is_not_logged, a_pair_without_text_is_left_out,
             text_is_cut_at_256_bytes, pairs_for_which_there_is_no_room_are_left_out,
             lines_of_several_threads_do_not_mix,
             a_reader_that_stopped_costs_little_and_learns_what_it_missed,
             a_line_that_was_torn_is_ended_before_the_next,
             a_reader_that_left_does_not_end_the_process,
             signals_do_not_draw_the_waiting_out,
             a_closed_descriptor_is_not_left_to_a_socket)
