/* settings.h - the settings of one process: flag > variable > file > default. */
#ifndef SERVICE_SETTINGS_H
#define SERVICE_SETTINGS_H

#include <stdint.h>

#include "base/buffer.h"

enum { SETTING_TEXT_BYTES = 256 };

#define SETTING_C_TYPE_TEXT   char
#define SETTING_C_TYPE_COUNT  uint64_t
#define SETTING_C_TYPE_SIZE   uint64_t
#define SETTING_C_TYPE_TIME   uint64_t
#define SETTING_C_TYPE_CHOICE uint64_t
#define SETTING_ARRAY_TEXT    [SETTING_TEXT_BYTES]
#define SETTING_ARRAY_COUNT
#define SETTING_ARRAY_SIZE
#define SETTING_ARRAY_TIME
#define SETTING_ARRAY_CHOICE

/* settings.port, settings.timeout (ms), settings.log_format (index of the word) */
struct settings {
#define SETTING(name, type, ...) SETTING_C_TYPE_##type name SETTING_ARRAY_##type;
#include "service/settings.def"
#undef SETTING
    uint8_t source[64]; /* enum setting_source of each, in the table's order */
};

enum setting_source { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

/* What the command line asks for besides settings. */
enum settings_action {
    ACTION_RUN,
    ACTION_HELP,
    ACTION_VERSION,
    ACTION_CHECK_CONFIG,
    ACTION_PRINT_CONFIG,
    ACTION_PROBE
};

/* Reads defaults, then the file (--config FILE, else ATTENTIOND_CONFIG, else
 * none), then `environment` (NULL-ended "NAME=value" list, of which unknown
 * ATTENTIOND_ names are refused), then flags (--name value, --name=value).
 * False with `e` set (path: the setting's name) on the first thing that is
 * wrong: an unknown name with the nearest known one, a value out of bounds with
 * the bounds and where it came from. */
MUST_USE bool settings_load(struct settings *s, int argc, char *const argv[],
                            char *const environment[], enum settings_action *action,
                            struct error *e);

/* Only the log level is taken over from a fresh settings_load (SIGHUP). */

void settings_print(const struct settings *s, struct buffer *out); /* --print-config */
void settings_help(struct buffer *out);                            /* --help */
void settings_sample(struct buffer *out); /* config/attentiond.conf: all, commented */

#endif
