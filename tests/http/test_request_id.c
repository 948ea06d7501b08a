#include "http/request_id.h"
#include "support/test.h"

/* threats 48, 117 */
START_TEST(an_id_is_of_a_closed_alphabet)
{
    static const struct {
        const char *id;
        bool valid;
    } cases[] = {
        {"a", true},         {"4f0c.2a_9e:7b-5d", true},
        {"", false},         {"a b", false},
        {"a\"b", false},     {"a\nb", false},
        {"caf\xc3", false},  {"a/b", false},
        {"<script>", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(request_id_valid(cases[i].id) == cases[i].valid, "%s",
                      cases[i].id);
}
END_TEST

START_TEST(an_id_has_at_most_128_bytes)
{
    char id[130];
    memset(id, 'x', sizeof id);
    id[128] = '\0';
    ck_assert(request_id_valid(id));
    id[128] = 'x';
    id[129] = '\0';
    ck_assert(!request_id_valid(id));
}
END_TEST

START_TEST(generated_ids_are_valid_and_differ)
{
    char one[REQUEST_ID_BYTES], other[REQUEST_ID_BYTES];
    request_id_generate(one);
    request_id_generate(other);
    ck_assert_uint_eq(strlen(one), 32);
    ck_assert(request_id_valid(one));
    ck_assert_str_ne(one, other);
}
END_TEST

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

/* threat 49 */
START_TEST(a_traceparent_is_taken_or_ignored)
{
    static const struct {
        const char *traceparent;
        bool good;
    } cases[] = {
        {"00-" TRACE "-" PARENT "-01", true},
        {"00-" TRACE "-" PARENT "-00", true},
        {"cc-" TRACE "-" PARENT "-01", true},
        {"cc-" TRACE "-" PARENT "-01-what-the-future-brings", true},
        {"00-" TRACE "-" PARENT "-01-more", false},
        {"cc-" TRACE "-" PARENT "-01.more", false},
        {"ff-" TRACE "-" PARENT "-01", false},
        {"00-00000000000000000000000000000000-" PARENT "-01", false},
        {"00-" TRACE "-0000000000000000-01", false},
        {"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", false},
        {"00-" TRACE "-" PARENT "-0", false},
        {"00-" TRACE "-" PARENT "-0x", false},
        {"00-" TRACE "-" PARENT, false},
        {"00_" TRACE "-" PARENT "-01", false},
        {"00-" TRACE "_" PARENT "-01", false},
        {"00-" TRACE "-" PARENT "_01", false},
        {"0g-" TRACE "-" PARENT "-01", false},
        {"00-0gf7651916cd43dd8448eb211c80319c-" PARENT "-01", false},
        {"", false},
        {"00", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char id[TRACE_ID_BYTES] = "";
        bool good = traceparent_read(cases[i].traceparent, id);
        ck_assert_msg(good == cases[i].good, "%s", cases[i].traceparent);
        ck_assert_str_eq(id, good ? TRACE : "");
    }
}
END_TEST

TEST_PROGRAM("request_id", an_id_is_of_a_closed_alphabet, an_id_has_at_most_128_bytes,
             generated_ids_are_valid_and_differ, a_traceparent_is_taken_or_ignored)
