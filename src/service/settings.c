#include "service/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/spelling.h"
#include "service/settings_file.h"
#include "service/settings_table.h"

enum { WHERE_BYTES = SETTING_TEXT_BYTES + 64 };

static const struct {
    const char *flag;
    enum settings_action action;
} actions[] = {
    {"--help", ACTION_HELP},
    {"-h", ACTION_HELP},
    {"--version", ACTION_VERSION},
    {"--check-config", ACTION_CHECK_CONFIG},
    {"--print-config", ACTION_PRINT_CONFIG},
    {"--probe", ACTION_PROBE},
};
enum { ACTIONS = sizeof actions / sizeof *actions, NAMES = 64 + ACTIONS + 1 };

static void spell_key(const char *name, char key[SETTING_NAME_BYTES])
{
    snprintf(key, SETTING_NAME_BYTES, "%s", name);
}

/* The setting that `spell` writes as `word`, or NULL. */
static const struct setting *find_spelt(const char *word,
                                        void (*spell)(const char *, char *))
{
    char spelt[SETTING_NAME_BYTES];
    for (size_t i = 0; i < settings_table_rows; i++) {
        if (!settings_table[i].name)
            continue;
        spell(settings_table[i].name, spelt);
        if (strcmp(spelt, word) == 0)
            return &settings_table[i];
    }
    return NULL;
}

/* Refuses `word` ("is not a setting"), naming the nearest of all settings as
 * `spell` writes them, and of `others`. */
static bool refuse_name(const char *where, const char *word,
                        void (*spell)(const char *, char *), const char *const *others,
                        size_t other_count, struct error *e)
{
    char spelt[NAMES][SETTING_NAME_BYTES];
    const char *names[NAMES];
    size_t count = 0;
    for (size_t i = 0; i < settings_table_rows; i++)
        if (settings_table[i].name) {
            spell(settings_table[i].name, spelt[count]);
            names[count] = spelt[count];
            count++;
        }
    for (size_t i = 0; i < other_count; i++)
        names[count++] = others[i];

    char shown[SETTING_SHOWN_BYTES];
    setting_show(word, shown);
    const char *nearest = spelling_nearest(word, names, count);
    return error_set(e, ERROR_INVALID_INPUT, "", "%s'%s' is not a setting%s%s%s", where,
                     shown, nearest ? "; did you mean " : "", nearest ? nearest : "",
                     nearest ? "?" : "");
}

/* Sources are read from the strongest to the weakest: a value that comes after a
 * stronger one is checked and forgotten. */
static bool apply(const struct setting *row, const char *text, const char *where,
                  enum setting_source source, struct settings *s, struct error *e)
{
    struct settings forgotten;
    uint8_t *now = &s->source[row - settings_table];
    if (*now > source)
        return setting_assign(row, text, where, &forgotten, e);
    *now = (uint8_t)source;
    return setting_assign(row, text, where, s, e);
}

static void set_defaults(struct settings *s)
{
    *s = (struct settings){0};
    struct error e = {0};
    for (size_t i = 0; i < settings_table_rows; i++)
        if (settings_table[i].name)
            (void)!apply(&settings_table[i], settings_table[i].otherwise,
                         settings_table[i].name, FROM_DEFAULT, s, &e);
}

static bool set_config_path(struct settings *s, const char *path, const char *where,
                            struct error *e)
{
    if (strlen(path) >= sizeof s->config_path)
        return error_set(e, ERROR_INVALID_INPUT, "config",
                         "%s: is longer than %zu bytes", where,
                         sizeof s->config_path - 1);
    memcpy(s->config_path, path, strlen(path) + 1);
    return true;
}

/* The flag at argv[*i], which moves on to the flag's value if that stands alone. */
static bool read_flag(char *const argv[], int *i, struct settings *s,
                      enum settings_action *action, struct error *e)
{
    const char *word = argv[*i];
    const char *others[ACTIONS + 1] = {"--config"};
    for (size_t k = 0; k < ACTIONS; k++) {
        others[k + 1] = actions[k].flag;
        if (strcmp(word, actions[k].flag) == 0) {
            *action = actions[k].action;
            return true;
        }
    }

    char flag[SETTING_NAME_BYTES];
    snprintf(flag, sizeof flag, "%.*s", (int)strcspn(word, "="), word);
    const struct setting *row = find_spelt(flag, setting_spell_flag);
    bool config = strcmp(flag, "--config") == 0;
    if (!row && !config)
        return refuse_name("", flag, setting_spell_flag, others, ACTIONS + 1, e);

    const char *value = strchr(word, '=');
    value = value ? value + 1 : argv[++*i]; /* argv ends with NULL */
    if (!value)
        return error_set(e, ERROR_INVALID_INPUT, row ? row->name : "config",
                         "%s: needs a value", flag);
    if (config)
        return set_config_path(s, value, flag, e);
    return apply(row, value, flag, FROM_FLAG, s, e);
}

static bool read_flags(struct settings *s, int argc, char *const argv[],
                       enum settings_action *action, struct error *e)
{
    for (int i = 1; i < argc; i++)
        if (!read_flag(argv, &i, s, action, e))
            return false;
    return true;
}

