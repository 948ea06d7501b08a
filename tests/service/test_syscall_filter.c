#include "service/syscall_filter.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <seccomp.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

/* The library, which may refuse. */
static bool load_fails;
static int rules_left = -1; /* then one cannot be added; negative: all can */

int seccomp_load(const scmp_filter_ctx filter)
{
    int (*real)(const scmp_filter_ctx);
    *(void **)&real = dlsym(RTLD_NEXT, "seccomp_load");
    return load_fails ? -EACCES : real(filter);
}

int seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int call,
                           unsigned count, const struct scmp_arg_cmp *arguments)
{
    int (*real)(scmp_filter_ctx, uint32_t, int, unsigned, const struct scmp_arg_cmp *);
    *(void **)&real = dlsym(RTLD_NEXT, "seccomp_rule_add_array");
    return rules_left-- == 0 ? -ENOMEM : real(filter, action, call, count, arguments);
}

/* Of the coverage build, whose counters a filtered process cannot leave behind. */
__attribute__((weak)) void __gcov_dump(void);

/* What becomes of a process that filters its calls and then does `act`: its status. A
 * child's, because there is no way back. */
static bool unlinks;

static int filtered(enum syscall_filter which, int (*act)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct error e = {0};
        if (!syscall_filter_install(which, unlinks, &e))
            _exit(99);
        int result = act();
        if (which == SYSCALLS_LOGGED && __gcov_dump)
            __gcov_dump();
        _exit(result);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static bool passes(enum syscall_filter which, int (*act)(void))
{
    int status = filtered(which, act);
    ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 99, "not installed");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int serve(void)
{
    int ends[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0)
        return 1;
    int fd = open("/proc/self/status", O_RDONLY);
    void *memory =
        mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *large = malloc(1 << 22);
    bool served = fd >= 0 && read(fd, &byte, 1) == 1 && memory != MAP_FAILED && large &&
                  write(STDOUT_FILENO, "", 0) == 0;
    free(large);
    return !served;
}

static int pair[2];

/* Without these nobody sees clients that have left, or take nothing. */
static int look_at_socket(void)
{
    int unread = 0, unsent = 0;
    return ioctl(pair[0], FIONREAD, &unread) != 0 ||
           ioctl(pair[0], SIOCOUTQ, &unsent) != 0 ||
           ioctl(pair[0], FIONBIO, &unread) == 0;
}

static int open_connection(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM;
}

static int write_file(void)
{
    return open("/dev/null", O_WRONLY) >= 0 || errno != EPERM ||
           open("/tmp/attentiond-forbidden", O_RDONLY | O_CREAT, 0600) >= 0 ||
           errno != EPERM;
}

static int remove_file(void)
{
    return unlink("/tmp/attentiond-not-there") == 0 || errno != EPERM;
}

static int find_no_file(void)
{
    return unlink("/tmp/attentiond-not-there") == 0 || errno != ENOENT;
}

/* What neither this program nor its libraries call once it serves. */
static int call_what_is_idle(void)
{
    static const long idle[] = {
        SYS_dup,         SYS_dup3,       SYS_pread64,    SYS_recvmsg, SYS_accept,
        SYS_getsockname, SYS_readlink,   SYS_readlinkat, SYS_getuid,  SYS_uname,
        SYS_faccessat,   SYS_membarrier, SYS_setuid,     SYS_getcpu,  SYS_readv,
    };
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
        if (syscall(idle[i], -1, 0, 0, 0) != -1 || errno != EPERM)
            return (int)i + 1;
    return 0;
}

static int make_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED ||
           errno != EPERM;
}

static void *nothing(void *context)
{
    return context;
}

static int start_thread(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, nothing, NULL) == 0;
}

static int start_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return 1;
}

static int is_filtering(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2 ||
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

START_TEST(what_serving_needs_is_allowed)
{
    ck_assert(passes(SYSCALLS_FILTERED, serve));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert(passes(SYSCALLS_FILTERED, look_at_socket));
}
END_TEST

START_TEST(what_it_has_no_reason_for_is_refused)
{
    ck_assert(passes(SYSCALLS_FILTERED, open_connection));
    ck_assert(passes(SYSCALLS_FILTERED, write_file));
    ck_assert(passes(SYSCALLS_FILTERED, make_code));
    ck_assert(passes(SYSCALLS_FILTERED, start_thread));
    ck_assert(passes(SYSCALLS_FILTERED, call_what_is_idle));
}
END_TEST

START_TEST(only_who_has_a_socket_file_may_remove_one)
{
    ck_assert(passes(SYSCALLS_FILTERED, remove_file));
    unlinks = true;
    ck_assert(passes(SYSCALLS_FILTERED, find_no_file));
    unlinks = false;
}
END_TEST

START_TEST(another_program_is_its_end)
{
    static const enum syscall_filter both[] = {SYSCALLS_FILTERED, SYSCALLS_LOGGED};
    for (size_t i = 0; i < 2; i++) {
        int status = filtered(both[i], start_program);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGSYS);
    }
}
END_TEST

START_TEST(what_is_only_logged_is_done)
{
    ck_assert(passes(SYSCALLS_LOGGED, is_filtering));
    ck_assert(!passes(SYSCALLS_LOGGED, write_file));
    ck_assert(!passes(SYSCALLS_LOGGED, make_code));
}
END_TEST

START_TEST(off_is_off)
{
    struct error e = {0};
    ck_assert(syscall_filter_install(SYSCALLS_ALL, false, &e));
    ck_assert_int_eq(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}
END_TEST

static sem_t installed;
static int seen = 1;

static void *look(void *context)
{
    sem_wait(&installed);
    seen = open_connection();
    return context;
}

static pthread_t start_looking(void)
{
    pthread_t thread;
    sem_init(&installed, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, look, NULL), 0);
    return thread;
}

START_TEST(threads_that_run_already_are_filtered_too)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct error e = {0};
        pthread_t thread = start_looking();
        if (!syscall_filter_install(SYSCALLS_FILTERED, false, &e))
            _exit(99);
        sem_post(&installed);
        pthread_join(thread, NULL);
        _exit(seen);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_filter_that_cannot_be_had_is_said)
{
    struct error e = {0};
    load_fails = true;
    ck_assert(!syscall_filter_install(SYSCALLS_FILTERED, false, &e));
    ck_assert_int_eq(e.code, ERROR_INTERNAL);
    ck_assert_str_eq(
        e.message, "the system calls cannot be filtered (seccomp): Permission denied");
    int rules = 0;
    for (e.code = ERROR_NONE; rules < 500; rules++) { /* whichever cannot be added */
        e = (struct error){0};
        rules_left = rules;
        ck_assert(!syscall_filter_install(SYSCALLS_FILTERED, false, &e));
        if (!strstr(e.message, "Cannot allocate memory"))
            break;
    }
    ck_assert_int_gt(rules, 55);
    ck_assert_ptr_nonnull(strstr(e.message, "Permission denied"));
}
END_TEST

TEST_PROGRAM("syscall_filter", what_serving_needs_is_allowed,
             what_it_has_no_reason_for_is_refused,
             only_who_has_a_socket_file_may_remove_one, another_program_is_its_end,
             what_is_only_logged_is_done, off_is_off,
             threads_that_run_already_are_filtered_too,
             a_filter_that_cannot_be_had_is_said)
