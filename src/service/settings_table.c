#include "service/settings_table.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOUNDS_TEXT(least_, most_)   .least = (least_), .most = (most_)
#define BOUNDS_COUNT(least_, most_)  .least = (least_), .most = (most_)
#define BOUNDS_SIZE(least_, most_)   .least = (least_), .most = (most_)
#define BOUNDS_TIME(least_, most_)   .least = (least_), .most = (most_)
#define BOUNDS_CHOICE(words_, none_) .words = (words_)

const struct setting settings_table[] = {
#define SETTING_GROUP(title) {.type = SETTING_GROUP_TITLE, .help = (title)},
#define SETTING(name_, type_, otherwise_, least_, most_, help_) \
    {.type = SETTING_##type_,                                   \
     .name = #name_,                                            \
     .otherwise = (otherwise_),                                 \
     BOUNDS_##type_(least_, most_),                             \
     .help = (help_),                                           \
     .offset = offsetof(struct settings, name_)},
#include "service/settings.def"
#undef SETTING
};
const size_t settings_table_rows = sizeof settings_table / sizeof *settings_table;

_Static_assert(sizeof settings_table / sizeof *settings_table <=
                   sizeof((struct settings *)NULL)->source,
               "each row has its source");

/* The first unit is the one that is held; larger ones follow. */
struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit size_units[] = {
    {"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
static const struct unit time_units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}};
static const struct unit no_units[] = {{"", 1}};

static const struct unit *units_of(enum setting_type type, size_t *count)
{
    *count = type == SETTING_SIZE ? 4 : type == SETTING_TIME ? 3 : 1;
    return type == SETTING_SIZE   ? size_units
           : type == SETTING_TIME ? time_units
                                  : no_units;
}

const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < settings_table_rows; i++)
        if (settings_table[i].name && strcmp(settings_table[i].name, name) == 0)
            return &settings_table[i];
    return NULL;
}

void setting_spell_flag(const char *name, char flag[SETTING_NAME_BYTES])
{
    snprintf(flag, SETTING_NAME_BYTES, "--%s", name);
    for (char *c = flag; *c; c++)
        *c = (char)(*c == '_' ? '-' : *c);
}

void setting_spell_variable(const char *name, char variable[SETTING_NAME_BYTES])
{
    snprintf(variable, SETTING_NAME_BYTES, SETTING_PREFIX "%s", name);
    for (char *c = variable; *c; c++)
        *c = (char)toupper((unsigned char)*c);
}

static bool may_be_auto(const struct setting *row)
{
    return strcmp(row->otherwise, "auto") == 0;
}

static uint64_t auto_value(const struct setting *row)
{
    return row->least == 0 ? SETTING_AUTO : 0;
}

/* Digits, perhaps blanks, a unit: "16MiB", "500 ms". */
static bool read_amount(const char *text, enum setting_type type, uint64_t *amount)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno == ERANGE)
        return false;
    end += strspn(end, " ");

    size_t count;
    const struct unit *units = units_of(type, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(end, units[i].name) == 0 && number <= UINT64_MAX / units[i].factor) {
            *amount = number * units[i].factor;
            return true;
        }
    return false;
}

static bool read_number(const struct setting *row, const char *text, uint64_t *value)
{
    if (may_be_auto(row) && strcmp(text, "auto") == 0) {
        *value = auto_value(row);
        return true;
    }
    return read_amount(text, row->type, value) && *value >= row->least &&
           *value <= row->most;
}

/* What a file can hold between double quotes, so that every value can be printed. */
static bool read_text(const struct setting *row, const char *text, char *value)
{
    size_t length = strnlen(text, SETTING_TEXT_BYTES);
    if (length < row->least || length > row->most)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f || text[i] == '"')
            return false;
    memcpy(value, text, length + 1);
    return true;
}

/* The blank-separated word number `index` of `words`, or "" after the last. */
static const char *word_at(const char *words, size_t index, size_t *length)
{
    for (; index > 0; index--) {
        words += strcspn(words, " ");
        words += strspn(words, " ");
    }
    *length = strcspn(words, " ");
    return words;
}

static bool read_choice(const struct setting *row, const char *text, uint64_t *value)
{
    size_t length;
    for (uint64_t i = 0;; i++) {
        const char *word = word_at(row->words, i, &length);
        if (length == 0)
            return false;
        if (strlen(text) == length && memcmp(text, word, length) == 0) {
            *value = i;
            return true;
        }
    }
}

