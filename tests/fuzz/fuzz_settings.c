/* Any bytes as a settings file, and behind a byte of 1 as flags and variables: they are
 * refused in one clean line, or what is printed of them is read again as the same. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "service/settings.h"
#include "service/settings_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_WORDS = 16, SEPARATOR = 1 };

/* A file that is nowhere but in memory; `path` names it. */
static int make_file(const void *bytes, size_t size, char path[64])
{
    int fd = memfd_create("settings", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

struct start {
    char *flags[MOST_WORDS + 3], *variables[MOST_WORDS + 1];
    int flag_count, variable_count;
};

/* Another file than ours would not be the fuzzer's. */
static bool names_a_file(const char *word)
{
    return strncmp(word, "--config", 8) == 0 ||
           strncmp(word, "ATTENTIOND_CONFIG", 17) == 0;
}

static void add_word(struct start *s, const uint8_t *word, size_t length)
{
    char *text = strndup((const char *)word, length);
    assert(text);
    if (names_a_file(text))
        free(text);
    else if (strchr(text, '=') && text[0] != '-' && s->variable_count < MOST_WORDS)
        s->variables[s->variable_count++] = text;
    else if (s->flag_count < MOST_WORDS)
        s->flags[s->flag_count++] = text;
    else
        free(text);
}

static void forget(struct start *s)
{
    while (s->flag_count > 0)
        free(s->flags[--s->flag_count]);
    while (s->variable_count > 0)
        free(s->variables[--s->variable_count]);
}

/* The words behind the file; returns the length of the file. */
static size_t split(const uint8_t *data, size_t size, struct start *s)
{
    const uint8_t *end = data + size, *at = memchr(data, SEPARATOR, size);
    const size_t file = at ? (size_t)(at - data) : size;
    while (at && at < end) {
        const uint8_t *next = memchr(at + 1, SEPARATOR, (size_t)(end - at - 1));
        add_word(s, at + 1, (size_t)((next ? next : end) - at - 1));
        at = next;
    }
    return file;
}

static bool load(struct start *start, char *path, struct settings *s,
                 enum settings_action *action)
{
    char program[] = "attentiond", config[] = "--config";
    char *argv[MOST_WORDS + 4] = {program, config, path};
    struct error e = {0};
    int argc = 3;
    for (int i = 0; i < start->flag_count; i++)
        argv[argc++] = start->flags[i];
    if (settings_load(s, argc, argv, start->variables, action, &e))
        return true;
    assert(e.code == ERROR_INVALID_INPUT && e.message[0] != '\0');
    for (const char *c = e.message; *c; c++)
        assert(*c >= ' ' && *c <= '~');
    return false;
}

static void assert_same(const struct settings *a, const struct settings *b)
{
    for (size_t i = 0; i < settings_table_rows; i++) {
        if (settings_table[i].type == SETTING_GROUP_TITLE)
            continue;
        char texts[2][1024] = {"", ""};
        const struct settings *both[] = {a, b};
        for (size_t k = 0; k < 2; k++) {
            struct buffer text;
            buffer_init(&text, sizeof texts[k]);
            setting_format(&settings_table[i], both[k], &text);
            assert(!text.failed);
            memcpy(texts[k], text.data, text.length);
            buffer_free(&text);
        }
        assert(strcmp(texts[0], texts[1]) == 0);
    }
}

static void print_and_read(const struct settings *s)
{
    struct buffer text;
    buffer_init(&text, 1 << 16);
    settings_print(s, &text);
    assert(!text.failed);

    char path[64];
    int fd = make_file(text.data, text.length, path);
    struct settings again;
    struct start nothing = {0};
    enum settings_action action;
    assert(load(&nothing, path, &again, &action));
    assert_same(s, &again);
    close(fd);
    buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct start start = {0};
    char path[64];
    int fd = make_file(data, split(data, size, &start), path);
    struct settings s;
    enum settings_action action;
    if (load(&start, path, &s, &action) && action != ACTION_HELP &&
        action != ACTION_VERSION)
        print_and_read(&s);
    close(fd);
    forget(&start);
    return 0;
}