/* Kubernetes gives every container in a namespace variables for each Service, named
 * after it: FOO_SERVICE_HOST, FOO_PORT=tcp://10.0.0.1:80, FOO_PORT_80_TCP_ADDR, ... */
static bool is_service_link(const char *variable)
{
    static const char *const marks[] = {
        "_SERVICE_HOST=", "_SERVICE_PORT=", "_SERVICE_PORT_", "_TCP=",       "_TCP_",
        "_UDP=",          "_UDP_",          "_PORT=tcp://",   "_PORT=udp://"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strstr(variable, marks[i]))
            return true;
    return false;
}

static bool read_variable(struct settings *s, const char *variable, struct error *e)
{
    char name[SETTING_NAME_BYTES];
    const char *value = strchr(variable, '=');
    if (!value || strncmp(variable, SETTING_PREFIX, sizeof SETTING_PREFIX - 1) != 0 ||
        is_service_link(variable))
        return true;

    value++;
    snprintf(name, sizeof name, "%.*s", (int)(value - 1 - variable), variable);
    static const char *const config = SETTING_PREFIX "CONFIG";
    if (strcmp(name, config) == 0)
        return s->config_path[0] || set_config_path(s, value, name, e);

    const struct setting *row = find_spelt(name, setting_spell_variable);
    if (!row)
        return refuse_name("", name, setting_spell_variable, &config, 1, e);
    return apply(row, value, name, FROM_ENVIRONMENT, s, e);
}

static bool read_environment(struct settings *s, char *const environment[],
                             struct error *e)
{
    for (; *environment; environment++)
        if (!read_variable(s, *environment, e))
            return false;
    return true;
}

static bool read_pair(struct settings *s, const struct settings_file *f,
                      const char *name, const char *value, unsigned lines[],
                      struct error *e)
{
    char where[WHERE_BYTES + SETTING_NAME_BYTES];
    const struct setting *row = setting_find(name);
    if (!row) {
        snprintf(where, sizeof where, "%s:%u: ", f->path, f->line);
        return refuse_name(where, name, spell_key, NULL, 0, e);
    }

    unsigned *line = &lines[row - settings_table];
    if (*line)
        return error_set(e, ERROR_INVALID_INPUT, name,
                         "%s:%u: %s stands in line %u, too", f->path, f->line, name,
                         *line);
    *line = f->line;
    snprintf(where, sizeof where, "%s:%u: %s", f->path, f->line, name);
    return apply(row, value, where, FROM_FILE, s, e);
}

static bool read_file(struct settings *s, struct error *e)
{
    struct settings_file f;
    unsigned lines[sizeof s->source] = {0};
    if (!s->config_path[0])
        return true;
    if (!settings_file_open(&f, s->config_path, e))
        return false;

    const char *name, *value;
    bool good;
    while ((good = settings_file_next(&f, &name, &value, e)) && name)
        if (!(good = read_pair(s, &f, name, value, lines, e)))
            break;
    settings_file_close(&f);
    return good;
}

/* What no single bound can say. */
static bool check_together(const struct settings *s, struct error *e)
{
    const char *address;
    uint16_t port;
    if (settings_metrics_listener(s, &address, &port) && port == s->port && port != 0 &&
        strcmp(address, s->bind) == 0)
        return error_set(e, ERROR_INVALID_INPUT, "metrics_port",
                         "metrics_bind and metrics_port name the address of bind and "
                         "port: set another metrics_port, or neither");
    if (!s->tls_certificate[0] != !s->tls_key[0])
        return error_set(e, ERROR_INVALID_INPUT,
                         s->tls_key[0] ? "tls_certificate" : "tls_key",
                         "tls_certificate and tls_key belong together: set both, or "
                         "neither");
    return true;
}

/* Whatever else is wrong, help is given. */
static bool asks_for_text(int argc, char *const argv[], enum settings_action *action)
{
    for (int i = 1; i < argc; i++)
        for (size_t k = 0; k < ACTIONS; k++)
            if (strcmp(argv[i], actions[k].flag) == 0 &&
                (actions[k].action == ACTION_HELP ||
                 actions[k].action == ACTION_VERSION)) {
                *action = actions[k].action;
                return true;
            }
    return false;
}

bool settings_load(struct settings *s, int argc, char *const argv[],
                   char *const environment[], enum settings_action *action,
                   struct error *e)
{
    *action = ACTION_RUN;
    set_defaults(s);
    if (asks_for_text(argc, argv, action))
        return true;
    return read_flags(s, argc, argv, action, e) &&
           read_environment(s, environment, e) && read_file(s, e) &&
           check_together(s, e);
}

bool settings_metrics_listener(const struct settings *s, const char **bind,
                               uint16_t *port)
{
    const char *as_bind = strncmp(s->bind, "unix:", 5) == 0 ? "127.0.0.1" : s->bind;
    *bind = s->metrics_bind[0] ? s->metrics_bind : as_bind;
    *port = (uint16_t)(s->metrics_port == SETTING_AUTO ? s->port : s->metrics_port);
    return s->metrics_bind[0] || s->metrics_port != SETTING_AUTO;
}