void setting_show(const char *text, char shown[SETTING_SHOWN_BYTES])
{
    size_t length = strnlen(text, 65);
    for (size_t i = 0; i < length; i++)
        shown[i] = (char)(isprint((unsigned char)text[i]) ? text[i] : '?');
    shown[length] = '\0';
    if (length > 64)
        memcpy(shown + 64, "...", 4);
}

static bool refuse(const struct setting *row, const char *text, const char *where,
                   struct error *e)
{
    char shown[SETTING_SHOWN_BYTES];
    setting_show(text, shown);
    if (row->type == SETTING_TIME && text[0] &&
        text[strspn(text, "0123456789")] == '\0')
        return error_set(e, ERROR_INVALID_INPUT, row->name,
                         "%s: '%s' has no unit: write %sms, %ss or %smin", where, shown,
                         shown, shown, shown);

    struct buffer allowed;
    buffer_init(&allowed, 1024);
    setting_allowed(row, &allowed);
    error_set(e, ERROR_INVALID_INPUT, row->name, "%s: '%s' is not %.*s", where, shown,
              (int)allowed.length, allowed.data ? allowed.data : "");
    buffer_free(&allowed);
    return false;
}

bool setting_assign(const struct setting *row, const char *text, const char *where,
                    struct settings *s, struct error *e)
{
    void *member = (char *)s + row->offset;
    bool good = false;
    switch (row->type) {
    case SETTING_GROUP_TITLE: break;
    case SETTING_TEXT: good = read_text(row, text, member); break;
    case SETTING_CHOICE: good = read_choice(row, text, member); break;
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_TIME: good = read_number(row, text, member); break;
    }
    return good || refuse(row, text, where, e);
}

/* In the largest unit that divides it: 16777216 is 16MiB. */
static void format_amount(enum setting_type type, uint64_t amount, struct buffer *out)
{
    size_t count;
    const struct unit *units = units_of(type, &count);
    size_t i = count - 1;
    while (i > 0 && amount % units[i].factor != 0)
        i--;
    if (amount == 0) /* every unit divides it; "0s" reads best */
        i = type == SETTING_TIME;
    buffer_printf(out, "%" PRIu64 "%s", amount / units[i].factor, units[i].name);
}

void setting_format(const struct setting *row, const struct settings *s,
                    struct buffer *out)
{
    const void *member = (const char *)s + row->offset;
    if (row->type == SETTING_TEXT) {
        buffer_printf(out, "\"%s\"", (const char *)member);
        return;
    }

    uint64_t value = *(const uint64_t *)member;
    size_t length;
    if (row->type == SETTING_CHOICE) {
        const char *word = word_at(row->words, value, &length);
        buffer_append(out, word, length);
    } else if (may_be_auto(row) && value == auto_value(row)) {
        buffer_text(out, "auto");
    } else {
        format_amount(row->type, value, out);
    }
}

static void allow_words(const struct setting *row, struct buffer *out)
{
    buffer_text(out, "one of ");
    size_t length, next;
    for (size_t i = 0;; i++) {
        const char *word = word_at(row->words, i, &length);
        if (length == 0)
            return;
        word_at(row->words, i + 1, &next);
        if (i > 0)
            buffer_text(out, next ? ", " : " or ");
        buffer_append(out, word, length);
    }
}

static void allow_range(const struct setting *row, const char *what, const char *units,
                        struct buffer *out)
{
    buffer_printf(out, "%s from ", what);
    format_amount(row->type, row->least, out);
    buffer_text(out, " to ");
    format_amount(row->type, row->most, out);
    buffer_text(out, units);
    if (may_be_auto(row))
        buffer_text(out, ", or auto");
}

void setting_allowed(const struct setting *row, struct buffer *out)
{
    switch (row->type) {
    case SETTING_GROUP_TITLE: break;
    case SETTING_TEXT:
        buffer_printf(out, "a text of %" PRIu64 " to %" PRIu64 " bytes without quotes",
                      row->least, row->most);
        break;
    case SETTING_COUNT: allow_range(row, "a whole number", "", out); break;
    case SETTING_SIZE: allow_range(row, "a size", " (KiB, MiB, GiB)", out); break;
    case SETTING_TIME: allow_range(row, "a time", " (ms, s, min)", out); break;
    case SETTING_CHOICE: allow_words(row, out); break;
    }
}
