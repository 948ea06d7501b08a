/* main.c - wires the parts, and waits for signals. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "http/drain.h"
#include "http/listener.h"
#include "http/probe.h"
#include "http/server.h"
#include "service/clock.h"
#include "service/kept_memory.h"
#include "service/log.h"
#include "service/machine.h"
#include "service/precautions.h"
#include "service/syscall_filter.h"

enum { EXIT_HUNG = 70, EXIT_CONFIG = 78 }; /* EX_SOFTWARE, EX_CONFIG of sysexits.h */

static sigset_t signals_read(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

/* Signals are read from a descriptor by the main thread. They are blocked before any
 * library is set up: the threads that OpenBLAS starts then inherit it and take none
 * away, and one that comes while the settings are read, or while the process starts
 * itself again, waits for its turn. */
static void block_signals(void)
{
    const sigset_t set = signals_read();
    sigprocmask(SIG_BLOCK, &set, NULL);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const first)(void) = block_signals;

/* Who only asks for a text, or for a probe, may be interrupted. */
static void unblock_signals(void)
{
    const sigset_t set = signals_read();
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* OpenBLAS starts its threads when it is loaded, before main: so the variable must
 * be there when the process starts. That it is there ends the recursion. */
static void start_again_for_blas(char *argv[])
{
    static const char variable[] = "OPENBLAS_NUM_THREADS";
    const char *threads = getenv(variable);
    if (threads && strcmp(threads, "1") == 0)
        return;

    /* By its real path, because the process is listed under the last part of it. */
    char path[PATH_MAX];
    /* GCOVR_EXCL_START: the counters go with the process image. */
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length > 0 && setenv(variable, "1", 1) == 0) {
        path[length] = '\0';
        execv(path, argv);
    }
    /* GCOVR_EXCL_STOP */
    /* Where that cannot be, we go on: the service sets one thread a call itself, and
     * only the idle threads are too many. */
}

static int print(struct buffer *text)
{
    bool whole =
        !text->failed && fwrite(text->data, 1, text->length, stdout) == text->length;
    buffer_free(text);
    if (whole && fflush(stdout) == 0)
        return EXIT_SUCCESS;
    static const char failure[] = "attentiond: this cannot be printed\n";
    ssize_t written = write(STDERR_FILENO, failure, sizeof failure - 1);
    (void)written; /* then nobody hears it */
    return EXIT_FAILURE;
}

static int run_probe(const struct settings *settings)
{
    char line[512];
    bool ready = probe(settings, line, sizeof line);
    puts(line);
    return ready ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Each connection is a descriptor; the soft limit is often far below what the
 * process may have. Where even that is too little, connections are refused earlier,
 * instead of waiting unseen. */
static void fit_descriptor_limit(struct settings *settings)
{
    enum { OTHERS = 64 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return; /* GCOVR_EXCL_LINE: for a call that cannot fail */
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return; /* GCOVR_EXCL_LINE: it did not fail before */
    if (limit.rlim_cur >= settings->connection_limit + OTHERS)
        return;
    settings->connection_limit = limit.rlim_cur > (rlim_t)2 * OTHERS
                                     ? limit.rlim_cur - OTHERS
                                     : limit.rlim_cur / 2;
    log_write(LOG_WARN, "descriptors", LOG_I("limit", limit.rlim_cur),
              LOG_I("connection_limit", settings->connection_limit));
}

static bool open_signals(int *fd, struct error *e)
{
    const sigset_t set = signals_read();
    signal(SIGPIPE, SIG_IGN);
    *fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *fd >= 0 || error_set(e, ERROR_INTERNAL, "", "no descriptor for signals");
}

/* 0 when there is none. */
static int next_signal(int signals)
{
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == (ssize_t)sizeof info
               ? (int)info.ssi_signo
               : 0;
}

static void reload_log_level(int argc, char *argv[])
{
    struct settings fresh;
    enum settings_action action;
    struct error e = {0};
    if (settings_load(&fresh, argc, argv, environ, &action, &e)) {
        log_configure(STDERR_FILENO, (enum log_format)fresh.log_format,
                      (enum log_level)fresh.log_level);
        log_write(LOG_INFO, "reloaded",
                  LOG_S("log_level", log_level_word((enum log_level)fresh.log_level)));
    } else {
        log_write(LOG_ERROR, "reload", LOG_S("error", e.message));
    }
}

static void log_start(const struct server *server, const struct info *info,
                      int64_t started_ns)
{
    log_write(LOG_INFO, "ready", LOG_S("version", info->version),
              LOG_S("address", server_address(server)),
              LOG_S("metrics_address", server_metrics_address(server)),
              LOG_I("workers", info->workers),
              LOG_I("http_threads", info->http_threads), LOG_I("cpus", info->cpus),
              LOG_I("cpus_online", info->cpus_online),
              LOG_I("cpus_affinity", info->cpus_affinity),
              LOG_R("cpus_quota", info->cpus_quota), LOG_I("memory", info->memory),
              LOG_I("memory_limit", info->memory_limit),
              LOG_I("queue_depth", info->queue_depth), LOG_S("blas", info->blas),
              LOG_S("simd", info->simd),
              LOG_I("ms", (clock_now_ns() - started_ns) / NS_PER_MS));
}

/* What hangs uses what would be freed, and OpenBLAS would wait for it at the exit. */
/* GCOVR_EXCL_START: the counters go with _exit(); tests/api/stuck.test.js. */
static _Noreturn void leave_hung(void)
{
    log_write(LOG_ERROR, "hung", LOG_I("exit_code", EXIT_HUNG));
    _exit(EXIT_HUNG);
}
/* GCOVR_EXCL_STOP */

static void look_after(struct site *site)
{
    kept_memory_return(atomic_load(&site->memory.spent), site->memory.limit,
                       atomic_load(&site->in_flight) == 0);
    atomic_store(&site->hung,
                 attention_service_stuck(site->service) >= site->settings->workers);
}

static void serve(struct server *server, struct site *site, int signals, int argc,
                  char *argv[])
{
    enum { TURN_MS = 1000 };
    int64_t looked_ns = clock_now_ns();
    for (;;) {
        bool signalled = server_accept(server, signals, TURN_MS);
        if (clock_now_ns() - looked_ns >= NS_PER_S) {
            look_after(site);
            looked_ns = clock_now_ns();
        }
        if (!signalled)
            continue;
        int signal_number = next_signal(signals);
        if (signal_number == SIGHUP) {
            reload_log_level(argc, argv);
            site_reload(site);
        } else if (signal_number) {
            log_write(LOG_INFO, "stopping", LOG_S("signal", strsignal(signal_number)));
            if (!drain(server, site, signals))
                leave_hung(); /* GCOVR_EXCL_LINE */
            return;
        }
    }
}

static bool start_and_serve(struct settings *s, int signals, int argc, char *argv[],
                            struct error *e)
{
    int64_t started_ns = clock_now_ns();
    struct machine machine;
    machine_inspect("", &machine);

    struct site site;
    struct server *server = NULL;
    if (site_open(&site, s, &machine, e))
        server = server_new(&site, e);
    /* All threads are there, and all that is to be loaded. */
    bool unlinks = listener_is_file(s->bind) || listener_is_file(s->metrics_bind);
    bool fit =
        server && syscall_filter_install((enum syscall_filter)s->seccomp, unlinks, e);
    if (fit) {
        precautions_warn(s, geteuid());
        log_start(server, &site.info, started_ns);
        serve(server, &site, signals, argc, argv);
    }
    if (server)
        server_delete(server);
    site_close(&site);
    return fit;
}

static int run(struct settings *s, int argc, char *argv[])
{
    int signals;
    struct error e = {0};
    bool can_be_stopped = open_signals(&signals, &e);
    start_again_for_blas(argv);
    kept_memory_configure();
    log_configure(STDERR_FILENO, (enum log_format)s->log_format,
                  (enum log_level)s->log_level);
    fit_descriptor_limit(s);

    bool served = can_be_stopped && (s->core_dumps || precautions_no_core_dumps(&e)) &&
                  start_and_serve(s, signals, argc, argv, &e);
    if (!served)
        log_write(LOG_ERROR, "start", LOG_S("error", e.message));
    if (e.code == ERROR_DEADLINE)
        leave_hung(); /* GCOVR_EXCL_LINE */
    close(signals);
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
    static struct settings settings;
    enum settings_action action = ACTION_RUN;
    struct error e = {0};
    if (!settings_load(&settings, argc, argv, environ, &action, &e)) {
        fprintf(stderr, "attentiond: %s\n", e.message);
        return EXIT_CONFIG;
    }
    bool starts = action == ACTION_RUN || action == ACTION_CHECK_CONFIG;
    if (starts && !site_check(&settings, &e)) {
        fprintf(stderr, "attentiond: %s\n", e.message);
        return EXIT_CONFIG;
    }
    if (action != ACTION_RUN)
        unblock_signals();
    struct buffer text;
    buffer_init(&text, 1 << 20);
    switch (action) {
    case ACTION_HELP: settings_help(&text); return print(&text);
    case ACTION_VERSION:
        buffer_text(&text, "attentiond " ATTENTIOND_VERSION "\n");
        return print(&text);
    case ACTION_CHECK_CONFIG:
        buffer_text(&text, "the settings are valid\n");
        return print(&text);
    case ACTION_PRINT_CONFIG: settings_print(&settings, &text); return print(&text);
    case ACTION_PROBE: return run_probe(&settings);
    case ACTION_RUN: break;
    }
    return run(&settings, argc, argv);
}
