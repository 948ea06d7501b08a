#include "service/precautions.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "service/log.h"

bool precautions_no_core_dumps(struct error *e)
{
    return (setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0 &&
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) ||
           error_set(e, ERROR_INTERNAL, "", "core dumps cannot be turned off: %s",
                     strerror(errno));
}

/* Written as an address, or the one name that everybody knows. */
static bool is_local(const char *bind)
{
    static const char *const local[] = {"127.", "::1", "[::1]", "localhost", "unix:"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (strncmp(bind, local[i], strlen(local[i])) == 0)
            return true;
    return false;
}

/* "": there is no such file. */
static void warn_if_writable(const char *path)
{
    struct stat file;
    if (path[0] && stat(path, &file) == 0 && (file.st_mode & S_IWOTH))
        log_write(LOG_WARN, "writable_by_all", LOG_S("file", path),
                  LOG_S("advice", "chmod o-w"));
}

static void warn_if_readable(const char *path)
{
    struct stat file;
    if (path[0] && stat(path, &file) == 0 && (file.st_mode & S_IROTH))
        log_write(LOG_WARN, "readable_by_all", LOG_S("file", path),
                  LOG_S("advice", "chmod o-r"));
}

void precautions_warn(const struct settings *s, uid_t user)
{
    const char *metrics_bind;
    uint16_t port;
    bool apart = settings_metrics_listener(s, &metrics_bind, &port);
    if (user == 0 && !(is_local(s->bind) && (!apart || is_local(metrics_bind))))
        log_write(LOG_WARN, "running_as_root", LOG_S("bind", s->bind),
                  LOG_S("advice", "run it as a user of its own: it needs no rights"));

    warn_if_writable(s->config_path);
    warn_if_writable(s->tls_certificate);
    warn_if_writable(s->tls_key);
    warn_if_readable(s->tls_key);
}
