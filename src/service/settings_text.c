#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/settings_table.h"

enum { HELP_COLUMN = 28, WIDTH = 80 };

/* `text` word by word, no line longer than WIDTH unless a word is; new lines
 * begin with `start`. `column` is where the first word stands. */
static void wrap(struct buffer *out, const char *text, const char *start, size_t column)
{
    bool first = true;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (!first && column + 1 + length > WIDTH) {
            buffer_printf(out, "\n%s", start);
            column = strlen(start);
        } else if (!first) {
            buffer_text(out, " ");
            column++;
        }
        buffer_append(out, text, length);
        column += length;
        text += length;
        text += strspn(text, " ");
        first = false;
    }
    buffer_text(out, "\n");
}

/* "Largest request head. A size from 1KiB to 1MiB (KiB, MiB, GiB); default 16KiB." */
static void describe(const struct setting *row, struct buffer *out)
{
    buffer_printf(out, "%c%s. ", toupper((unsigned char)row->help[0]), row->help + 1);
    size_t start = out->length;
    setting_allowed(row, out);
    if (!out->failed)
        out->data[start] = (char)toupper((unsigned char)out->data[start]);
    buffer_printf(out, "; default %s.", row->otherwise[0] ? row->otherwise : "empty");
}

static void describe_wrapped(const struct setting *row, const char *start,
                             size_t column, struct buffer *out)
{
    struct buffer description;
    buffer_init(&description, 2048);
    describe(row, &description);
    size_t length;
    char *text = buffer_take(&description, &length);
    if (text)
        wrap(out, text, start, column);
    out->failed = out->failed || !text;
    free(text);
    buffer_free(&description);
}

static const char *placeholder(enum setting_type type)
{
    static const char *const names[] = {
        [SETTING_GROUP_TITLE] = "", [SETTING_TEXT] = "TEXT", [SETTING_COUNT] = "N",
        [SETTING_SIZE] = "SIZE",    [SETTING_TIME] = "TIME", [SETTING_CHOICE] = "WORD"};
    return names[type];
}

static void help_row(const struct setting *row, struct buffer *out)
{
    if (row->type == SETTING_GROUP_TITLE) {
        buffer_printf(out, "\n%s:\n", row->help);
        return;
    }
    char flag[SETTING_NAME_BYTES], left[2 * SETTING_NAME_BYTES], start[HELP_COLUMN + 1];
    setting_spell_flag(row->name, flag);
    snprintf(left, sizeof left, "  %s %s", flag, placeholder(row->type));
    snprintf(start, sizeof start, "%*s", HELP_COLUMN, "");
    buffer_printf(out, "%-*s ", HELP_COLUMN - 1, left);
    describe_wrapped(row, start, HELP_COLUMN, out);
}

void settings_help(struct buffer *out)
{
    buffer_text(
        out,
        "Usage: attentiond [--config FILE] [--SETTING VALUE]... [ACTION]\n"
        "Self-attention as a network service.\n"
        "\n"
        "A setting is read from its flag, --queue-depth VALUE or\n"
        "--queue-depth=VALUE; else from its variable, ATTENTIOND_QUEUE_DEPTH; else\n"
        "from the file, as queue_depth = VALUE; else it is the default. The file is\n"
        "named by --config or ATTENTIOND_CONFIG.\n"
        "\n"
        "Actions, instead of serving:\n"
        "  --help                    This text.\n"
        "  --version                 The version.\n"
        "  --check-config            Say whether the settings are good.\n"
        "  --print-config            Every setting, and where it came from.\n"
        "  --probe                   Ask the running service's /readyz: 0 if it "
        "is ready.\n");
    for (size_t i = 0; i < settings_table_rows; i++)
        help_row(&settings_table[i], out);
}

void settings_sample(struct buffer *out)
{
    buffer_text(
        out,
        "# attentiond.conf - every setting, at its default. Made from the table of\n"
        "# settings by `make config`: take away the '#' before a name to set it.\n"
        "# A variable (ATTENTIOND_PORT) beats this file, a flag (--port) beats "
        "both.\n");
    for (size_t i = 0; i < settings_table_rows; i++) {
        const struct setting *row = &settings_table[i];
        if (row->type == SETTING_GROUP_TITLE) {
            buffer_printf(out, "\n\n# %s\n", row->help);
            continue;
        }
        buffer_text(out, "\n# ");
        describe_wrapped(row, "# ", 2, out);
        const char *quote = row->type == SETTING_TEXT ? "\"" : "";
        buffer_printf(out, "#%s = %s%s%s\n", row->name, quote, row->otherwise, quote);
    }
}

/* "default", "file /etc/attentiond.conf", "ATTENTIOND_PORT", "--port" */
static void print_source(const struct settings *s, size_t i, struct buffer *out)
{
    char spelt[SETTING_NAME_BYTES];
    switch ((enum setting_source)s->source[i]) {
    case FROM_DEFAULT: buffer_text(out, "default"); break;
    case FROM_FILE: buffer_printf(out, "file %s", s->config_path); break;
    case FROM_ENVIRONMENT:
        setting_spell_variable(settings_table[i].name, spelt);
        buffer_text(out, spelt);
        break;
    case FROM_FLAG:
        setting_spell_flag(settings_table[i].name, spelt);
        buffer_text(out, spelt);
        break;
    }
}

void settings_print(const struct settings *s, struct buffer *out)
{
    for (size_t i = 0; i < settings_table_rows; i++) {
        if (settings_table[i].type == SETTING_GROUP_TITLE)
            continue;
        struct buffer value;
        buffer_init(&value, 1024);
        setting_format(&settings_table[i], s, &value);
        buffer_printf(out, "%s = %-*.*s  # ", settings_table[i].name,
                      (int)(30 - strlen(settings_table[i].name)), (int)value.length,
                      value.data ? value.data : "");
        out->failed = out->failed || value.failed;
        print_source(s, i, out);
        buffer_text(out, "\n");
        buffer_free(&value);
    }
}
