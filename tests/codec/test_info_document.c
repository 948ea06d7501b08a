#include "codec/info_document.h"

#include "support/test.h"

static const struct info info = {
    .version = "0.1.0",
    .blas = "OpenBLAS 0.3.21",
    .simd = "x86-64-v4",
    .attention = {256, 8192, 4096, 128, 67108864, 268435456, 16},
    .header_limit = 16384,
    .body_limit = 16777216,
    .connection_limit = 4096,
    .queue_depth = 128,
    .queue_work = 4000000000000,
    .timeout_ms = 30000,
    .queue_wait_ms = 2000.5,
    .header_timeout_ms = 10000,
    .body_timeout_ms = 30000,
    .idle_timeout_ms = 75000,
    .workers = 2,
    .http_threads = 3,
    .cpus = 2,
    .cpus_online = 8,
    .cpus_affinity = 4,
    .cpus_quota = 1.5,
    .memory_limit = 1073741824,
    .memory = 4294967296,
    .memory_total = 8589934592,
    .memory_cgroup = 4294967296,
};

#define LIMITS                                                                    \
    "\"limits\":{\"max_batch\":256,\"max_tokens\":8192,\"max_width\":4096,"       \
    "\"max_heads\":128,\"max_map_numbers\":67108864,\"answer_limit\":268435456,"  \
    "\"json_depth\":16,"                                                          \
    "\"header_limit\":16384,\"body_limit\":16777216,\"memory_limit\":1073741824," \
    "\"connection_limit\":4096,\"queue_depth\":128,"                              \
    "\"queue_work\":4000000000000,\"queue_wait_ms\":2000.5,"                      \
    "\"timeout_ms\":30000.0,\"header_timeout_ms\":10000.0,"                       \
    "\"body_timeout_ms\":30000.0,\"idle_timeout_ms\":75000.0}"

static char *written(const struct info *i)
{
    struct buffer out;
    buffer_init(&out, 4096);
    info_document_write(i, &out);
    size_t length = 0;
    return buffer_take(&out, &length);
}

START_TEST(the_document_says_what_runs_what_was_found_and_every_limit)
{
    char *text = written(&info);
    ck_assert_pstr_eq(
        text, "{\"name\":\"attentiond\",\"version\":\"0.1.0\","
              "\"blas\":\"OpenBLAS 0.3.21\",\"simd\":\"x86-64-v4\",\"workers\":2,"
              "\"http_threads\":3," LIMITS
              ",\"cpu\":{\"usable\":2,\"online\":8,\"affinity\":4,\"quota\":1.5},"
              "\"memory\":{\"budget\":1073741824,\"usable\":4294967296,"
              "\"total\":8589934592,\"cgroup\":4294967296}}");
    free(text);
}
END_TEST

START_TEST(a_quota_that_does_not_exist_is_null)
{
    struct info free_machine = info;
    free_machine.cpus_quota = 0;
    free_machine.memory_cgroup = 0;
    char *text = written(&free_machine);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "\"quota\":null"));
    ck_assert_ptr_nonnull(strstr(text, "\"cgroup\":null"));
    free(text);
}
END_TEST

TEST_PROGRAM("info_document",
             the_document_says_what_runs_what_was_found_and_every_limit,
             a_quota_that_does_not_exist_is_null)
