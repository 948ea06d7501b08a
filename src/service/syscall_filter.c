#include "service/syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* By name, as not every architecture has all of them, nor every libseccomp. Where two
 * are said to be one, it depends on the architecture or the C library which it is. */
static const char *const allowed[] = {
    /* what is open */
    "read", "write", "writev", "close", "lseek", "fcntl", "fstat", "getdents64",
    "recvfrom", "sendto", "sendmsg", "shutdown", "getsockopt", "setsockopt", "accept4",
    /* waiting: poll() is one of two, epoll_wait() and sleeping are, too */
    "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_ctl", "futex", "sched_yield",
    "nanosleep", "clock_nanosleep", "restart_syscall",
    /* memory; see also below */
    "brk", "munmap", "mremap", "madvise",
    /* files by name, to look at: stat() is one of two; qsort() asks for sysinfo */
    "stat", "newfstatat", "statx", "getrusage", "sysinfo", "sched_getaffinity",
    "geteuid",
    /* clocks, where they take a call, and random numbers */
    "clock_gettime", "gettimeofday", "time", "getrandom",
    /* signals, on a stack of their own under a sanitizer; abort(); threads that are
     * just beginning, or end */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "getpid", "gettid",
    "tgkill", "set_robust_list", "rseq", "exit", "exit_group"};

/* To remove a socket file. */
static const char *const unlinking[] = {"unlink", "unlinkat"};

static const char *const deadly[] = {
    "execve",           "execveat",         "fork", "vfork", "ptrace",
    "process_vm_readv", "process_vm_writev"};

static bool add(scmp_filter_ctx filter, uint32_t action, const char *name,
                unsigned conditions, const struct scmp_arg_cmp *condition)
{
    int number = seccomp_syscall_resolve_name(name);
    return number == __NR_SCMP_ERROR || /* unknown to this library: not allowed then */
           seccomp_rule_add_array(filter, action, number, conditions, condition) == 0;
}

/* Those that depend on what is asked for. */
static bool add_conditional(scmp_filter_ctx filter)
{
    enum { WRITING = O_ACCMODE | O_CREAT | O_TRUNC };
    const struct {
        const char *name;
        struct scmp_arg_cmp condition;
    } rules[] = {
        {"openat", SCMP_A2_64(SCMP_CMP_MASKED_EQ, WRITING, O_RDONLY)},
        {"mmap", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {"mprotect", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {"prlimit64", SCMP_A2_64(SCMP_CMP_EQ, 0)}, /* to ask, not to set */
        {"prctl", SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME)},
        {"ioctl", SCMP_A1_64(SCMP_CMP_EQ, FIONREAD)}, /* how much waits in a socket */
        {"ioctl", SCMP_A1_64(SCMP_CMP_EQ, SIOCOUTQ)},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!add(filter, SCMP_ACT_ALLOW, rules[i].name, 1, &rules[i].condition))
            return false;
    return true;
}

static bool add_all(scmp_filter_ctx filter, uint32_t action, const char *const names[],
                    size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!add(filter, action, names[i], 0, NULL))
            return false;
    return true;
}

static bool add_rules(scmp_filter_ctx filter, bool unlinks)
{
    return add_all(filter, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed) &&
           add_all(filter, SCMP_ACT_ALLOW, unlinking,
                   unlinks ? sizeof unlinking / sizeof *unlinking : 0) &&
           add_all(filter, SCMP_ACT_KILL_PROCESS, deadly,
                   sizeof deadly / sizeof *deadly) &&
           add_conditional(filter);
}

bool syscall_filter_install(enum syscall_filter which, bool unlinks, struct error *e)
{
    if (which == SYSCALLS_ALL)
        return true;
    uint32_t otherwise =
        which == SYSCALLS_LOGGED ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int failure = ENOMEM;
    if (filter && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
        add_rules(filter, unlinks))
        failure = -seccomp_load(filter);
    seccomp_release(filter);
    return failure == 0 ||
           error_set(e, ERROR_INTERNAL, "",
                     "the system calls cannot be filtered (seccomp): %s",
                     strerror(failure));
}
