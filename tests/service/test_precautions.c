#include "service/precautions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/log.h"
#include "service/process.h"
#include "support/test.h"

static struct settings settings_of(const char *bind, const char *metrics_bind)
{
    struct settings s = {.metrics_port = SETTING_AUTO};
    snprintf(s.bind, sizeof s.bind, "%s", bind);
    snprintf(s.metrics_bind, sizeof s.metrics_bind, "%s", metrics_bind);
    return s;
}

/* What is logged about these settings. */
static const char *warnings(const struct settings *s, uid_t user)
{
    static char text[4096];
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    log_configure(ends[1], LOG_TEXT, LOG_INFO);
    precautions_warn(s, user);
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_INFO);
    close(ends[1]);
    ssize_t length = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    ck_assert_int_ge(length, 0);
    text[length] = '\0';
    return text;
}

static bool warns_root(const char *bind, const char *metrics_bind, uid_t user)
{
    struct settings s = settings_of(bind, metrics_bind);
    const char *text = warnings(&s, user);
    bool warns = strstr(text, "level=warn event=running_as_root") != NULL;
    ck_assert_msg(warns || !*text, "%s", text);
    return warns;
}

/* threat 121 */
START_TEST(root_is_warned_where_others_can_call)
{
    static const char *const local[] = {"127.0.0.1", "127.1.2.3", "::1",
                                        "[::1]",     "localhost", "unix:/run/a"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        ck_assert_msg(!warns_root(local[i], "", 0), "%s", local[i]);
        ck_assert(warns_root("0.0.0.0", local[i], 0));
        ck_assert(warns_root(local[i], "::", 0));
    }
    ck_assert(warns_root("10.0.0.1", "", 0));
    ck_assert(!warns_root("10.0.0.1", "", 65534));
}
END_TEST

/* threat 121 */
START_TEST(a_file_that_anybody_may_write_is_told_of)
{
    char path[] = "/tmp/attentiond-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    struct settings s = settings_of("127.0.0.1", "");
    snprintf(s.config_path, sizeof s.config_path, "%s", path);
    ck_assert_int_eq(fchmod(fd, 0664), 0);
    ck_assert_str_eq(warnings(&s, 1), "");
    ck_assert_int_eq(fchmod(fd, 0646), 0);
    const char *text = warnings(&s, 1);
    ck_assert_ptr_nonnull(strstr(text, "level=warn event=writable_by_all file="));
    ck_assert_ptr_nonnull(strstr(text, path));
    ck_assert_ptr_null(strstr(text, "readable_by_all"));

    snprintf(s.tls_key, sizeof s.tls_key, "%s", path);
    s.config_path[0] = '\0';
    text = warnings(&s, 1);
    ck_assert_ptr_nonnull(strstr(text, "level=warn event=writable_by_all file="));
    ck_assert_ptr_nonnull(strstr(text, "level=warn event=readable_by_all file="));
    ck_assert_int_eq(fchmod(fd, 0640), 0);
    ck_assert_str_eq(warnings(&s, 1), "");
    close(fd);
    unlink(path);
    ck_assert_str_eq(warnings(&s, 1), "");
}
END_TEST

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1 /* it calls these before it is ready itself */
static bool limits_fixed, folder_closed;
#else
#define SANITIZED 0
/* In the place of the C library's. */
static bool limits_fixed, folder_closed;

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    errno = EPERM;
    return limits_fixed ? -1 : prlimit(0, resource, limit, NULL);
}

DIR *opendir(const char *path)
{
    int fd = folder_closed ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_closed)
        errno = EACCES;
    return fd < 0 ? NULL : fdopendir(fd);
}
#endif

START_TEST(what_cannot_be_turned_off_is_said)
{
    struct error e = {0};
    limits_fixed = true;
    if (SANITIZED)
        return;
    ck_assert(!precautions_no_core_dumps(&e));
    ck_assert_int_eq(e.code, ERROR_INTERNAL);
    ck_assert_str_eq(e.message,
                     "core dumps cannot be turned off: Operation not permitted");
}
END_TEST

/* threat 122 */
START_TEST(there_is_no_image_of_the_memory)
{
    struct error e = {0};
    ck_assert(precautions_no_core_dumps(&e));
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    struct rlimit limit = {1, 1};
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 0);
    ck_assert_uint_eq(limit.rlim_max, 0);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* what LeakSanitizer needs */
}
END_TEST

static double count_open(void)
{
    double count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(descriptors_are_asked_for_where_the_folder_is_closed)
{
    struct process_usage open, closed;
    process_usage_read(&open);
    folder_closed = true;
    if (SANITIZED)
        return;
    process_usage_read(&closed);
    ck_assert_double_gt(open.open_fds, 0);
    ck_assert_double_eq(closed.open_fds, open.open_fds);
    ck_assert_int_eq(prlimit(0, RLIMIT_NOFILE, &(struct rlimit){3, 1024}, NULL), 0);
    process_usage_read(&closed);
    ck_assert_int_eq(prlimit(0, RLIMIT_NOFILE, &(struct rlimit){1024, 1024}, NULL), 0);
    ck_assert_double_eq(closed.open_fds, 3);
}
END_TEST

/* The folder of the descriptors is root's then. */
START_TEST(descriptors_are_counted_all_the_same)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct error e = {0};
        struct process_usage usage;
        if ((geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) ||
            !precautions_no_core_dumps(&e))
            _exit(1);
        process_usage_read(&usage);
        if (usage.open_fds != count_open())
            _exit(2);
        if (dup(0) < 0)
            _exit(4);
        process_usage_read(&usage);
        _exit(usage.open_fds == count_open() && usage.threads >= 1 ? 0 : 3);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

TEST_PROGRAM("precautions", root_is_warned_where_others_can_call,
             a_file_that_anybody_may_write_is_told_of,
             what_cannot_be_turned_off_is_said,
             descriptors_are_asked_for_where_the_folder_is_closed,
             there_is_no_image_of_the_memory, descriptors_are_counted_all_the_same)
