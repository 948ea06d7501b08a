/* log.h - one line an event on stderr, key=value or JSON.
 *
 *   time=2026-01-31T12:00:00.000Z level=info event=listening port=8080
 *   {"time":"2026-01-31T12:00:00.000Z","level":"info","event":"listening","port":8080}
 *
 * The only global of the process besides its signals: a log that has to be
 * handed to everyone is a log that is not written. Any thread may call; a line is
 * one write(2) of at most 4096 bytes (PIPE_BUF), so lines never mix. Never a body,
 * never a key.
 *
 * Logging cannot stop the service: where nobody reads, a line waits 100 ms at most,
 * those after it not at all, and what is lost is counted and told as an event of
 * its own, log_lines_lost, once there is room again. */
#ifndef SERVICE_LOG_H
#define SERVICE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

const char *log_level_word(enum log_level level); /* "info" */

/* May be called again at any time (SIGHUP). `fd` is borrowed, usually 2. Without
 * it: text on stderr, from LOG_INFO up. Sets SIGPIPE to be ignored, if nobody has
 * set anything else: a reader that left must not end the process. A descriptor that
 * is closed is opened on /dev/null, so that no socket gets its number and the log:
 * call this before there are sockets. */
void log_configure(int fd, enum log_format format, enum log_level least);

/* One pair of a line. The key is ours: letters, digits, '_'. Values are escaped as
 * in JSON strings, in both formats: control bytes, quotes and what is not UTF-8
 * cannot break a line, nor a terminal. Text is cut at 256 bytes. A pair whose text
 * is NULL is left out, and so are those for which the line has no room. */
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
