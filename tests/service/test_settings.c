#include "service/settings.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/settings_table.h"
#include "support/scarce.h"
#include "support/test.h"

enum { MOST_ARGUMENTS = 8 };

/* What one start is given: NULL-ended lists, and the text of a file, or NULL. */
struct start {
    const char *flags[MOST_ARGUMENTS];
    const char *variables[MOST_ARGUMENTS];
    const char *file;
};

static char file_path[] = "/tmp/attentiond-settings-XXXXXX";

static void write_file(const char *text, size_t length)
{
    memcpy(strrchr(file_path, '-'), "-XXXXXX", 8);
    int fd = mkstemp(file_path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
    close(fd);
}

static bool load(const struct start *start, struct settings *s,
                 enum settings_action *action, struct error *e)
{
    char program[] = "attentiond", config[] = "--config";
    char *argv[MOST_ARGUMENTS + 4] = {program};
    int argc = 1;
    if (start->file) {
        write_file(start->file, strlen(start->file));
        argv[argc++] = config;
        argv[argc++] = file_path;
    }
    for (size_t i = 0; start->flags[i]; i++)
        argv[argc++] = strdup(start->flags[i]);
    char *environment[MOST_ARGUMENTS + 1] = {NULL};
    for (size_t i = 0; start->variables[i]; i++)
        environment[i] = strdup(start->variables[i]);

    bool good = settings_load(s, argc, argv, environment, action, e);
    if (start->file)
        unlink(file_path);
    for (int i = start->file ? 3 : 1; i < argc; i++)
        free(argv[i]);
    for (size_t i = 0; environment[i]; i++)
        free(environment[i]);
    return good;
}

static struct settings load_good(const struct start *start)
{
    struct settings s;
    enum settings_action action;
    struct error e = {0};
    ck_assert_msg(load(start, &s, &action, &e), "%s", e.message);
    ck_assert_int_eq(action, ACTION_RUN);
    return s;
}

/* The message of a start that must fail; file names in it are "FILE". */
static const char *load_bad(const struct start *start, struct error *e)
{
    static char message[sizeof e->message];
    struct settings s;
    enum settings_action action;
    *e = (struct error){0};
    ck_assert_msg(!load(start, &s, &action, e), "was accepted");
    ck_assert_int_eq(e->code, ERROR_INVALID_INPUT);

    char *path = start->file ? strstr(e->message, file_path) : NULL;
    if (path)
        snprintf(message, sizeof message, "%.*sFILE%s", (int)(path - e->message),
                 e->message, path + strlen(file_path));
    else
        snprintf(message, sizeof message, "%s", e->message);
    return message;
}

START_TEST(without_anything_everything_is_at_its_default)
{
    struct settings s = load_good(&(struct start){.file = NULL});
    ck_assert_str_eq(s.bind, "127.0.0.1");
    ck_assert_uint_eq(s.port, 8080);
    ck_assert_uint_eq(s.http_threads, 2);
    ck_assert_uint_eq(s.workers, 0);
    ck_assert_uint_eq(s.queue_depth, 0);
    ck_assert_uint_eq(s.memory_limit, 0);
    ck_assert_uint_eq(s.metrics_port, SETTING_AUTO);
    ck_assert_uint_eq(s.timeout, 30000);
    ck_assert_uint_eq(s.body_limit, 16 << 20);
    ck_assert_uint_eq(s.max_map_numbers, 64 << 20);
    ck_assert_uint_eq(s.drain_delay, 0);
    ck_assert_uint_eq(s.log_format, 0);
    ck_assert_uint_eq(s.log_level, 1);
}
END_TEST

START_TEST(a_setting_may_come_from_everywhere)
{
    struct settings s = load_good(&(struct start){
        .flags = {"--queue-depth", "7", "--timeout=500ms"},
        .variables = {"ATTENTIOND_BODY_LIMIT=2MiB", "PATH=/bin", "NOTHING"},
        .file = "workers = 3\nlog_level = 'warn'\n"});
    ck_assert_uint_eq(s.queue_depth, 7);
    ck_assert_uint_eq(s.timeout, 500);
    ck_assert_uint_eq(s.body_limit, 2 << 20);
    ck_assert_uint_eq(s.workers, 3);
    ck_assert_uint_eq(s.log_level, 2);
}
END_TEST

START_TEST(a_flag_beats_a_variable_beats_the_file)
{
    struct settings s = load_good(
        &(struct start){.flags = {"--port", "1"},
                        .variables = {"ATTENTIOND_PORT=2", "ATTENTIOND_WORKERS=2"},
                        .file = "port = 3\nworkers = 3\nmax_heads = 3\n"});
    ck_assert_uint_eq(s.port, 1);
    ck_assert_uint_eq(s.workers, 2);
    ck_assert_uint_eq(s.max_heads, 3);
}
END_TEST

START_TEST(of_two_flags_the_last_counts)
{
    struct settings s =
        load_good(&(struct start){.flags = {"--port", "1", "--port", "2"}});
    ck_assert_uint_eq(s.port, 2);
}
END_TEST

START_TEST(a_value_is_read_with_its_unit)
{
    static const struct {
        const char *flag;
        uint64_t body_limit, timeout;
    } rows[] = {
        {"--body-limit=1024", 1024, 30000},   {"--body-limit=3KiB", 3072, 30000},
        {"--body-limit=3 KiB", 3072, 30000},  {"--body-limit=4GiB", 4294967296, 30000},
        {"--timeout=1ms", 16 << 20, 1},       {"--timeout=2s", 16 << 20, 2000},
        {"--timeout=3min", 16 << 20, 180000}, {"--timeout=3 min", 16 << 20, 180000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s = load_good(&(struct start){.flags = {rows[i].flag}});
        ck_assert_msg(s.body_limit == rows[i].body_limit &&
                          s.timeout == rows[i].timeout,
                      "%s", rows[i].flag);
    }
}
END_TEST

START_TEST(auto_may_be_said_aloud)
{
    struct settings s = load_good(&(struct start){
        .flags = {"--workers=auto", "--metrics-port=auto"}, .file = "workers = 9"});
    ck_assert_uint_eq(s.workers, 0);
    ck_assert_uint_eq(s.metrics_port, SETTING_AUTO);
}
END_TEST

START_TEST(what_is_wrong_is_said_in_one_line)
{
    static const struct {
        struct start start;
        const char *path, *message;
    } rows[] = {
        {{.variables = {"ATTENTIOND_PORT=99999"}},
         "port",
         "ATTENTIOND_PORT: '99999' is not a whole number from 0 to 65535"},
        {{.flags = {"--port=-1"}},
         "port",
         "--port: '-1' is not a whole number from 0 to 65535"},
        {{.flags = {"--port", "0x10"}},
         "port",
         "--port: '0x10' is not a whole number from 0 to 65535"},
        {{.flags = {"--port", ""}},
         "port",
         "--port: '' is not a whole number from 0 to 65535"},
        {{.flags = {"--port", "auto"}},
         "port",
         "--port: 'auto' is not a whole number from 0 to 65535"},
        {{.flags = {"--port", "18446744073709551617"}},
         "port",
         "--port: '18446744073709551617' is not a whole number from 0 to 65535"},
        {{.flags = {"--body-limit", "18014398509481985KiB"}},
         "body_limit",
         "--body-limit: '18014398509481985KiB' is not a size from 1KiB to 4GiB (KiB, "
         "MiB, GiB)"},
        {{.flags = {"--workers=0"}},
         "workers",
         "--workers: '0' is not a whole number from 1 to 256, or auto"},
        {{.file = "# first\n\nqueue_depth = many # second\n"},
         "queue_depth",
         "FILE:3: queue_depth: 'many' is not a whole number from 1 to 65536, or auto"},
        {{.flags = {"--body-limit=16MB"}},
         "body_limit",
         "--body-limit: '16MB' is not a size from 1KiB to 4GiB (KiB, MiB, GiB)"},
        {{.flags = {"--body-limit=1.5MiB"}},
         "body_limit",
         "--body-limit: '1.5MiB' is not a size from 1KiB to 4GiB (KiB, MiB, GiB)"},
        {{.flags = {"--timeout=30"}},
         "timeout",
         "--timeout: '30' has no unit: write 30ms, 30s or 30min"},
        {{.flags = {"--timeout=0s"}},
         "timeout",
         "--timeout: '0s' is not a time from 1ms to 60min (ms, s, min)"},
        {{.flags = {"--drain-delay=61min"}},
         "drain_delay",
         "--drain-delay: '61min' is not a time from 0s to 60min (ms, s, min)"},
        {{.flags = {"--memory-limit=1"}},
         "memory_limit",
         "--memory-limit: '1' is not a size from 1MiB to 1024GiB (KiB, MiB, GiB), or "
         "auto"},
        {{.flags = {"--log-level=loud"}},
         "log_level",
         "--log-level: 'loud' is not one of debug, info, warn or error"},
        {{.flags = {"--log-format="}},
         "log_format",
         "--log-format: '' is not one of text or json"},
        {{.flags = {"--bind="}},
         "bind",
         "--bind: '' is not a text of 1 to 255 bytes without quotes"},
        {{.flags = {"--bind=\"a\""}},
         "bind",
         "--bind: '\"a\"' is not a text of 1 to 255 bytes without quotes"},
        {{.variables = {"ATTENTIOND_BIND=a\x1b[1m\n"}},
         "bind",
         "ATTENTIOND_BIND: 'a?[1m?' is not a text of 1 to 255 bytes without quotes"},
        {{.flags = {"--queue-dept", "3"}},
         "",
         "'--queue-dept' is not a setting; did you mean --queue-depth?"},
        {{.flags = {"--queue_depth", "3"}},
         "",
         "'--queue_depth' is not a setting; did you mean --queue-depth?"},
        {{.flags = {"--chek-config"}},
         "",
         "'--chek-config' is not a setting; did you mean --check-config?"},
        {{.flags = {"--something-else"}}, "", "'--something-else' is not a setting"},
        {{.flags = {"8080"}}, "", "'8080' is not a setting"},
        {{.flags =
              {"--abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789xyz"}},
         "",
         "'--abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789...' is not "
         "a "
         "setting"},
        {{.flags = {"--port"}}, "port", "--port: needs a value"},
        {{.flags = {"--config"}}, "config", "--config: needs a value"},
        {{.variables = {"ATTENTIOND_QUEUE_DEPHT=3"}},
         "",
         "'ATTENTIOND_QUEUE_DEPHT' is not a setting; did you mean "
         "ATTENTIOND_QUEUE_DEPTH?"},
        {{.variables = {"ATTENTIOND_CONFG=3"}},
         "",
         "'ATTENTIOND_CONFG' is not a setting; did you mean ATTENTIOND_CONFIG?"},
        {{.file = "prot = 3"},
         "",
         "FILE:1: 'prot' is not a setting; did you mean port?"},
        {{.file = "port = 3\n\nport = 3"},
         "port",
         "FILE:3: port stands in line 1, too"},
        {{.file = "port 3"}, "config", "FILE:1: is not 'name = value'"},
        {{.file = "= 3"}, "config", "FILE:1: is not 'name = value'"},
        {{.file = "port = 3\n[section]\n"}, "config", "FILE:2: is not 'name = value'"},
        {{.file = "the port = 3"}, "config", "FILE:1: is not 'name = value'"},
        {{.file = "bind = \"a\n"}, "config", "FILE:1: the closing quote is missing"},
        {{.file = "bind = 'a' b\n"},
         "config",
         "FILE:1: there is something behind the closing quote"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error e;
        ck_assert_str_eq(load_bad(&rows[i].start, &e), rows[i].message);
        ck_assert_str_eq(e.path, rows[i].path);
    }
}
END_TEST

START_TEST(a_wrong_value_is_refused_even_where_a_stronger_one_hides_it)
{
    struct error e;
    const char *message =
        load_bad(&(struct start){.flags = {"--port", "1"}, .file = "port = none"}, &e);
    ck_assert_str_eq(message,
                     "FILE:1: port: 'none' is not a whole number from 0 to 65535");
}
END_TEST

START_TEST(a_file_is_written_as_people_write_files)
{
    struct settings s =
        load_good(&(struct start){.file = &"\xEF\xBB\xBF"[3]}); /* nothing at all */
    ck_assert_uint_eq(s.port, 8080);

    s = load_good(&(struct start){.file = "# a comment\n"
                                          "   # another\r\n"
                                          "\t\n"
                                          "port=1\r\n"
                                          "  workers\t=\t2\t# two\n"
                                          "bind = unix:/run/a#b.sock # not a comment\n"
                                          "metrics_bind = '' # empty\n"
                                          "timeout = \"3 s\"\n"
                                          "log_level = error"});
    ck_assert_uint_eq(s.port, 1);
    ck_assert_uint_eq(s.workers, 2);
    ck_assert_str_eq(s.bind, "unix:/run/a#b.sock");
    ck_assert_str_eq(s.metrics_bind, "");
    ck_assert_uint_eq(s.timeout, 3000);
    ck_assert_uint_eq(s.log_level, 3);

    s = load_good(&(struct start){.file = "bind = 'a # b'\nmetrics_bind = # none\n"});
    ck_assert_str_eq(s.bind, "a # b");
    ck_assert_str_eq(s.metrics_bind, "");
}
END_TEST

static bool load_path(const char *path, struct error *e)
{
    char variable[1024];
    snprintf(variable, sizeof variable, "ATTENTIOND_CONFIG=%s", path);
    struct settings s;
    enum settings_action action;
    return load(&(struct start){.variables = {variable}}, &s, &action, e);
}

START_TEST(only_a_regular_file_of_text_is_read)
{
    struct error e = {0};
    ck_assert(!load_path("/dev/zero", &e));
    ck_assert_str_eq(e.message, "/dev/zero: is not a regular file");

    e = (struct error){0};
    ck_assert(!load_path("/no/such/file", &e));
    ck_assert_str_eq(e.message, "/no/such/file: No such file or directory");

    e = (struct error){0};
    ck_assert(!load_path("/proc/self/mem", &e)); /* regular, but cannot be read at 0 */
    ck_assert_str_eq(e.message, "/proc/self/mem: Input/output error");

    e = (struct error){0};
    write_file("port = 1\0\n", 10);
    ck_assert(!load_path(file_path, &e));
    unlink(file_path);
    ck_assert_ptr_nonnull(strstr(e.message, ": is not a text"));

    e = (struct error){0};
    ck_assert_int_eq(mkfifo(file_path, 0600), 0);
    ck_assert(!load_path(file_path, &e));
    unlink(file_path);
    ck_assert_ptr_nonnull(strstr(e.message, ": is not a regular file"));
}
END_TEST

START_TEST(a_file_has_a_ceiling)
{
    static char text[65537];
    memset(text, '\n', sizeof text);
    struct error e = {0};
    write_file(text, 65536);
    ck_assert_msg(load_path(file_path, &e), "%s", e.message);
    unlink(file_path);

    write_file(text, 65537);
    ck_assert(!load_path(file_path, &e));
    unlink(file_path);
    ck_assert_ptr_nonnull(strstr(e.message, ": is larger than 65536 bytes"));
}
END_TEST

START_TEST(the_file_of_the_flag_beats_that_of_the_variable)
{
    struct settings s = load_good(&(struct start){
        .variables = {"ATTENTIOND_CONFIG=/no/such/file"}, .file = "port = 5"});
    ck_assert_uint_eq(s.port, 5);
    ck_assert_str_eq(s.config_path, file_path);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
    char path[600] = {0};
    memset(path, 'x', sizeof path - 1);
    struct error e = {0};
    ck_assert(!load_path(path, &e));
    ck_assert_str_eq(e.message, "ATTENTIOND_CONFIG: is longer than 255 bytes");
}
END_TEST

START_TEST(variables_of_kubernetes_services_are_passed_over)
{
    struct settings s = load_good(
        &(struct start){.variables = {"ATTENTIOND_SERVICE_HOST=10.0.0.1",
                                      "ATTENTIOND_SERVICE_PORT=8080",
                                      "ATTENTIOND_PORT=tcp://10.0.0.1:8080",
                                      "ATTENTIOND_PORT_8080_TCP=tcp://10.0.0.1:8080",
                                      "ATTENTIOND_PORT_8080_TCP_ADDR=10.0.0.1",
                                      "ATTENTIOND_METRICS_PORT=tcp://10.0.0.1:9090"}});
    ck_assert_uint_eq(s.port, 8080);
    ck_assert_uint_eq(s.metrics_port, SETTING_AUTO);
}
END_TEST

START_TEST(an_action_is_asked_for_by_a_flag)
{
    static const struct {
        const char *flag;
        enum settings_action action;
    } rows[] = {{"--help", ACTION_HELP},
                {"-h", ACTION_HELP},
                {"--version", ACTION_VERSION},
                {"--check-config", ACTION_CHECK_CONFIG},
                {"--print-config", ACTION_PRINT_CONFIG},
                {"--probe", ACTION_PROBE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s;
        enum settings_action action;
        struct error e = {0};
        struct start start = {.flags = {"--port=1", rows[i].flag}};
        ck_assert_msg(load(&start, &s, &action, &e), "%s", e.message);
        ck_assert_int_eq(action, rows[i].action);
    }
}
END_TEST

START_TEST(help_is_given_whatever_else_is_wrong)
{
    struct settings s;
    enum settings_action action;
    struct error e = {0};
    struct start start = {.flags = {"--nonsense", "--version"},
                          .variables = {"ATTENTIOND_PORT=x"}};
    ck_assert(load(&start, &s, &action, &e));
    ck_assert_int_eq(action, ACTION_VERSION);
}
END_TEST

START_TEST(metrics_get_a_listener_when_either_half_of_it_is_set)
{
    static const struct {
        struct start start;
        bool own;
        const char *address;
        uint16_t port;
    } rows[] = {
        {{.file = NULL}, false, "127.0.0.1", 8080},
        {{.flags = {"--metrics-port=9090"}}, true, "127.0.0.1", 9090},
        {{.flags = {"--metrics-port=0", "--bind=::1"}}, true, "::1", 0},
        {{.flags = {"--metrics-bind=::1"}}, true, "::1", 8080},
        {{.flags = {"--metrics-bind=::1", "--metrics-port=1"}}, true, "::1", 1},
        {{.flags = {"--bind=unix:/run/a", "--metrics-port=1"}}, true, "127.0.0.1", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s = load_good(&rows[i].start);
        const char *address;
        uint16_t port;
        ck_assert_int_eq(settings_metrics_listener(&s, &address, &port), rows[i].own);
        ck_assert_str_eq(address, rows[i].address);
        ck_assert_uint_eq(port, rows[i].port);
    }
}
END_TEST

START_TEST(two_listeners_cannot_have_one_address)
{
    struct error e;
    load_bad(&(struct start){.flags = {"--metrics-port=8080"}}, &e);
    ck_assert_str_eq(e.path, "metrics_port");
    load_bad(&(struct start){.flags = {"--metrics-bind=127.0.0.1"}}, &e);
    load_good(&(struct start){.flags = {"--port=0", "--metrics-port=0"}});
}
END_TEST

START_TEST(a_certificate_and_its_key_belong_together)
{
    struct error e;
    load_bad(&(struct start){.flags = {"--tls-certificate=/a"}}, &e);
    ck_assert_str_eq(e.path, "tls_key");
    load_bad(&(struct start){.flags = {"--tls-key=/a"}}, &e);
    ck_assert_str_eq(e.path, "tls_certificate");
    load_good(&(struct start){.flags = {"--tls-certificate=/a", "--tls-key=/b"}});
}
END_TEST

START_TEST(what_is_printed_says_where_it_came_from)
{
    struct settings s =
        load_good(&(struct start){.flags = {"--port=1"},
                                  .variables = {"ATTENTIOND_TIMEOUT=90s"},
                                  .file = "body_limit = 1536KiB"});
    struct buffer out;
    buffer_init(&out, 1 << 16);
    settings_print(&s, &out);
    size_t length;
    char *text = buffer_take(&out, &length);

    char file_line[512];
    snprintf(file_line, sizeof file_line,
             "\nbody_limit = 1536KiB               # file %s\n", file_path);
    ck_assert_ptr_nonnull(
        strstr(text, "\nport = 1                           # --port\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\ntimeout = 90s                      # ATTENTIOND_TIMEOUT\n"));
    ck_assert_ptr_nonnull(strstr(text, file_line));
    ck_assert_ptr_nonnull(
        strstr(text, "\nworkers = auto                     # default\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\nlog_level = info                   # default\n"));
    free(text);
}
END_TEST

START_TEST(what_is_printed_can_be_read_again)
{
    struct settings s = load_good(
        &(struct start){.flags = {"--bind=unix:/run/my dir/#1", "--timeout=90s"},
                        .file = "log_format = json\nworkers = 4"});
    struct buffer out;
    buffer_init(&out, 1 << 16);
    settings_print(&s, &out);
    size_t length;
    char *text = buffer_take(&out, &length);
    struct settings again = load_good(&(struct start){.file = text});
    free(text);

    memcpy(again.source, s.source, sizeof s.source);
    memcpy(again.config_path, s.config_path, sizeof s.config_path);
    ck_assert_mem_eq(&s, &again, sizeof s);
}
END_TEST

/* Calls `write` with every small ceiling: it says so, and does not crash. */
static void survive_small_buffers(void (*write)(struct buffer *))
{
    for (size_t limit = 1; limit < 3000; limit += 7) {
        struct buffer out;
        buffer_init(&out, limit);
        write(&out);
        ck_assert(out.failed);
        buffer_free(&out);
    }
}

START_TEST(help_knows_every_setting_and_action)
{
    struct buffer out;
    buffer_init(&out, 1 << 16);
    settings_help(&out);
    size_t length;
    char *text = buffer_take(&out, &length);
    static const char *const words[] = {
        "\nThreads and the queue:\n",
        "\n  --queue-depth N           Requests waiting before one is refused with "
        "503;\n"
        "                            auto: 64 x workers. A whole number from 1 to "
        "65536,\n"
        "                            or auto; default auto.\n",
#define SETTING(name, ...) #name,
#include "service/settings.def"
#undef SETTING
    };
    for (char *c = text; *c; c++) /* flags are spelt with '-' */
        if (*c == '-' && c[1] != '-' && c[-1] != ' ' && c[-1] != '-')
            *c = '_';
    for (size_t i = 2; i < sizeof words / sizeof *words; i++)
        ck_assert_msg(strstr(text, words[i]) != NULL, "%s", words[i]);
    ck_assert_ptr_nonnull(strstr(text, words[0]));

    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 80);
    free(text);
    survive_small_buffers(settings_help);
    survive_small_buffers(settings_sample);
}
END_TEST

START_TEST(a_heading_takes_no_value)
{
    struct settings s;
    struct error e = {0};
    ck_assert_int_eq(settings_table[0].type, SETTING_GROUP_TITLE);
    ck_assert(!setting_assign(&settings_table[0], "1", "here", &s, &e));
}
END_TEST

START_TEST(without_memory_nothing_is_half_done)
{
    write_file("port = 1", 8);
    char config[300];
    snprintf(config, sizeof config, "ATTENTIOND_CONFIG=%s", file_path);
    char program[] = "attentiond", wrong[] = "ATTENTIOND_WORKERS=0";
    char *argv[] = {program, NULL};
    struct settings s;
    enum settings_action action;
    struct error no_file = {0}, no_words = {0};
    struct buffer out;
    buffer_init(&out, 4096);
    if (scarce_memory_begin()) {
        bool read =
            settings_load(&s, 1, argv, (char *[]){config, NULL}, &action, &no_file);
        bool good =
            settings_load(&s, 1, argv, (char *[]){wrong, NULL}, &action, &no_words);
        settings_help(&out);
        scarce_memory_end();
        ck_assert(!read && !good && out.failed);
        buffer_free(&out);
        out.data = malloc(out.limit); /* room for all but the values */
        ck_assert_ptr_nonnull(out.data);
        out.capacity = out.limit;
        scarce_memory_begin();
        settings_print(&s, &out);
        scarce_memory_end();
        ck_assert(out.failed);
        ck_assert_int_eq(no_file.code, ERROR_OUT_OF_MEMORY);
        ck_assert_str_eq(no_words.message, "ATTENTIOND_WORKERS: '0' is not ");
    }
    unlink(file_path);
}
END_TEST

START_TEST(any_file_is_read_or_refused)
{
    static const char *const pieces[] = {
        "port", "queue_depth", "bind", "=",    " = ",  "\n",     "\r\n",
        "#",    "\"",          "'",    "8080", "auto", "unix:x", " ",
        "\t",   "timeout",     "3s",   "\xff", "[x]",  "="};
    struct test_random random = {6};
    size_t good = 0;
    for (int round = 0; round < 500; round++) {
        char text[512] = "";
        for (size_t i = test_random_size(&random, 0, 20); i > 0; i--)
            strcat(text, pieces[test_random_size(&random, 0, 19)]);
        struct settings s;
        enum settings_action action;
        struct error e = {0};
        struct start start = {.file = text};
        if (load(&start, &s, &action, &e)) {
            good++;
            ck_assert_uint_le(s.port, 65535);
        } else {
            ck_assert_int_eq(e.code, ERROR_INVALID_INPUT);
            ck_assert_msg(strncmp(e.message, file_path, strlen(file_path)) == 0, "%s",
                          e.message);
        }
    }
    ck_assert_uint_gt(good, 0);
}
END_TEST

TEST_PROGRAM("settings", without_anything_everything_is_at_its_default,
             a_setting_may_come_from_everywhere, a_flag_beats_a_variable_beats_the_file,
             of_two_flags_the_last_counts, a_value_is_read_with_its_unit,
             auto_may_be_said_aloud, what_is_wrong_is_said_in_one_line,
             a_wrong_value_is_refused_even_where_a_stronger_one_hides_it,
             a_file_is_written_as_people_write_files,
             only_a_regular_file_of_text_is_read, a_file_has_a_ceiling,
             the_file_of_the_flag_beats_that_of_the_variable,
             a_path_that_is_too_long_is_refused,
             variables_of_kubernetes_services_are_passed_over,
             an_action_is_asked_for_by_a_flag, help_is_given_whatever_else_is_wrong,
             metrics_get_a_listener_when_either_half_of_it_is_set,
             two_listeners_cannot_have_one_address,
             a_certificate_and_its_key_belong_together,
             what_is_printed_says_where_it_came_from, what_is_printed_can_be_read_again,
             help_knows_every_setting_and_action, a_heading_takes_no_value,
             without_memory_nothing_is_half_done, any_file_is_read_or_refused)
