#include "service/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codec/utf8.h"
#include "service/clock.h"

enum {
    LINE_BYTES = 4096, /* PIPE_BUF: longer writes to a pipe may be cut in two */
    TEXT_BYTES = 256,
    PATIENCE_MS = 100
};

static _Atomic int least_level = LOG_INFO, line_format = LOG_TEXT;

/* The one lock under which there is I/O: it is what keeps poll()'s answer true
 * until the write(), so that the write does not block. */
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER; /* guards `sink` */
static struct {
    int fd;
    bool stalled;  /* the last line was lost: the next does not wait */
    bool torn;     /* a line was lost after its beginning was written */
    uint64_t lost; /* lines since the last that got through */
} sink = {.fd = STDERR_FILENO};

struct line {
    enum log_format format;
    size_t length;
    bool full; /* something did not fit; the last byte is kept for the newline */
    char bytes[LINE_BYTES];
};

static void put(struct line *l, const char *bytes, size_t length)
{
    size_t closing = l->format == LOG_JSON ? 2 : 1; /* "}\n" */
    l->full = l->full || length > sizeof l->bytes - closing - l->length;
    if (l->full)
        return;
    memcpy(l->bytes + l->length, bytes, length);
    l->length += length;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* C0 and C1 controls, and what turns or breaks a line in a viewer: the line and
 * paragraph separators and the marks that change the direction of writing. */
static bool is_dangerous(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* One character; what is not UTF-8 becomes U+FFFD. Returns the bytes taken. */
static size_t put_escaped(struct line *l, const char *text, size_t length)
{
    uint32_t c;
    size_t taken = utf8_read(text, length, &c);
    char escape[8];
    if (c == UTF8_REPLACEMENT)
        put_text(l, "\xEF\xBF\xBD");
    else if (c == '\n' || c == '\r' || c == '\t')
        put_text(l, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
    else if (is_dangerous(c)) {
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
        put_text(l, escape);
    } else {
        if (c == '"' || c == '\\')
            put_text(l, "\\");
        put(l, text, taken);
    }
    return taken;
}

static bool needs_quotes(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return true;
    }
    return length == 0;
}

static void put_string(struct line *l, const char *text)
{
    size_t length = strnlen(text, TEXT_BYTES);
    bool quotes = l->format == LOG_JSON || needs_quotes(text, length);
    if (quotes)
        put_text(l, "\"");
    for (size_t i = 0; i < length;)
        i += put_escaped(l, text + i, length - i);
    if (quotes)
        put_text(l, "\"");
}

static void put_value(struct line *l, const struct log_pair *pair)
{
    char number[32];
    switch (pair->kind) {
    case LOG_STRING: put_string(l, pair->text); return;
    case LOG_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)pair->integer);
        break;
    case LOG_REAL:
        if (l->format == LOG_JSON && !isfinite(pair->real))
            snprintf(number, sizeof number, "null");
        else
            snprintf(number, sizeof number, "%.6g", pair->real);
    }
    put_text(l, number);
}

/* A pair that does not fit is left out whole, and later ones with it. */
static void put_pair(struct line *l, const struct log_pair *pair)
{
    if (pair->kind == LOG_STRING && !pair->text)
        return;

    size_t before = l->length;
    if (l->format == LOG_JSON) {
        put_text(l, before ? ",\"" : "{\"");
        put_text(l, pair->key);
        put_text(l, "\":");
    } else {
        put_text(l, before ? " " : "");
        put_text(l, pair->key);
        put_text(l, "=");
    }
    put_value(l, pair);
    if (l->full)
        l->length = before;
}

/* RFC 3339, UTC, milliseconds. */
static void put_time(struct line *l)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);

    char seconds[32], text[40];
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%03dZ", seconds, (int)(now.tv_nsec / NS_PER_MS));
    put_pair(l, &LOG_S("time", text));
}

const char *log_level_word(enum log_level level)
{
    static const char *const words[] = {"debug", "info", "warn", "error"};
    return words[level];
}

static void compose(struct line *l, enum log_level level, const char *event,
                    const struct log_pair *pairs, size_t count)
{
    l->format =
        (enum log_format)atomic_load_explicit(&line_format, memory_order_relaxed);
    l->length = 0;
    l->full = false;
    put_time(l);
    put_pair(l, &LOG_S("level", log_level_word(level)));
    put_pair(l, &LOG_S("event", event));
    for (size_t i = 0; i < count; i++)
        put_pair(l, &pairs[i]);

    if (l->format == LOG_JSON)
        l->bytes[l->length++] = '}';
    l->bytes[l->length++] = '\n';
}

/* Needs the lock. The end is a point in time: signals that come faster than the
 * patience ends cannot draw it out. */
static bool wait_for_room(int64_t until_ns)
{
    struct pollfd sinks = {.fd = sink.fd, .events = POLLOUT};
    for (;;) {
        int64_t left_ns = until_ns - clock_now_ns();
        int ready = poll(&sinks, 1, left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0);
        if (ready >= 0 || left_ns <= 0)
            return ready > 0;
    }
}

/* Needs the lock. One write, unless the reader takes less than it has room for. */
static bool deliver(const char *bytes, size_t length)
{
    int64_t until_ns = clock_now_ns() + (sink.stalled ? 0 : PATIENCE_MS * NS_PER_MS);
    for (size_t done = 0; done < length;) {
        ssize_t written = -1;
        if (wait_for_room(until_ns))
            written = write(sink.fd, bytes + done, length - done);
        if (written <= 0) {
            sink.torn = sink.torn || done > 0;
            return false;
        }
        done += (size_t)written;
    }
    return true;
}

/* Needs the lock. */
static bool deliver_losses(void)
{
    if (sink.torn && !deliver("\n", 1))
        return false;
    sink.torn = false;
    if (sink.lost == 0)
        return true;

    struct line line;
    compose(&line, LOG_WARN, "log_lines_lost", &LOG_I("count", sink.lost), 1);
    if (!deliver(line.bytes, line.length))
        return false;
    sink.lost = 0;
    return true;
}

void log_event(enum log_level level, const char *event, const struct log_pair *pairs,
               size_t count)
{
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;

    struct line line;
    compose(&line, level, event, pairs, count);

    int saved = errno; /* callers log on their way out of a failure */
    pthread_mutex_lock(&sink_lock);
    bool delivered = deliver_losses() && deliver(line.bytes, line.length);
    sink.stalled = !delivered;
    if (!delivered)
        sink.lost++;
    pthread_mutex_unlock(&sink_lock);
    errno = saved;
}

/* The number of a closed descriptor is given to the next socket, and the log would be
 * sent to a client. */
static void hold_number(int fd)
{
    if (fd < 0 || fcntl(fd, F_GETFD) >= 0)
        return;
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0 && nowhere != fd) {
        dup2(nowhere, fd);
        close(nowhere);
    }
}

void log_configure(int fd, enum log_format format, enum log_level least)
{
    struct sigaction pipe;
    if (sigaction(SIGPIPE, NULL, &pipe) == 0 && pipe.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    hold_number(fd);

    atomic_store(&line_format, (int)format);
    atomic_store(&least_level, (int)least);
    pthread_mutex_lock(&sink_lock);
    sink.fd = fd;
    pthread_mutex_unlock(&sink_lock);
}
