/* settings.h - the settings of one process: flag > variable > file > default. */
#ifndef SERVICE_SETTINGS_H
#define SERVICE_SETTINGS_H

#include <stdint.h>

#include "base/buffer.h"

enum { SETTING_TEXT_BYTES = 256 };

#define SETTING_AUTO UINT64_MAX /* `auto`, where 0 is a value of its own */

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
    char config_path[SETTING_TEXT_BYTES]; /* the file that was read; "": none */
    uint8_t source[64]; /* enum setting_source of each, see settings_table.h */
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
 * the bounds and where it came from. --help and --version are answered whatever
 * else is wrong.
 *
 * Not refused are the variables that Kubernetes sets for a Service called
 * attentiond (ATTENTIOND_PORT=tcp://10.0.0.1:8080, ATTENTIOND_SERVICE_HOST, ...):
 * they are not meant for us, and are passed over.
 *
 * The file: `name = value` lines, value bare or in "" or '', # begins a comment;
 * a regular file of at most 64 KiB. A name may stand there only once. */
MUST_USE bool settings_load(struct settings *s, int argc, char *const argv[],
                            char *const environment[], enum settings_action *action,
                            struct error *e);

/* Only the log level is taken over from a fresh settings_load (SIGHUP). */

/* Where /metrics and /metrics/requests are served. False: on the main listener;
 * else at `*bind` (borrowed from `s`) and `*port`. */
bool settings_metrics_listener(const struct settings *s, const char **bind,
                               uint16_t *port);

void settings_print(const struct settings *s, struct buffer *out); /* --print-config */
void settings_help(struct buffer *out);                            /* --help */
void settings_sample(struct buffer *out); /* config/attentiond.conf: all, commented */

#endif
