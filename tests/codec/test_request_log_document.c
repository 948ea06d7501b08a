#include "codec/request_log_document.h"

#include <jansson.h>

#include "support/test.h"

static const struct request_record answered = {
    .id = "r1",
    .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
    .route = "/v1/attention",
    .method = "POST",
    .status = 200,
    .request_bytes = 120,
    .response_bytes = 450,
    .batch = 2,
    .tokens = 3,
    .width = 4,
    .heads = 1,
    .receive_ms = 0,
    .parse_ms = 0.0126,
    .queue_ms = 0.3,
    .compute_ms = 1.23456,
    .serialize_ms = 0.1,
    .send_ms = 2,
    .total_ms = 3.7,
    .unix_ms = 1709210096007, /* 2024-02-29T12:34:56.007Z */
};

static const struct request_record refused = {
    .id = "r2",
    .route = "other",
    .method = "GET",
    .status = 404,
    .error = "not-found",
    .response_bytes = 200,
    .receive_ms = 0.5,
    .parse_ms = -1,
    .queue_ms = -1,
    .compute_ms = -1,
    .serialize_ms = -1,
    .send_ms = -1,
    .total_ms = 0.5,
};

static char *written(const struct request_record *records, size_t count, size_t limit)
{
    struct buffer out;
    buffer_init(&out, limit);
    request_log_document_write(records, count, &out);
    size_t length = 0;
    char *text = buffer_take(&out, &length);
    buffer_free(&out);
    return text;
}

START_TEST(a_record_shows_sizes_and_the_time_of_every_stage)
{
    char *text = written(&answered, 1, 4096);
    ck_assert_pstr_eq(
        text,
        "{\"requests\":[{\"id\":\"r1\","
        "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"time\":\"2024-02-29T12:34:56.007Z\",\"route\":\"/v1/attention\","
        "\"method\":\"POST\",\"status\":200,\"request_bytes\":120,"
        "\"response_bytes\":450,\"batch\":2,\"tokens\":3,\"width\":4,\"heads\":1,"
        "\"receive_ms\":0.0,\"parse_ms\":0.013,\"queue_ms\":0.3,\"compute_ms\":1.235,"
        "\"serialize_ms\":0.1,\"send_ms\":2.0,\"total_ms\":3.7}]}");
    free(text);
}
END_TEST

START_TEST(what_a_request_did_not_have_is_left_out)
{
    char *text = written(&refused, 1, 4096);
    ck_assert_pstr_eq(text, "{\"requests\":[{\"id\":\"r2\","
                            "\"time\":\"1970-01-01T00:00:00.000Z\",\"route\":\"other\","
                            "\"method\":\"GET\",\"status\":404,\"error\":\"not-found\","
                            "\"response_bytes\":200,\"receive_ms\":0.5,"
                            "\"total_ms\":0.5}]}");
    free(text);
}
END_TEST

START_TEST(records_keep_their_order_and_none_is_an_empty_list)
{
    const struct request_record both[] = {refused, answered};
    char *text = written(both, 2, 4096);
    ck_assert_ptr_nonnull(text);
    ck_assert(strstr(text, "\"r2\"") < strstr(text, "\"r1\""));
    free(text);

    text = written(NULL, 0, 4096);
    ck_assert_pstr_eq(text, "{\"requests\":[]}");
    free(text);
}
END_TEST

START_TEST(the_calendar_is_right_on_its_edges)
{
    static const struct {
        int64_t unix_ms;
        const char *time;
    } cases[] = {
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {951868800000, "2000-03-01T00:00:00.000Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {1798761599000, "2026-12-31T23:59:59.000Z"},
        {1798761600000, "2027-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request_record record = refused;
        record.unix_ms = cases[i].unix_ms;
        char *text = written(&record, 1, 4096);
        ck_assert_ptr_nonnull(text);
        ck_assert_msg(strstr(text, cases[i].time), "%s in %s", cases[i].time, text);
        free(text);
    }
}
END_TEST

START_TEST(a_document_over_the_buffers_limit_is_refused_whole)
{
    ck_assert_ptr_null(written(&answered, 1, 100));
}
END_TEST

TEST_PROGRAM("request_log_document", a_record_shows_sizes_and_the_time_of_every_stage,
             what_a_request_did_not_have_is_left_out,
             records_keep_their_order_and_none_is_an_empty_list,
             the_calendar_is_right_on_its_edges,
             a_document_over_the_buffers_limit_is_refused_whole)
