/* log.h - one line an event on stderr, key=value or JSON.
 *
 * The only global of the process besides its signals: a log that has to be
 * handed to everyone is a log that is not written. Any thread may call; a line is
 * one write(2), so lines never mix. Never a body, never a key. */
#ifndef SERVICE_LOG_H
#define SERVICE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/* May be called again at any time (SIGHUP). `fd` is borrowed, usually 2. */
void log_configure(int fd, enum log_format format, enum log_level least);

/* One pair of a line. Values are escaped: control bytes, quotes and what is not
 * UTF-8 cannot break a line, and text is cut at 256 bytes. */
struct log_pair {
    const char *key;
    enum { LOG_STRING, LOG_INTEGER, LOG_REAL } kind;
    const char *text;
    int64_t integer;
    double real;
};
#define LOG_S(k, v) ((struct log_pair){.key = (k), .kind = LOG_STRING, .text = (v)})
#define LOG_I(k, v) \
    ((struct log_pair){.key = (k), .kind = LOG_INTEGER, .integer = (int64_t)(v)})
#define LOG_R(k, v) ((struct log_pair){.key = (k), .kind = LOG_REAL, .real = (v)})

void log_event(enum log_level level, const char *event, const struct log_pair *pairs,
               size_t count);

/* log_write(LOG_INFO, "listening", LOG_S("address", a), LOG_I("port", p)); */
#define log_write(level, event, ...)                                    \
    log_event((level), (event), (const struct log_pair[]){__VA_ARGS__}, \
              sizeof((const struct log_pair[]){__VA_ARGS__}) /          \
                  sizeof(struct log_pair))

#endif
