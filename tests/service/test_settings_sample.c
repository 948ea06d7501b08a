/* config/attentiond.conf is what the settings table makes of it. `make config` runs
 * this program with REWRITE=1, which writes the file instead of comparing it. */
#include <stdio.h>

#include "service/settings.h"
#include "support/test.h"

static const char path[] = "config/attentiond.conf";

static char *sample(size_t *length)
{
    struct buffer out;
    buffer_init(&out, 1 << 16);
    settings_sample(&out);
    char *text = buffer_take(&out, length);
    ck_assert_ptr_nonnull(text);
    return text;
}

START_TEST(the_shipped_file_is_made_from_the_table)
{
    size_t length;
    char *text = sample(&length);
    FILE *file = fopen(path, getenv("REWRITE") ? "w" : "r");
    ck_assert_msg(file != NULL, "%s cannot be opened: is this the top folder?", path);
    if (getenv("REWRITE")) {
        ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    } else {
        char shipped[1 << 16];
        size_t had = fread(shipped, 1, sizeof shipped, file);
        ck_assert_msg(had == length && memcmp(shipped, text, length) == 0,
                      "%s is not what the table says: run `make config`", path);
    }
    ck_assert_int_eq(fclose(file), 0);
    free(text);
}
END_TEST

START_TEST(every_setting_stands_there_at_its_default)
{
    /* Without the '#' before each name it must load, and change nothing. */
    size_t length;
    char *text = sample(&length);
    for (char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (line[0] == '#' && line[1] != ' ')
            line[0] = ' ';

    char file[] = "/tmp/attentiond-sample-XXXXXX";
    FILE *out = fdopen(mkstemp(file), "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    fclose(out);
    free(text);

    struct settings given, none;
    enum settings_action action;
    struct error e = {0};
    char *argv[] = {(char[]){"attentiond"}, (char[]){"--config"}, file, NULL};
    char *nothing[] = {NULL};
    bool good = settings_load(&given, 3, argv, nothing, &action, &e);
    remove(file);
    ck_assert_msg(good, "%s", e.message);
    ck_assert(settings_load(&none, 1, (char *[]){argv[0], NULL}, nothing, &action, &e));

#define SETTING(name, ...) +1
    const size_t settings = 0
#include "service/settings.def"
        ;
#undef SETTING
    size_t read = 0;
    for (size_t i = 0; i < sizeof none.source; i++)
        read += given.source[i] == FROM_FILE;
    ck_assert_uint_eq(read, settings);
    memcpy(given.source, none.source, sizeof none.source);
    memset(given.config_path, 0, sizeof given.config_path);
    ck_assert_mem_eq(&given, &none, sizeof none);
}
END_TEST

TEST_PROGRAM("settings_sample", the_shipped_file_is_made_from_the_table,
             every_setting_stands_there_at_its_default)
