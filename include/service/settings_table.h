/* settings_table.h - the rows of settings.def, and their values as text. */
#ifndef SERVICE_SETTINGS_TABLE_H
#define SERVICE_SETTINGS_TABLE_H

#include "service/settings.h"

enum setting_type {
    SETTING_GROUP_TITLE, /* no setting: `help` is the heading of those that follow */
    SETTING_TEXT,
    SETTING_COUNT,
    SETTING_SIZE,
    SETTING_TIME,
    SETTING_CHOICE
};

struct setting {
    enum setting_type type;
    const char *name;      /* "queue_depth" */
    const char *otherwise; /* the default, as text */
    uint64_t least, most;  /* in bytes, in milliseconds, or of a text's length */
    const char *words;     /* of a CHOICE: "text json" */
    const char *help;
    size_t offset; /* in struct settings */
};

/* Row i has its source in settings.source[i]. */
extern const struct setting settings_table[];
extern const size_t settings_table_rows;

#define SETTING_PREFIX "ATTENTIOND_"
enum { SETTING_NAME_BYTES = 128, SETTING_SHOWN_BYTES = 72 };

/* "queue_depth" as a flag, "--queue-depth", or as a variable,
 * "ATTENTIOND_QUEUE_DEPTH"; what is too long is cut. */
void setting_spell_flag(const char *name, char flag[SETTING_NAME_BYTES]);
void setting_spell_variable(const char *name, char variable[SETTING_NAME_BYTES]);

/* The start of a text of unknown origin, fit for a message: printable ASCII, at
 * most 64 characters. */
void setting_show(const char *text, char shown[SETTING_SHOWN_BYTES]);

/* The row of the setting called `name`, or NULL. */
const struct setting *setting_find(const char *name);

/* Reads `text` into the row's member. False with `e` set: "<where>: '<text>' is not
 * a whole number from 0 to 65535". */
MUST_USE bool setting_assign(const struct setting *row, const char *text,
                             const char *where, struct settings *s, struct error *e);

/* The value as setting_assign() reads it; a text is quoted. */
void setting_format(const struct setting *row, const struct settings *s,
                    struct buffer *out);

/* What is allowed, as it follows "is not": "a size from 1KiB to 1MiB". */
void setting_allowed(const struct setting *row, struct buffer *out);

#endif
