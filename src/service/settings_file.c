#include "service/settings_file.h"

#include <stdlib.h>
#include <string.h>

#include "service/text_file.h"

#define BLANKS " \t\r"

bool settings_file_open(struct settings_file *f, const char *path, struct error *e)
{
    size_t length;
    *f = (struct settings_file){.path = path};
    f->text =
        text_file_read(path, "config", SETTINGS_FILE_MOST_BYTES, &length, NULL, e);
    f->next = f->text;
    return f->text != NULL;
}

void settings_file_close(struct settings_file *f)
{
    free(f->text);
    f->text = f->next = NULL;
}

static bool complain(const struct settings_file *f, const char *what, struct error *e)
{
    return error_set(e, ERROR_INVALID_INPUT, "config", "%s:%u: %s", f->path, f->line,
                     what);
}

static bool ends_here(const char *rest)
{
    rest += strspn(rest, BLANKS);
    return *rest == '\0' || *rest == '#';
}

/* "text" or 'text', with nothing but a comment behind. */
static bool cut_quoted(struct settings_file *f, char *value, struct error *e)
{
    char *end = strchr(value + 1, value[0]);
    if (!end)
        return complain(f, "the closing quote is missing", e);
    if (!ends_here(end + 1))
        return complain(f, "there is something behind the closing quote", e);
    *end = '\0';
    return true;
}

/* Up to the end of the line, or a '#' after a blank. */
static void cut_bare(char *value)
{
    size_t length = 0;
    for (size_t i = 0; value[i]; i++) {
        bool blank = strchr(BLANKS, value[i]);
        if (value[i] == '#' && i == length && length == 0)
            break;
        if (value[i] == '#' && i > length)
            break;
        if (!blank)
            length = i + 1;
    }
    value[length] = '\0';
}

static bool cut_pair(struct settings_file *f, char *line, const char **name,
                     const char **value, struct error *e)
{
    char *equals = strchr(line, '=');
    size_t length = strcspn(line, BLANKS "=");
    if (!equals || length == 0 ||
        line + length + strspn(line + length, BLANKS) != equals)
        return complain(f, "is not 'name = value'", e);
    line[length] = '\0';
    *name = line;

    char *text = equals + 1;
    text += strspn(text, BLANKS);
    if (*text == '"' || *text == '\'') {
        *value = text + 1;
        return cut_quoted(f, text, e);
    }
    cut_bare(text);
    *value = text;
    return true;
}

bool settings_file_next(struct settings_file *f, const char **name, const char **value,
                        struct error *e)
{
    while (*f->next) {
        char *line = f->next;
        size_t length = strcspn(line, "\n");
        f->next += line[length] ? length + 1 : length;
        line[length] = '\0';
        f->line++;
        if (!ends_here(line))
            return cut_pair(f, line + strspn(line, BLANKS), name, value, e);
    }
    *name = NULL;
    return true;
}
