#include "base/spelling.h"
#include "support/test.h"

static const char *const names[] = {"heads", "kv_heads", "causal", "sequences"};

static const struct {
    const char *word, *nearest;
} cases[] = {
    {"head", "heads"},
    {"haeds", "heads"},
    {"sequence", "sequences"},
    {"kvheads", "kv_heads"},
    {"casual", "causal"},
    {"dropout", NULL},
    {"", NULL},
    {"x", NULL},
};

START_TEST(a_very_long_name_is_near_to_nothing)
{
    char name[66];
    memset(name, 'n', 65);
    name[65] = '\0';
    const char *const long_names[] = {name, "heads"};
    ck_assert_pstr_eq(spelling_nearest("head", long_names, 2), "heads");
    ck_assert_ptr_null(spelling_nearest(name, long_names, 2));
    name[64] = '\0';
    ck_assert_pstr_eq(spelling_nearest(name, long_names, 2), name);
}
END_TEST

START_TEST(a_typo_finds_its_word)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *nearest = spelling_nearest(cases[i].word, names, 4);
        if (cases[i].nearest)
            ck_assert_pstr_eq(nearest, cases[i].nearest);
        else
            ck_assert_msg(!nearest, "%s is near to %s", cases[i].word, nearest);
    }
}
END_TEST

TEST_PROGRAM("spelling", a_very_long_name_is_near_to_nothing, a_typo_finds_its_word)
